from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import kept_client
from tests.identity.conftest import desk, offer, other_desk
from tests.licenses.world import World


@pytest.fixture
def world(both_engines: str, aws: None) -> World:
    """The license service, on each of the two engines."""
    return World(kept_client("dynamodb"))


@pytest.fixture
def arena(aws: None, dynamodb_local: Any) -> World:
    """The license service on Amazon's engine, with a connection for every thread of a race."""
    import boto3
    from botocore.config import Config

    from tests.conftest import REGION

    client = boto3.client(
        "dynamodb", endpoint_url=dynamodb_local.meta.endpoint_url, region_name=REGION,
        aws_access_key_id="local", aws_secret_access_key="local",
        config=Config(max_pool_connections=64, retries={"total_max_attempts": 1}),
    )  # fmt: skip
    return World(client)


__all__ = ["arena", "desk", "offer", "other_desk", "world"]
