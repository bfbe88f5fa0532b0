"""The controls of the hostile network: hostility, secrets, deliveries, forgeries."""

import secrets
import time
from dataclasses import replace as with_changes

from infra.local.processor import backlog, hostility
from infra.local.processor.backlog import Endpoint, Secret
from infra.local.processor.desk import Desk, number
from infra.local.processor.errors import ApiError, JsonObject, missing_param
from infra.local.processor.webhooks import event_body, sign

_MAX_TIMES = 100
_OVERLAP_S = 86_400


def list_hostility(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    with desk.store.transaction():
        current = desk.world.hostility
    return {"hostility": current.public(), "meanings": dict(hostility.MEANINGS)}


def set_hostility(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    wanted = hostility.read(given)
    with desk.store.transaction():
        desk.store.set("hostility", wanted.public())
        # The same story from here on meets the same troubles under the same seed.
        desk.store.set("events_since_hostility", 0)
        desk.store.set("writes_since_hostility", 0)
    return {"hostility": wanted.public()}


def calm(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    return set_hostility(desk, {"seed": 0}, "")


def endpoints(desk: Desk, _given: JsonObject, _id: str) -> JsonObject:
    now_ms = int(time.time() * 1000)
    with desk.store.transaction():
        found = backlog.endpoints(desk.store)
    return {
        "endpoints": [
            {
                "id": one.id,
                "url": one.url,
                "secrets": [secret.value for secret in one.live(now_ms)],
                "all_secrets": [secret.public() for secret in one.secrets],
            }
            for one in found
        ]
    }


def rotate(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    """A new secret from now on; the others end after the overlap."""
    now_ms = int(time.time() * 1000)
    overlap_ms = int(number(given, "overlap_s", _OVERLAP_S) * 1000)
    value = str(given.get("secret") or f"whsec_{secrets.token_urlsafe(24)}")
    fresh = Secret(backlog.secret_id(value), value, now_ms)
    with desk.store.transaction():
        found = backlog.endpoints(desk.store)
        rotated = [_rotated(one, fresh, now_ms, now_ms + overlap_ms) for one in found]
        backlog.set_endpoints(desk.store, rotated)
    for endpoint in rotated:
        desk.on_secrets([secret.public() for secret in endpoint.secrets])
    return endpoints(desk, {}, "")


def _rotated(endpoint: Endpoint, fresh: Secret, now_ms: int, until_ms: int) -> Endpoint:
    ending = [
        with_changes(one, not_after=min(one.not_after, until_ms))
        for one in endpoint.secrets
        if one.live(now_ms) and one.value != fresh.value
    ]
    return with_changes(endpoint, secrets=(fresh, *ending))


def deliveries(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    event = given.get("event")
    with desk.store.transaction():
        sent = backlog.attempts(desk.store, event, int(number(given, "since", 0)))
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


def deliver(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    """Send an event again, or bytes that were made up, at once."""
    times = int(number(given, "times", 1))
    if not 1 <= times <= _MAX_TIMES:
        raise ApiError(f"times is from 1 to {_MAX_TIMES}.", param="times")
    body, event_id = _bytes_to_send(desk, given)
    with desk.store.transaction():
        found = backlog.endpoints(desk.store)
    sent = [
        _forge(desk, endpoint, body, event_id, given) for endpoint in found for _ in range(times)
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
    timestamp = int(number(given, "timestamp", int(now)) + number(given, "skew_s", 0))
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


def flush(desk: Desk, given: JsonObject, _id: str) -> JsonObject:
    sent = desk.courier.flush(early=not given.get("due_only"))
    return {"deliveries": sent, "pending": len(desk.courier.due())}
