from __future__ import annotations

import pytest

from chalicelib.storage.aws import client
from tests.licenses.world import World


@pytest.fixture
def world(aws: None) -> World:
    """The license service on the engine inside this process."""
    return World(client("dynamodb"))
