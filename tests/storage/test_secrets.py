"""Secrets as the parameter store of moto gives them, and as it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

from chalicelib.storage import aws
from chalicelib.storage.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "/cetrus/test"


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("ssm", region_name="eu-west-1")


def test_a_secret_is_found_under_the_prefix(ssm: Any) -> None:
    ssm.put_parameter(Name=f"{PREFIX}/hash-key", Value="a word", Type="SecureString")
    assert Secrets(ssm, PREFIX).get("hash-key") == "a word"


def test_a_missing_one_is_named(ssm: Any) -> None:
    with pytest.raises(LookupError, match=f"{PREFIX}/hash-key"):
        Secrets(ssm, PREFIX).get("hash-key")


BUSY = ClientError(
    {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}},
    "GetParameter",
)


@pytest.mark.parametrize("error", [BUSY, ConnectTimeoutError(endpoint_url="")], ids=["busy", "far"])
def test_what_passes_by_itself_is_known_as_such(
    ssm: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_asked: object) -> None:
        raise error

    monkeypatch.setattr(ssm, "get_parameter", refuse)
    with pytest.raises(type(error)) as raised:
        Secrets(ssm, PREFIX).get("hash-key")
    assert aws.passing(raised.value)
