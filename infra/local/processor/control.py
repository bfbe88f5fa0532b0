"""`/_sim/`: how tests and people steer the simulator. One table serves, checks and documents."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as with_changes
from typing import Any

from infra.local.processor import backlog, cards, checkout, disputes, hostility
from infra.local.processor.backlog import Endpoint, Secret
from infra.local.processor.errors import (
    NOT_FOUND,
    ApiError,
    CardError,
    JsonObject,
    missing_param,
)
from infra.local.processor.store import Store
from infra.local.processor.webhooks import Courier, event_body, sign
from infra.local.processor.world import World

_MAX_TIMES = 100
_OVERLAP_S = 86_400
_SAMPLE_EXPIRY = (12, 2034)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the controls work with. `on_secrets` tells the merchant's side of a rotation."""

    store: Store
    courier: Courier
    base: str
    on_secrets: Callable[[list[JsonObject]], None]

    @property
    def world(self) -> World:
        return World(self.store, self.base)


@dataclass(frozen=True, slots=True)
class Control:
    """One control: how it is called, what its fields mean, what it answers."""

    method: str
    path: str
    summary: str
    run: Callable[[Desk, JsonObject, str], JsonObject]
    fields: Mapping[str, str]
    answer: str

    def match(self, method: str, path: str) -> str | None:
        """The id in the path, empty when it has none; None for another control."""
        if method != self.method:
            return None
        head, has_id, tail = self.path.partition("{id}")
        if not has_id:
            return "" if path == self.path else None
        object_id = path.removeprefix(head).removesuffix(tail)
        fits = path == head + object_id + tail and object_id and "/" not in object_id
        return object_id if fits else None

    def public(self) -> JsonObject:
        return {
            "method": self.method,
            "path": self.path,
            "does": self.summary,
            "fields": dict(self.fields),
            "answers": self.answer,
        }


def find(method: str, path: str) -> tuple[Control, str]:
    for control in CONTROLS:
        object_id = control.match(method, path)
        if object_id is not None:
            return control, object_id
    raise ApiError(f"There is no control {method} {path}; GET /_sim/ lists them.", NOT_FOUND)


def overview(desk: Desk) -> JsonObject:
    """All controls and the state that they steer."""
    with desk.store.transaction():
        current = desk.world.hostility
    return {
        "controls": [control.public() for control in CONTROLS],
        "cards": [
            {"behavior": one.name, "number": cards.number_for(one.name), "does": one.summary}
            for one in cards.BEHAVIORS.values()
        ],
        "hostility": current.public(),
        "now": time.time(),
        "pending": len(desk.courier.due()),
        **_sessions(desk, {}, ""),
        **_endpoints(desk, {}, ""),
    }


