"""Faults that tests set: the nth matching cloud call of a function fails in a chosen way.

fail                  400 `InternalFailure`: botocore does not retry it, so the app sees it
throttle              the service's own throttling error; botocore retries it by itself
conflict              a write to DynamoDB meets another transaction and is not done; reads never do
timeout_after_commit  the call is done, then the connection drops; botocore retries it, which
                      is what a lost answer means
kill                  SIGKILL of the calling process before the call is done
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .wire import Answer, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .wire import Call

KINDS = ("fail", "throttle", "conflict", "timeout_after_commit", "kill")
_FIELDS = {"service", "action", "function", "nth", "times", "kind"}
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
_CONFLICT = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
_THROTTLED = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "s3": (503, "SlowDown"),
    "ses": (400, "Throttling"),
    "sesv2": (429, "TooManyRequestsException"),
    "sqs": (400, "RequestThrottled"),
}


@dataclass(slots=True)
class _Fault:
    """Armed after `wait` more matching calls, then for `left` calls."""

    kind: str
    service: str | None
    action: str | None
    function: str | None
    wait: int
    left: int

    def matches(self, function: str, service: str, action: str) -> bool:
        if self.kind == "conflict" and (service != "dynamodb" or action not in _WRITES):
            return False
        return all(
            wanted is None or wanted == actual
            for wanted, actual in (
                (self.function, function),
                (self.service, service),
                (self.action, action),
            )
        )


class Faults:
    """The faults in force; `nth` counts matching calls from the moment a fault was added."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def add(self, wanted: Mapping[str, Any]) -> None:
        """Raises ValueError naming the field that is wrong."""
        unknown = set(wanted) - _FIELDS
        if unknown:
            raise ValueError(f"unknown field: {', '.join(sorted(unknown))}")
        if wanted.get("kind") not in KINDS:
            raise ValueError(f"kind: one of {', '.join(KINDS)}")
        names = {name: _text(wanted, name) for name in ("service", "action", "function")}
        nth, times = (_count(wanted, name) for name in ("nth", "times"))
        fault = _Fault(wanted["kind"], **names, wait=nth - 1, left=times)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, function: str, service: str, action: str) -> str | None:
        """Count a call; the kind of the first fault that strikes it, if any."""
        with self._lock:
            struck = [f for f in self._faults if f.matches(function, service, action) and _due(f)]
            if struck:
                self._faults = [fault for fault in self._faults if fault.left]
            return struck[0].kind if struck else None


def _due(fault: _Fault) -> bool:
    if fault.wait:
        fault.wait -= 1
        return False
    fault.left -= 1
    return True


def _text(wanted: Mapping[str, Any], name: str) -> str | None:
    value = wanted.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"{name}: a text")


def _count(wanted: Mapping[str, Any], name: str) -> int:
    value = wanted.get(name, 1)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"{name}: a whole number from 1 up")


def answer(kind: str, call: Call) -> Answer:
    """What a call gets that a fault keeps from being done."""
    if kind == "conflict":
        return _conflict(call)
    if kind == "throttle":
        status, code = _THROTTLED.get(call.service, (400, "ThrottlingException"))
        return refusal(call.service, status, code, "Rate exceeded (local fault)")
    return refusal(call.service, 400, "InternalFailure", "The call failed (local fault)")


def _conflict(call: Call) -> Answer:
    """A transaction says so for each of its actions, a single write by an error of its own."""
    if call.action != "TransactWriteItems":
        message = "Transaction is ongoing for the item (local fault)"
        return refusal(call.service, 400, "TransactionConflictException", message)
    reasons = [_CONFLICT] * len(call.parameters["TransactItems"])
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = (
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    )
    status, headers, body = refusal(call.service, 400, "TransactionCanceledException", message)
    told = {**json.loads(body), "CancellationReasons": reasons}
    return status, headers, json.dumps(told).encode()
