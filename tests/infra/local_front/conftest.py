"""Fixtures: the front before a function written in the test, over real sockets."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.local.front.door import FrontDoor
from infra.local.front.gateway import Gateway
from infra.local.front.http import Answer, Request, serve
from infra.local.front.limits import LIMITS, Limit, NetworkLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "x-amazon-apigateway-binary-media-types": ["application/octet-stream", "image/png"],
    "paths": {
        "/": {"get": {}},
        "/items": {"get": {}, "head": {}, "post": {}},
        "/items/{id}": {"get": {}},
        "/items/new": {"get": {}},
        "/login": {"post": {}},
        "/v1/keys": {"get": {}},
        "/v1/{rest+}": {"x-amazon-apigateway-any-method": {}},
    },
    "x-amazon-apigateway-gateway-responses": {
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": 404,
            "responseParameters": {"gatewayresponse.header.X-Robots-Tag": "'noindex'"},
            "responseTemplates": {
                "text/html": "<h1>Not found: $context.path</h1>",
                "application/json": '{"detail": $context.error.messageString}',
            },
        },
        "DEFAULT_5XX": {"responseTemplates": {"application/json": '{"code": "unavailable"}'}},
    },
}


class Front:
    """A running front whose function keeps the events it got and returns `result`."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.result: Callable[[dict[str, Any]], Any] = lambda _: {"statusCode": 200, "body": "ok"}
        self.now = 1_800_000_000.0
        self.watched: list[tuple[Request, Answer, float]] = []
        self.url = ""
        self.http = httpx.Client()

    def invoke(self, event: dict[str, Any]) -> Any:
        self.events.append(event)
        return self.result(event)

    def answering(self, **answer: Any) -> None:
        self.result = lambda _: answer


class NoControl:
    def answer(self, request: Request) -> Answer:
        return Answer(299, (("X-Control", request.path),))


@pytest.fixture
def start_front() -> Iterator[Callable[..., Front]]:
    with ExitStack() as stack:

        def start(limits: tuple[Limit, ...] = LIMITS, timeout: float = 29.0) -> Front:
            front = Front()

            def now() -> float:
                return front.now

            gateway = Gateway(SWAGGER, front.invoke, now=now, timeout=timeout)
            door = FrontDoor(
                gateway,
                NoControl(),
                NetworkLimits(limits, now=now),
                watcher=lambda *seen: front.watched.append(seen),
                now=now,
            )
            server = serve(door.answer).start()
            stack.callback(server.stop)
            front.url = f"http://127.0.0.1:{server.port}"
            front.http = stack.enter_context(httpx.Client(base_url=front.url))
            return front

        yield start


@pytest.fixture
def front(start_front: Callable[..., Front]) -> Front:
    return start_front()
