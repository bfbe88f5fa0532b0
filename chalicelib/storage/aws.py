"""AWS clients, one a service and process, made where they are first used."""

from __future__ import annotations

import os
from functools import cache
from typing import Any


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
