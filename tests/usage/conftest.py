from __future__ import annotations

import pytest

from tests.conftest import kept_client
from tests.identity.conftest import desk, offer, other_desk
from tests.licenses.conftest import world
from tests.licenses.world import World


@pytest.fixture
def moto_world(aws: None) -> World:
    """The license service on moto alone, for many examples."""
    return World(kept_client("dynamodb"))


__all__ = ["desk", "offer", "other_desk", "world"]
