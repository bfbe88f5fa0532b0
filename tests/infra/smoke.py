"""Run as `python -I -S smoke.py TASK`: the unzipped package answers with nothing else there."""

from __future__ import annotations

import json
import os
import sys

task = sys.argv[1]
sys.path[:] = [path for path in sys.path if "-packages" not in path]
sys.path.insert(0, task)
os.chdir(task)

import app  # noqa: E402  # the path had to be set first

EVENT = {
    "resource": "/status",
    "path": "/status",
    "httpMethod": "GET",
    "headers": {"Accept": "text/html", "Host": "cetrus.test"},
    "multiValueHeaders": {"Accept": ["text/html"], "Host": ["cetrus.test"]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "requestContext": {
        "resourcePath": "/status",
        "path": "/api/status",
        "httpMethod": "GET",
        "stage": "api",
        "requestId": "r-1",
        "identity": {"sourceIp": "203.0.113.9"},
    },
    "body": None,
    "isBase64Encoded": False,
}


class Context:
    """What Lambda hands over beside the event."""

    aws_request_id = "r-1"
    function_name = "api_handler"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:api_handler"
    memory_limit_in_mb = 1769
    log_stream_name = "stream"

    def get_remaining_time_in_millis(self) -> int:
        return 28_000


answer = app.app(EVENT, Context())

# Every library that ships, and every cloud client that we use, from the same folder.
for name in ("argon2", "cryptography.fernet", "jinja2", "pydantic", "stripe"):
    __import__(name)
import boto3  # noqa: E402  # as above
from botocore.config import Config  # noqa: E402  # as above

SERVICES = ("dynamodb", "kms", "s3", "ses", "sesv2", "sqs", "ssm", "sts")
signed = Config(signature_version="s3v4")
clients = {name: boto3.client(name, region_name="eu-west-1", config=signed) for name in SERVICES}

outside = sorted(
    name
    for name, module in sys.modules.items()
    if "-packages" in (getattr(module, "__file__", None) or "")
)
uncompiled = sorted(
    name
    for name, module in sys.modules.items()
    if (getattr(module, "__file__", None) or "").startswith(task)
    and (getattr(module, "__file__", None) or "").endswith(".py")
    and not os.path.exists(getattr(module, "__cached__", None) or "")  # noqa: PTH110
)
endpoints = {name: client.meta.endpoint_url for name, client in clients.items()}
page = answer["body"]
sys.stdout.write(
    json.dumps(
        {
            "status": answer["statusCode"],
            "headers": answer["headers"],
            "page": page,
            "outside": outside,
            "uncompiled": uncompiled,
            "endpoints": endpoints,
            "presigned": clients["s3"].generate_presigned_url(
                "get_object", Params={"Bucket": "cetrus-installers", "Key": "k"}
            ),
        }
    )
)
