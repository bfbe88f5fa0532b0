"""Limits per network, as the front door's rate rules count them: trailing window, by address."""

from __future__ import annotations

import math
import posixpath
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from infra import throttling
from infra.local.front.events import address_of, viewer_of
from infra.local.front.http import Answer, Request, as_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST_ADDRESSES = 10_000
"""Addresses remembered per rule; beyond it those that have been idle for a window are dropped."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` per address in any `seconds`; empty methods or paths mean all.

    A path means all that begin so.
    """

    name: str
    requests: int
    seconds: int
    methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def covers(self, method: str, path: str) -> bool:
        return (not self.methods or method in self.methods) and (
            not self.paths or plain(path).startswith(self.paths)
        )


def plain(path: str) -> str:
    """Decoded, and without what a gateway may read over: doubled slashes, dots, one at the end."""
    return "/" + posixpath.normpath(unquote(path)).lstrip("/")


FORMS = tuple(path.removesuffix("{token}") for path in throttling.PASSWORDS)


LIMITS = (
    Limit("requests", requests=6_000, seconds=300),
    Limit("credentials", requests=600, seconds=300, methods=("POST",), paths=FORMS),
)
"""Twenty requests a second and two passwords a second, sustained for five minutes: far above a
person or an office behind one address, and above a test suite that runs from 127.0.0.1."""


class NetworkLimits:
    """Counts what each viewer address asked for; what was refused does not count."""

    def __init__(
        self, limits: Iterable[Limit] = LIMITS, now: Callable[[], float] = time.time
    ) -> None:
        self.limits = tuple(limits)
        self.now = now
        self._lock = threading.Lock()
        self._asked: dict[str, dict[str, deque[float]]] = {r.name: {} for r in self.limits}

    def refuse(self, request: Request, stage: str) -> Answer | None:
        """Return 429 with the whole seconds to wait, or None after counting the request."""
        path = address_of(request.path, stage).path
        viewer, now = viewer_of(request), self.now()
        covering = [limit for limit in self.limits if limit.covers(request.method, path)]
        with self._lock:
            waits = [self._wait(limit, viewer, now) for limit in covering]
            if any(waits):
                return _too_many(max(waits))
            for limit in covering:
                self._asked[limit.name].setdefault(viewer, deque()).append(now)
        return None

    def _wait(self, limit: Limit, viewer: str, now: float) -> float:
        """Return the seconds until this address may ask again; 0 if it may now."""
        known = self._asked[limit.name]
        if len(known) > MOST_ADDRESSES:
            self._asked[limit.name] = known = _recent(known, now - limit.seconds)
        asked = known.get(viewer)
        while asked and asked[0] <= now - limit.seconds:
            asked.popleft()
        if not asked or len(asked) < limit.requests:
            return 0.0
        return asked[0] + limit.seconds - now

    def described(self) -> list[dict[str, Any]]:
        return [asdict(limit) for limit in self.limits]


def _recent(known: dict[str, deque[float]], since: float) -> dict[str, deque[float]]:
    return {viewer: asked for viewer, asked in known.items() if asked and asked[-1] > since}


def _too_many(wait: float) -> Answer:
    seconds = max(1, math.ceil(wait))
    detail = f"This network asked too often. Try again in {seconds} seconds."
    retry = (("Retry-After", str(seconds)),)
    return as_problem(429, "too_many_requests", "Too many requests", detail, retry)
