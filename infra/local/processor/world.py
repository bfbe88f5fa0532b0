"""What every operation works with: the store, the caller's request, new objects and events."""

import hashlib
import json
import time
from dataclasses import dataclass, field

from infra.local.processor import backlog
from infra.local.processor.errors import JsonObject, missing_object
from infra.local.processor.hostility import Hostility
from infra.local.processor.store import Store

API_VERSION = "2026-10-28.endive"
PRIVATE = "_sim"
_ID_CHARACTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ID_LENGTH = 24
LABELS = {
    "customer": "customer",
    "checkout.session": "checkout.session",
    "setup_intent": "setupintent",
    "payment_intent": "payment_intent",
    "payment_method": "PaymentMethod",
    "charge": "charge",
    "refund": "refund",
    "dispute": "dispute",
    "event": "event",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """The API request that an event is the effect of; empty for what a person or time did."""

    request: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """One transaction's view of the simulator. `base` is the origin that people are sent to."""

    store: Store
    base: str
    cause: Cause = field(default_factory=Cause)

    @property
    def now(self) -> int:
        return int(time.time())

    @property
    def hostility(self) -> Hostility:
        return Hostility(**self.store.setting("hostility", {}))

    def get(self, kind: str, object_id: str, param: str = "id") -> JsonObject:
        """The object; a 404 as Stripe words it, or a 400 where a parameter named it."""
        found = self.store.find(object_id)
        if found is None or found["object"] != kind:
            status = 404 if param == "id" else 400
            raise missing_object(LABELS[kind], object_id, param, status)
        return found

    def create(self, prefix: str, kind: str, fields: JsonObject) -> JsonObject:
        thing = {
            "id": self.new_id(prefix),
            "object": kind,
            "created": self.now,
            "livemode": False,
            **fields,
        }
        self.store.put(thing)
        return thing

    def update(self, thing: JsonObject, **fields: object) -> JsonObject:
        thing.update(fields)
        self.store.put(thing)
        return thing

    def new_id(self, prefix: str) -> str:
        """A new id: unlike in look, never repeated, the same for the same history."""
        salt = self.store.setting("salt", "")
        text = f"{salt}:{prefix}:{self.store.count('ids')}"
        number = int.from_bytes(hashlib.sha256(text.encode()).digest())
        characters = []
        for _ in range(_ID_LENGTH):
            number, index = divmod(number, len(_ID_CHARACTERS))
            characters.append(_ID_CHARACTERS[index])
        return f"{prefix}_{''.join(characters)}"

    def emit(self, kind: str, thing: JsonObject, previous: JsonObject | None = None) -> None:
        """Record an event with a snapshot of the object, and queue its deliveries."""
        data: JsonObject = {"object": self.public(thing)}
        if previous:
            data["previous_attributes"] = previous
        event = self.create(
            "evt",
            "event",
            {
                "api_version": API_VERSION,
                "data": data,
                "pending_webhooks": len(backlog.endpoints(self.store)),
                "request": {
                    "id": self.cause.request,
                    "idempotency_key": self.cause.idempotency_key,
                },
                "type": kind,
            },
        )
        ordinal = self.store.count("events_since_hostility")
        backlog.enqueue(self.store, event["id"], self.hostility, ordinal, time.time())

    def public(self, thing: JsonObject) -> JsonObject:
        """The object as a caller sees it: a copy without what the simulator keeps for itself."""
        shown: JsonObject = json.loads(json.dumps(thing))
        shown.pop(PRIVATE, None)
        if thing["object"] == "checkout.session":
            shown["url"] = self.page_url(thing)
        return shown

    def public_answer(self, answer: JsonObject) -> JsonObject:
        """An operation's answer as a caller sees it: one object, or a list of them."""
        if isinstance(answer.get("data"), list):
            return answer | {"data": [self.public(one) for one in answer["data"]]}
        return self.public(answer)

    def page_url(self, session: JsonObject) -> str | None:
        """The hosted page of a session, present only while it is open."""
        return f"{self.base}/c/pay/{session['id']}" if session["status"] == "open" else None
