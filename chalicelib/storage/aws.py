"""AWS clients, one a service and process, made where they are first used."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

SERVER_ERROR = 500
BUSY = frozenset(
    {
        "InternalFailure", "InternalServerError", "LimitExceededException",
        "ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException",
        "RequestLimitExceeded", "RequestThrottled", "ServiceUnavailable", "SlowDown", "Throttling",
        "ThrottlingError", "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip
"""By the services' own names: throttled, or failed on their side; the same call may work soon."""


def passing(error: Exception) -> bool:
    """Whether a service failed for a moment only: too busy, broken on its side, or not reached."""
    from botocore import exceptions

    if not isinstance(error, exceptions.ClientError):
        return isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError))
    answer: dict[str, Any] = dict(error.response)
    codes = {reason.get("Code") for reason in answer.get("CancellationReasons", ())}
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= SERVER_ERROR or bool(BUSY & {answer["Error"]["Code"], *codes})


@cache
def client(service: str) -> Any:
    """A client with short timeouts: a Lambda must answer before its caller gives up.

    Mail is never handed over twice by the client's own doing: a lost answer is judged by its class.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=2,
        read_timeout=8,
        retries={"mode": "standard", "total_max_attempts": 1 if service == "sesv2" else 3},
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": "path"} if os.environ.get("AWS_ENDPOINT_URL_S3") else None,
    )
    return boto3.client(service, config=config)