def _list_hostility(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        current = desk.world.hostility
    return {"hostility": current.public(), "meanings": dict(hostility.MEANINGS)}


def _set_hostility(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    wanted = hostility.read(given)
    with desk.store.transaction():
        desk.store.set("hostility", wanted.public())
        # The same story from here on meets the same troubles under the same seed.
        desk.store.set("events_since_hostility", 0)
        desk.store.set("writes_since_hostility", 0)
    return {"hostility": wanted.public()}


def _calm(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    return _set_hostility(desk, {"seed": 0}, "")


def _endpoints(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    now_ms = int(time.time() * 1000)
    with desk.store.transaction():
        endpoints = backlog.endpoints(desk.store)
    return {
        "endpoints": [
            {
                "id": one.id,
                "url": one.url,
                "secrets": [secret.value for secret in one.live(now_ms)],
                "all_secrets": [secret.public() for secret in one.secrets],
            }
            for one in endpoints
        ]
    }


def _rotate(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    """A new secret from now on; the others end after the overlap."""
    now_ms = int(time.time() * 1000)
    overlap_ms = int(_number(given, "overlap_s", _OVERLAP_S) * 1000)
    value = str(given.get("secret") or f"whsec_{secrets.token_urlsafe(24)}")
    fresh = Secret(backlog.secret_id(value), value, now_ms)
    with desk.store.transaction():
        endpoints = backlog.endpoints(desk.store)
        rotated = [_rotated(one, fresh, now_ms, now_ms + overlap_ms) for one in endpoints]
        backlog.set_endpoints(desk.store, rotated)
    for endpoint in rotated:
        desk.on_secrets([secret.public() for secret in endpoint.secrets])
    return _endpoints(desk, {}, "")


def _rotated(endpoint: Endpoint, fresh: Secret, now_ms: int, until_ms: int) -> Endpoint:
    ending = [
        with_changes(one, not_after=min(one.not_after, until_ms))
        for one in endpoint.secrets
        if one.live(now_ms) and one.value != fresh.value
    ]
    return with_changes(endpoint, secrets=(fresh, *ending))


def _deliveries(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    event = given.get("event")
    with desk.store.transaction():
        sent = backlog.attempts(desk.store, event, int(_number(given, "since", 0)))
        waiting = backlog.waiting(desk.store)
    wanted = given.get("type")
    return {
        "deliveries": [one for one in sent if wanted in (None, one.get("type"))],
        "waiting": [
            {"event": one.event, "due": one.due, "attempt": one.attempt}
            for one in waiting
            if event in (None, one.event)
        ],
    }


def _deliver(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    """Send an event again, or bytes that were made up, at once."""
    times = int(_number(given, "times", 1))
    if not 1 <= times <= _MAX_TIMES:
        raise ApiError(f"times is from 1 to {_MAX_TIMES}.", param="times")
    body, event_id = _bytes_to_send(desk, given)
    with desk.store.transaction():
        endpoints = backlog.endpoints(desk.store)
    sent = [
        _forge(desk, endpoint, body, event_id, given)
        for endpoint in endpoints
        for _ in range(times)
    ]
    return {"deliveries": sent}


def _bytes_to_send(desk: Desk, given: JsonObject) -> tuple[bytes, str]:
    event_id = str(given.get("event") or "")
    forged = given.get("body")
    if forged is not None:
        return (forged if isinstance(forged, str) else str(forged)).encode(), event_id
    if not event_id:
        raise missing_param("event")
    with desk.store.transaction():
        event = desk.world.get("event", event_id)
    return event_body(event), event_id


def _forge(
    desk: Desk, endpoint: Endpoint, body: bytes, event_id: str, given: JsonObject
) -> JsonObject:
    now = time.time()
    timestamp = int(_number(given, "timestamp", int(now)) + _number(given, "skew_s", 0))
    keys = [one.value for one in endpoint.live(int(now * 1000))]
    if given.get("secret") is not None:
        keys = [str(given["secret"])]
    signature = given.get("signature")
    header = sign(body, timestamp, keys) if signature is None else str(signature)
    shown = desk.courier.forge(endpoint, body, header).public(
        attempt=1, outcome="sent by hand", at=now, timestamp=timestamp
    )
    with desk.store.transaction():
        backlog.record(desk.store, event_id, shown)
    return {"event": event_id, **shown}


def _flush(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    sent = desk.courier.flush(early=not given.get("due_only"))
    return {"deliveries": sent, "pending": len(desk.courier.due())}


def _sessions(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        sessions = [desk.world.public(one) for one in desk.store.open_sessions()]
    return {"sessions": sessions}


def _complete(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    """What a person would do on the hosted page, without a browser."""
    card = _card(str(given.get("card") or "succeeds"))
    with desk.store.transaction():
        session = desk.world.get("checkout.session", _text(given, "session"), "session")
        if session["status"] == "complete":
            return _completed(session)
        return _try_card(desk.world, session, card, given.get("confirm") is not False)


def _try_card(world: World, session: JsonObject, card: cards.Card, confirmed: bool) -> JsonObject:
    # A decline is a fact that is kept, so it must not leave the transaction as an error.
    try:
        checkout.submit(world, session, card)
        if session["status"] == "open":
            checkout.authenticate(world, session, confirmed=confirmed)
    except CardError as declined:
        return {
            "completed": False,
            "status": session["status"],
            "redirect": None,
            "decline": {
                name: declined.error.get(name) for name in ("code", "decline_code", "message")
            },
        }
    return _completed(session)


def _completed(session: JsonObject) -> JsonObject:
    return {
        "completed": True,
        "status": session["status"],
        "redirect": checkout.return_url(session),
        "decline": None,
    }


def _card(given: str) -> cards.Card:
    number = cards.number_for(given) or given
    card = cards.read_card(number, *_SAMPLE_EXPIRY)
    if card is None:
        raise ApiError("card is a test card's number or the name of a behavior.", param="card")
    return card


def _list_disputes(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        return {"disputes": desk.store.newest("dispute")}


def _open_dispute(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        charge = desk.world.get("charge", _text(given, "charge"), "charge")
        reason = str(given.get("reason") or "fraudulent")
        status = str(given.get("status") or "needs_response")
        return {"dispute": disputes.create(desk.world, charge, reason, status)}


def _move_dispute(desk: Desk, given: JsonObject, object_id: str) -> JsonObject:
    with desk.store.transaction():
        dispute = desk.world.get("dispute", object_id)
        return {"dispute": disputes.move(desk.world, dispute, _text(given, "status"))}


def _reset(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.courier.paused(), desk.store.transaction():
        desk.store.forget()
        desk.store.set("hostility", hostility.Hostility().public())
    return {"reset": True}


def _text(given: JsonObject, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise missing_param(name)
    return value


def _number(given: JsonObject, name: str, default: float) -> float:
    value: Any = given.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ApiError(f"{name} is a number.", param=name) from None


CONTROLS = (
    Control(
        "GET",
        "/_sim/hostility",
        "Shows the hostility now",
        _list_hostility,
        {},
        "hostility, meanings",
    ),
    Control(
        "POST",
        "/_sim/hostility",
        "Sets the hostility; shares are from 0 to 1, true is 1; what is left out is off",
        _set_hostility,
        hostility.MEANINGS,
        "hostility, with the seed that replays it",
    ),
    Control("DELETE", "/_sim/hostility", "Turns all hostility off", _calm, {}, "hostility"),
    Control(
        "GET",
        "/_sim/webhooks",
        "Lists the webhook endpoints with the secrets that sign now",
        _endpoints,
        {},
        "endpoints: id, url, secrets (live values), all_secrets (id, value, not_before, not_after)",
    ),
    Control(
        "POST",
        "/_sim/webhooks/rotate",
        "Adds a secret; both sign until the overlap ends",
        _rotate,
        {"secret": "the new one; left out, one is made", "overlap_s": "seconds, 86400 by itself"},
        "endpoints",
    ),
    Control(
        "GET",
        "/_sim/deliveries",
        "Lists every delivery attempt, oldest first, with the exact bytes, and what waits",
        _deliveries,
        {"event": "only this event", "type": "only this type", "since": "only ids above this"},
        "deliveries: id, event, type, url, headers, body (exact text), body_base64, attempt, "
        "status (null: no answer), answer, outcome, at, timestamp; waiting: event, due, attempt",
    ),
    Control(
        "POST",
        "/_sim/deliver",
        "Sends an event again, or a forged one, at once",
        _deliver,
        {
            "event": "id of the event",
            "times": "how often, 1 by itself",
            "timestamp": "the t= to sign, seconds UTC",
            "skew_s": "seconds added to it",
            "secret": "sign with this instead of the live secrets",
            "signature": "send this header as it is; empty leaves it out",
            "body": "exact text to send instead of the event's",
        },
        "deliveries, as above",
    ),
    Control(
        "POST",
        "/_sim/flush",
        "Delivers all that waits now, delayed and to be retried included, each once, in order",
        _flush,
        {"due_only": "true: only what is due on the clock"},
        "deliveries, pending",
    ),
    Control("GET", "/_sim/sessions", "Lists the open checkout sessions", _sessions, {}, "sessions"),
    Control(
        "POST",
        "/_sim/complete",
        "Completes a checkout without a browser",
        _complete,
        {
            "session": "id of the session",
            "card": "a test card's number or a behavior, 'succeeds' by itself",
            "confirm": "false: the bank's question is refused",
        },
        "completed, status, redirect (URL to go to), decline (code, decline_code, message)",
    ),
    Control(
        "GET", "/_sim/disputes", "Lists the disputes, newest first", _list_disputes, {}, "disputes"
    ),
    Control(
        "POST",
        "/_sim/disputes",
        "Opens a dispute or an inquiry over a charge",
        _open_dispute,
        {
            "charge": "id of the charge",
            "reason": "fraudulent by itself; also " + ", ".join(sorted(disputes.REASONS)),
            "status": "needs_response by itself, or warning_needs_response for an inquiry",
        },
        "dispute",
    ),
    Control(
        "POST",
        "/_sim/disputes/{id}",
        "Moves a dispute on",
        _move_dispute,
        {
            "status": "under_review, won, lost; of an inquiry also warning_under_review, "
            "warning_closed, needs_response"
        },
        "dispute",
    ),
    Control(
        "POST",
        "/_sim/reset",
        "Forgets all objects, events and deliveries; endpoints and secrets stay",
        _reset,
        {},
        "reset",
    ),
)
