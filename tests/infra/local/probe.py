"""Handlers that the test zip holds: they do what the event says, and tell what happened."""

import datetime as dt
import importlib
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any


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
    return value.isoformat() if isinstance(value, dt.datetime) else value


def call(service: str, method: str, arguments: dict[str, Any]) -> Any:
    try:
        return _text(getattr(_client(service), method)(**_bytes(arguments)))
    except Exception as error:  # noqa: BLE001  # the test looks at whatever it is
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


def show_time(event: dict[str, Any], context: Any) -> Any:
    return {
        "time": time.time(),
        "now": dt.datetime.now(dt.UTC).timestamp(),
        "left": context.get_remaining_time_in_millis(),
        "pid": os.getpid(),
    }


def show_imports(event: dict[str, Any], context: Any) -> Any:
    return {
        "found": [name for name in event["names"] if importable(name)],
        "path": sys.path,
        "environment": sorted(os.environ),
    }


def sleep(event: dict[str, Any], context: Any) -> float:
    time.sleep(event["seconds"])
    return time.time()


def ask_elsewhere(event: dict[str, Any], context: Any) -> int:
    request = urllib.request.Request(  # noqa: S310  # a server of the test
        event["url"], data=b'{"card": "none"}', method="POST"
    )
    request.add_header("Authorization", "Bearer secret")
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # as above
        return int(answer.status)


DEEDS: dict[str, Callable[[dict[str, Any], Any], Any]] = {
    "call": lambda e, c: call(e["service"], e["method"], e.get("arguments", {})),
    "calls": lambda e, c: [call(*each) for each in e["calls"]],
    "time": show_time,
    "import": show_imports,
    "hash": lambda e, c: hash_password(),
    "sleep": sleep,
    "print": lambda e, c: print(e["text"]),  # noqa: T201  # a line for the log
    "exit": lambda e, c: os._exit(3),
    "big": lambda e, c: "x" * e["size"],
    "request": ask_elsewhere,
}


def probe(event: dict[str, Any], context: Any) -> Any:
    if event["do"] not in DEEDS:
        raise ValueError(f"cannot {event['do']}")
    return DEEDS[event["do"]](event, context)


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
