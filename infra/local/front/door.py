"""The front door of the one-machine cloud: what a request meets before the gateway, in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from infra.local.front.events import address_of
from infra.local.front.gateway import STAGE
from infra.local.front.http import Answer, Request, as_problem

MAX_HEADERS = 10_240
"""Bytes of header lines that API Gateway takes."""
MAX_TARGET = 8_192
"""Bytes of URL that the front door takes."""
CONTROL = "/_local"
CHALLENGE = "WWW-Authenticate"
"""What a 401 must carry by RFC 9110, and REST APIs rename."""

Watcher = Callable[[Request, Answer, float], None]
"""Told of each request that was answered, with the instant it came in."""


class Answers(Protocol):
    def answer(self, request: Request) -> Answer: ...


class Limits(Protocol):
    def refuse(self, request: Request, stage: str) -> Answer | None: ...


class FrontDoor:
    """Sends `/_local` to the control surface, all else past the limits to the gateway."""

    def __init__(
        self,
        gateway: Answers,
        control: Answers,
        limits: Limits,
        watcher: Watcher | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.gateway, self.control, self.limits = gateway, control, limits
        self.watcher, self.now = watcher, now

    def answer(self, request: Request) -> Answer:
        if request.path == CONTROL or request.path.startswith(CONTROL + "/"):
            return self.control.answer(request)
        at = self.now()
        answer = _oversize(request) or self.limits.refuse(request, STAGE) or self._through(request)
        if self.watcher:
            self.watcher(request, answer, at)
        return answer

    def _through(self, request: Request) -> Answer:
        """Ask the gateway; only the mapped domain lies behind the edge, not the stage's own URL."""
        answer = self.gateway.answer(request)
        address = address_of(request.path, STAGE)
        return _restored(answer) if address.path == address.full_path else answer


def _restored(answer: Answer) -> Answer:
    """Give a header the gateway renamed its name back, as the edge must before a viewer sees it."""
    renamed = f"x-amzn-remapped-{CHALLENGE}".lower()
    headers = tuple(
        (CHALLENGE if name.lower() == renamed else name, value) for name, value in answer.headers
    )
    return Answer(answer.status, headers, answer.body)


def _oversize(request: Request) -> Answer | None:
    if len(request.target) > MAX_TARGET:
        detail = f"The URL is longer than {MAX_TARGET} bytes."
        return as_problem(414, "uri_too_long", "URI Too Long", detail)
    if sum(len(name) + len(value) + 4 for name, value in request.headers) > MAX_HEADERS:
        detail = f"The headers are longer than {MAX_HEADERS} bytes."
        return as_problem(431, "headers_too_large", "Request Header Fields Too Large", detail)
    return None
