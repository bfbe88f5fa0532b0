from __future__ import annotations

import pytest

from chalicelib.storage.aws import client
from tests.identity.conftest import desk, offer, other_desk
from tests.licenses.world import World


@pytest.fixture
def world(aws: None) -> World:
    """The license service on the engine inside this process."""
    return World(client("dynamodb"))


__all__ = ["desk", "offer", "other_desk", "world"]
