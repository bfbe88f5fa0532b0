"""Handlers that the test zip holds: they do what the event says, and tell what happened."""

import datetime
import importlib
import json
import os
import sys
import time
import urllib.request
from typing import Any

STARTED = time.time()


def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def _bytes(value: Any) -> Any:
    """`{"b": text}` stands for bytes in an event."""
    if isinstance(value, dict):
        return (
            value["b"].encode() if set(value) == {"b"} else {k: _bytes(v) for k, v in value.items()}
        )
    return [_bytes(v) for v in value] if isinstance(value, list) else value


def _text(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("latin-1")
    if hasattr(value, "read"):
        return value.read().decode("latin-1")
    if isinstance(value, dict):
        return {k: _text(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [_text(v) for v in value]
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def call(service: str, method: str, arguments: dict[str, Any]) -> Any:
    try:
        return _text(getattr(_client(service), method)(**_bytes(arguments)))
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
        return {"error": code, "text": str(error)}


def importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def hash_password() -> bool:
    from argon2 import PasswordHasher

    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return hasher.verify(hasher.hash("secret"), "secret")


def probe(event: dict[str, Any], context: Any) -> Any:
    kind = event["do"]
    if kind == "call":
        return call(event["service"], event["method"], event.get("arguments", {}))
    if kind == "calls":
        return [call(*each) for each in event["calls"]]
    if kind == "time":
        return {
            "time": time.time(),
            "now": datetime.datetime.now(datetime.UTC).timestamp(),
            "left": context.get_remaining_time_in_millis(),
            "pid": os.getpid(),
        }
    if kind == "import":
        return {
            "found": [name for name in event["names"] if importable(name)],
            "path": sys.path,
            "environment": sorted(os.environ),
        }
    if kind == "hash":
        return hash_password()
    if kind == "sleep":
        time.sleep(event["seconds"])
        return time.time()
    if kind == "print":
        print(event["text"])
        return None
    if kind == "exit":
        os._exit(3)
    if kind == "big":
        return "x" * event["size"]
    if kind == "request":
        request = urllib.request.Request(event["url"], data=b'{"card": "none"}', method="POST")
        request.add_header("Authorization", "Bearer secret")
        with urllib.request.urlopen(request) as answer:
            return answer.status
    raise ValueError(f"cannot {kind}")


def _note(kind: str, **more: Any) -> None:
    item = {"pk": {"S": kind}, "sk": {"S": f"{time.time():.6f}#{os.urandom(4).hex()}"}}
    item |= {name: {"S": str(value)} for name, value in more.items()}
    _client("dynamodb").put_item(TableName=os.environ["THINGS"], Item=item)


def consume(event: dict[str, Any], context: Any) -> Any:
    failed = []
    for record in event["Records"]:
        _note(
            "CONSUMED",
            body=record["body"],
            count=record["attributes"]["ApproximateReceiveCount"],
            batch=len(event["Records"]),
        )
        if record["body"] == "explode":
            raise RuntimeError(record["body"])
        if record["body"].startswith("poison"):
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def tick(event: dict[str, Any], context: Any) -> str:
    name = os.environ["AWS_LAMBDA_FUNCTION_NAME"].split("-")[1]
    _note("TICK", function=name, at=event["time"])
    return name


def inbound(event: dict[str, Any], context: Any) -> None:
    for record in event["Records"]:
        if (
            _client("dynamodb")
            .get_item(
                TableName=os.environ["THINGS"], Key={"pk": {"S": "FAIL"}, "sk": {"S": "INBOUND"}}
            )
            .get("Item")
        ):
            raise RuntimeError("told to fail")
        _note("INBOUND", key=record["s3"]["object"]["key"], size=record["s3"]["object"]["size"])


def mail_sweep(event: dict[str, Any], context: Any) -> int:
    """Works off at most two outbox rows a run."""
    dynamodb, table = _client("dynamodb"), os.environ["THINGS"]
    rows = dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "OUTBOX"}},
        Limit=2,
    )["Items"]
    for row in rows:
        dynamodb.delete_item(TableName=table, Key={"pk": row["pk"], "sk": row["sk"]})
    return len(rows)


print(json.dumps({"loaded": True}))
