"""What workers report while they run: lines, password hashes, requests to elsewhere."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import CallLog
    from .faults import Faults
    from .runtime import Worker

Json = dict[str, Any]
KEPT_LINES = 200_000


class Reported:
    """Keeps what was reported since the start; hashes go to the log of calls, faults included."""

    def __init__(self, now: Callable[[], str], log: CallLog, faults: Faults) -> None:
        self._now, self._log, self._faults = now, log, faults
        self.lines: deque[Json] = deque(maxlen=KEPT_LINES)
        self.requests: list[Json] = []

    def line(self, worker: Worker, text: str) -> None:
        self.lines.append(
            {
                "at": self._now(),
                "function": worker.spec.name,
                "request_id": worker.request_id,
                "line": text,
            }
        )

    def argon2(self, worker: Worker, action: str) -> str | None:
        """Count a password hash; the fault that strikes it, if any."""
        fault = self._faults.take(worker.spec.name, "argon2", action)
        if fault == "kill":
            worker.kill()
        else:
            self._log.add(worker.spec.name, "argon2", action, None, 0.0)
        return fault

    def request(self, worker: Worker, seen: Json) -> None:
        self.requests.append({"at": self._now(), "function": worker.spec.name, **seen})
