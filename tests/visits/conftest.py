from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.visits.logs import Door

if TYPE_CHECKING:
    from tests.conftest import FakeClock


@pytest.fixture
def door(aws: None, clock: FakeClock) -> Door:
    return Door()
