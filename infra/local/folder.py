"""The files a cloud starts from, and the hold on its data folder."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import sys
import threading
import types
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from .errors import CloudError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]
SERVICES: tuple[Any, ...] = ("dynamodb", "s3", "sqs", "kms", "ssm", "iam", "sts", "sesv2", "ses")


def read_template(out: Path) -> Json:
    for name in ("cfn.json", "deployment.zip"):
        if not (out / name).exists():
            raise CloudError(f"{out / name} is missing: run `make package` first")
    template: Json = json.loads((out / "cfn.json").read_text())
    return template


def swagger_of(template: Json) -> Json:
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::ApiGateway::RestApi":
            body: Json = resource["Properties"].get("Body", {})
            return body
    return {}


def hold(data: Path) -> IO[str]:
    """Hold the data folder, made if need be: two clouds on one folder would ruin it."""
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise CloudError(f"{data} is in use by another local cloud") from None
    file.write(str(os.getpid()))
    file.flush()
    return file


_running = threading.Lock()


def take_process() -> None:
    """Hold moto, whose state is the process's, until `leave_process`; begin with none of it."""
    from moto.backends import get_backend

    if not _running.acquire(blocking=False):
        raise CloudError("a local cloud runs in this process already: start another process")
    with _without_ec2():
        get_backend("ssm")
    for service in SERVICES:
        get_backend(service).reset()


@contextmanager
def _without_ec2() -> Iterator[None]:
    """moto's parameter store imports its EC2 to look up images: half of all start-up time."""
    if "moto.ec2" in sys.modules:
        yield
        return
    stand_in: Any = types.ModuleType("moto.ec2")
    stand_in.ec2_backends = {}
    sys.modules["moto.ec2"] = stand_in
    try:
        yield
    finally:
        del sys.modules["moto.ec2"]


def leave_process() -> None:
    _running.release()


def iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="microseconds")
