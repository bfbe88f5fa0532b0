"""The REST API gateway: routes from the packaged Swagger; events, answers, faults as on AWS."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.front.answers import BadAnswer, binary_types_of, http_answer, is_binary
from infra.local.front.events import Address, Arrival, address_of, proxy_event, viewer_of
from infra.local.front.gateway_responses import (
    BAD_FUNCTION,
    TIMED_OUT,
    TOO_LARGE,
    UNKNOWN_ROUTE,
    Fault,
    GatewayResponses,
)
from infra.local.front.http import Answer, Request
from infra.local.front.routes import Match, RouteTable

STAGE = "api"
TIMEOUT = 29.0
"""Seconds that API Gateway waits for a function."""
MAX_EVENT = 6_291_556
"""Bytes of event that a synchronous invocation takes."""

Invoke = Callable[[dict[str, Any]], Any]
"""Runs the API's function with one event; raises if the function did."""


class Gateway:
    """Serves one REST API at its stage (`/api/...`) and, as a mapped domain, at the root."""

    def __init__(
        self,
        swagger: Mapping[str, Any],
        invoke: Invoke,
        now: Callable[[], float] = time.time,
        timeout: float = TIMEOUT,
    ) -> None:
        self.routes = RouteTable(swagger)
        self.responses = GatewayResponses(swagger)
        self.binary_types = binary_types_of(swagger)
        self.invoke, self.now, self.timeout = invoke, now, timeout

    def answer(self, request: Request) -> Answer:
        address = address_of(request.path, STAGE)
        arrival = Arrival(str(uuid.uuid4()), self.now(), viewer_of(request))
        match = self.routes.find(request.method, address.path)
        if match is None:
            return self._fault(UNKNOWN_ROUTE, request, address, arrival)
        if request.oversize:
            return self._fault(TOO_LARGE, request, address, arrival)
        return self._call(request, match, address, arrival)

    def _call(self, request: Request, match: Match, address: Address, arrival: Arrival) -> Answer:
        binary = is_binary(request.header("Content-Type") or "", self.binary_types)
        event = json.dumps(proxy_event(request, match, address, arrival, STAGE, binary))
        if len(event) > MAX_EVENT:
            return self._fault(TOO_LARGE, request, address, arrival)
        try:
            # Only JSON crosses the boundary, as in Lambda.
            result = within(self.timeout, lambda: self.invoke(json.loads(event)))
            accept = request.header("Accept") or ""
            answer = http_answer(result, accept, self.binary_types)
        except TimeoutError:
            return self._fault(TIMED_OUT, request, address, arrival)
        except Exception as error:  # noqa: BLE001  # whatever a function raises is a 502 to the viewer
            _report(request, match, error)
            return self._fault(BAD_FUNCTION, request, address, arrival)
        own = (("x-amzn-RequestId", arrival.request_id),)
        return Answer(answer.status, answer.headers + own, answer.body)

    def _fault(self, fault: Fault, request: Request, address: Address, arrival: Arrival) -> Answer:
        context = {
            "requestId": arrival.request_id,
            "extendedRequestId": arrival.request_id,
            "requestTimeEpoch": str(int(arrival.at * 1000)),
            "httpMethod": request.method,
            "path": address.full_path,
            "stage": STAGE,
            "protocol": "HTTP/1.1",
            "domainName": (request.header("Host") or "localhost").partition(":")[0],
        }
        return self.responses.answer(fault, request, context)


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what `call` returns, raise what it raises, or TimeoutError after real seconds."""
    done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((call(), None))
        except BaseException as error:  # noqa: BLE001  # handed to the waiting thread, which raises it
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result


def _report(request: Request, match: Match, error: Exception) -> None:
    """Say on stderr which route failed and how; never what was sent or what the error quotes."""
    what = f" ({error})" if isinstance(error, BadAnswer) else ""
    where = f"{request.method} {match.resource.path}"
    print(f"gateway: 502 for {where}: {type(error).__name__}{what}", file=sys.stderr)
