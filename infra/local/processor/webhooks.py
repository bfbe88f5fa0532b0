"""Webhook deliveries: signed as Stripe signs, sent by one hand at a time, in order."""

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from infra.local.processor import backlog
from infra.local.processor.backlog import Endpoint, Waiting
from infra.local.processor.errors import JsonObject, missing_object
from infra.local.processor.hostility import Hostility
from infra.local.processor.store import Store

_TIMEOUT_S = 30
_TICK_S = 0.2
_QUIET_S = 0.25
_KEPT_ANSWER = 1_000


def sign(body: bytes, timestamp: int, secrets: Sequence[str]) -> str:
    """The `Stripe-Signature` header: one `v1` for each secret, over `t.body`."""
    signed = b"%d." % timestamp + body
    marks = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={mark}" for mark in marks)])


def event_body(event: JsonObject) -> bytes:
    """The bytes of an event, the same at every delivery."""
    return json.dumps(event, indent=2).encode()


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it went out and what came back; `status` None is: no answer."""

    url: str
    headers: dict[str, str]
    body: bytes
    status: int | None
    answer: str

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def public(self, **more: Any) -> JsonObject:
        return {
            "url": self.url,
            "headers": self.headers,
            "body": self.body.decode("utf-8", "replace"),
            "body_base64": base64.b64encode(self.body).decode(),
            "status": self.status,
            "answer": self.answer,
            **more,
        }


def send(url: str, body: bytes, signature: str) -> Sent:
    """POST one event. Redirects are not followed; a failure to connect is no answer."""
    parts = urlsplit(url)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "CetrusProcessorSimulator/1.0",
        "Accept": "*/*",
        "Cache-Control": "no-cache",
    }
    if signature:
        headers["Stripe-Signature"] = signature
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", target, body, headers)
        response = connection.getresponse()
        answer = response.read(_KEPT_ANSWER).decode("utf-8", "replace")
        return Sent(url, headers, body, response.status, answer)
    except (OSError, http.client.HTTPException) as failure:
        return Sent(url, headers, body, None, type(failure).__name__)
    finally:
        connection.close()


@dataclass
class Courier:
    """The single hand that delivers: a thread of its own, or whoever calls `flush`.

    `tick` does what only the passing of time does; it is called before anything is looked at.
    """

    store: Store
    tick: Callable[[], None]
    active: set[str] = field(default_factory=set)
    _hand: threading.Lock = field(default_factory=threading.Lock)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="processor-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        self._wake.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While it lasts, nothing is on its way."""
        with self._hand:
            yield

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(_TICK_S)
            self._wake.clear()
            self.tick()
            self._gather()
            while not self._stopping and self.deliver_next():
                pass

    def _gather(self) -> None:
        """Where events are to overtake one another, wait until no new one comes."""
        while not self._stopping and self._hostility().reorder and self.due():
            before = len(self.due())
            time.sleep(_QUIET_S)
            if len(self.due()) <= before:
                return

    def _hostility(self) -> Hostility:
        with self.store.transaction():
            return Hostility(**self.store.setting("hostility", {}))

    def due(self) -> list[Waiting]:
        """What should be sent now, in order."""
        with self.store.transaction():
            waiting = backlog.waiting(self.store, time.time())
        return [one for one in waiting if one.endpoint in self.active]

    def next_due(self) -> float | None:
        """When the next delivery that waits is due, in seconds UTC."""
        with self.store.transaction():
            waiting = backlog.waiting(self.store)
        return min((one.due for one in waiting if one.endpoint in self.active), default=None)

    def deliver_next(self) -> bool:
        """Send the first delivery that is due; False when there is none."""
        with self._hand:
            due = self.due()
            if due:
                self._deliver(due[0])
            return bool(due)

    def flush(self, *, early: bool) -> list[JsonObject]:
        """Send what is due, or with `early` all that waits, each once; answer what was sent."""
        with self._hand:
            with self.store.transaction():
                waiting = backlog.waiting(self.store, None if early else time.time())
            return [self._deliver(one) for one in waiting if one.endpoint in self.active]

    def _deliver(self, delivery: Waiting) -> JsonObject:
        with self.store.transaction():
            event = self.store.find(delivery.event)
            endpoint = self._endpoint(delivery.endpoint)
        if event is None:
            raise missing_object("event", delivery.event)
        timestamp = int(time.time()) + delivery.skew
        sent = self._send(endpoint, event_body(event), timestamp)
        with self.store.transaction():
            outcome = self._settle(delivery, sent)
            shown = sent.public(
                type=event["type"],
                attempt=delivery.attempt,
                outcome=outcome,
                at=time.time(),
                timestamp=timestamp,
            )
            backlog.record(self.store, delivery.event, shown)
        return {"event": delivery.event, **shown}

    def _settle(self, delivery: Waiting, sent: Sent) -> str:
        """Write what becomes of a delivery: delivered, to be tried again, or given up."""
        hostility = Hostility(**self.store.setting("hostility", {}))
        ignored = delivery.attempt == 1 and hostility.strikes("retry", delivery.ordinal)
        if sent.accepted and not ignored:
            backlog.finish(self.store, delivery)
            return "delivered"
        again = backlog.postpone(self.store, delivery, time.time())
        return ("answer ignored, " if sent.accepted else "") + (
            "will be tried again" if again else "given up"
        )

    def forge(self, endpoint: Endpoint, body: bytes, signature: str) -> Sent:
        """Send any bytes with any signature, in turn with the other deliveries."""
        with self._hand:
            return send(endpoint.url, body, signature)

    def _send(self, endpoint: Endpoint, body: bytes, timestamp: int) -> Sent:
        live = endpoint.live(int(time.time() * 1000))
        return send(endpoint.url, body, sign(body, timestamp, [one.value for one in live]))

    def _endpoint(self, endpoint_id: str) -> Endpoint:
        for endpoint in backlog.endpoints(self.store):
            if endpoint.id == endpoint_id:
                return endpoint
        raise missing_object("webhook endpoint", endpoint_id)
