"""The peer of the license check, as it is commonly built: FastAPI, Mangum, Powertools, boto3.

It does what our check does: the key's hash by a secret of the parameter store, one strong Query of
the license partition, and the verdict. It runs alone, with its own packages, and never sees ours.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from boto3.dynamodb.conditions import Key
from fastapi import FastAPI  # type: ignore[import-not-found]  # lives in the peer's environment
from mangum import Mangum  # type: ignore[import-not-found]  # likewise
from pydantic import BaseModel

logger = Logger(service="peer")
metrics = Metrics(namespace="Peer", service="peer")
table = boto3.resource("dynamodb").Table(os.environ["USAGE_TABLE"])
app = FastAPI()


class Check(BaseModel):
    """What a program asks."""

    license_key: str
    application: str
    release: str | None = None


class Answer(BaseModel):
    """The verdict."""

    valid: bool
    code: str
    detail: str
    notices: list[str] = []


def fits(head: dict[str, Any], check: Check) -> bool:
    name = f"{os.environ['SECRETS_PREFIX']}/hash-key"
    secret = str(parameters.get_parameter(name, decrypt=True, max_age=300))
    said = f"license-key\0{check.license_key}".encode()
    digest = hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()
    return hmac.compare_digest(digest, head.get("key_hash") or "")


def judge(items: list[dict[str, Any]], check: Check) -> str:
    by_key = {item["sk"]: item for item in items}
    head = by_key.get("HEAD")
    if head is None or check.application not in {head["application"], head["slug"]}:
        return "UNKNOWN"
    if not fits(head, check):
        return "UNKNOWN"
    now = int(time.time() * 1000)
    if head["standing"] != "active":
        return str(head["standing"]).upper()
    if head.get("ends_at") is not None and now >= head["ends_at"]:
        return "EXPIRED"
    seats = {key: item for key, item in by_key.items() if key.startswith("SLOT#")}
    live = [item for item in seats.values() if item["expires_at"] > now]
    if head.get("slots") and len(live) >= len(head["slots"]):
        return "SEATS_FULL"
    return "VALID"


@app.post("/v1/licenses/check")  # type: ignore[untyped-decorator]  # FastAPI's types are not here
def check_license(check: Check) -> Answer:
    license_id = "lic_" + check.license_key.split("_")[1]
    found = table.query(
        KeyConditionExpression=Key("pk").eq(f"LICENSE#{license_id}") & Key("sk").lt("T"),
        ConsistentRead=True,
    )
    code = judge(found["Items"], check)
    metrics.add_metric(name="Checked", unit=MetricUnit.Count, value=1)
    logger.info("checked", extra={"code": code})
    return Answer(valid=code == "VALID", code=code, detail=code.capitalize())


adapter = Mangum(app, lifespan="off")


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> Any:
    return adapter(event, context)
