"""The record of every cloud call that a function makes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .wire import Call


class CallLog:
    """Rows {seq, at, function, service, action, table, units}; `seq` grows by one a row."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._rows: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(
        self, function: str, service: str, action: str, table: str | None, units: float
    ) -> None:
        with self._lock:
            self._rows.append(
                {
                    "seq": len(self._rows) + 1,
                    "at": self._now(),
                    "function": function,
                    "service": service,
                    "action": action,
                    "table": table,
                    "units": units,
                }
            )

    def rows(self, since: int = 0, function: str | None = None) -> list[dict[str, Any]]:
        with self._lock:
            newer = self._rows[max(since, 0) :]
        return [row for row in newer if function is None or row["function"] == function]


def table_of(call: Call) -> str | None:
    """The table a call names; several, in the order of the call, joined by a comma."""
    if call.service != "dynamodb":
        return None
    body = call.parameters
    names = [body["TableName"]] if "TableName" in body else []
    names += [
        next(iter(entry.values())).get("TableName") for entry in body.get("TransactItems", [])
    ]
    requests = body.get("RequestItems")
    names += list(requests) if isinstance(requests, Mapping) else []
    plain = [str(name).rsplit("/", 1)[-1] for name in names if name]
    return ",".join(dict.fromkeys(plain)) or None
