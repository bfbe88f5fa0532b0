"""Invocations that nobody waits for: bucket notifications, retried as Lambda's async calls."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from .errors import InvocationError
from .names import REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from .objects import ObjectEvent
    from .plan import BucketSource
    from .store import Store

KIND = "event"
ATTEMPTS = 3
LOOK_SECONDS = 0.25


@dataclass(slots=True)
class _Event:
    id: str
    function: str
    event: Any
    attempts: int
    due: float  # virtual seconds


class Later:
    """Events waiting for a function: tried at once, then a minute later, then two, then dropped."""

    def __init__(
        self,
        store: Store,
        invoke: Callable[[str, Any], Any],
        now: Callable[[], float],
    ) -> None:
        self._store, self._invoke, self._now = store, invoke, now
        self._events: list[_Event] = [
            _Event(name, function, **body) for function, name, body in store.all(KIND)
        ]
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def begin(self) -> None:
        """Serve by itself from now on."""
        self._thread.start()

    def add(self, function: str, event: Any) -> None:
        waiting = _Event(str(uuid.uuid4()), function, event, 0, self._now())
        self._keep(waiting)
        with self._lock:
            self._events.append(waiting)
        self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def once(self) -> bool:
        """Try the oldest event that is due; False if there is none."""
        with self._turn:
            waiting = self._next()
            if waiting is None or self._stopped:
                return False
            self._try(waiting)
            return True

    def _next(self) -> _Event | None:
        with self._lock:
            now = self._now()
            return next((event for event in self._events if event.due <= now), None)

    def _try(self, waiting: _Event) -> None:
        try:
            self._invoke(waiting.function, waiting.event)
        except InvocationError:
            waiting.attempts += 1
            if waiting.attempts < ATTEMPTS:
                waiting.due = self._now() + 60 * waiting.attempts
                self._keep(waiting)
                return
        with self._lock:
            self._events.remove(waiting)
        self._store.remove(KIND, waiting.function, waiting.id)

    def _keep(self, waiting: _Event) -> None:
        body = {"event": waiting.event, "attempts": waiting.attempts, "due": waiting.due}
        self._store.put(KIND, waiting.function, waiting.id, body)

    def _loop(self) -> None:
        while not self._stopped:
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            while self.once():
                pass


def matches(source: BucketSource, event: ObjectEvent) -> bool:
    wanted = source.event.removeprefix("s3:")
    named = event.name == wanted or (wanted.endswith("*") and event.name.startswith(wanted[:-1]))
    inside = event.key.startswith(source.prefix) and event.key.endswith(source.suffix)
    return source.bucket == event.bucket and named and inside


def notification(event: ObjectEvent, at: str) -> Any:
    """The event that S3 sends; the key is encoded as in a form, as on AWS."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": at,
                "eventName": event.name,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": event.bucket, "arn": f"arn:aws:s3:::{event.bucket}"},
                    "object": {
                        "key": quote_plus(event.key, safe="/"),
                        "size": event.size,
                        "eTag": event.etag,
                    },
                },
            }
        ]
    }
