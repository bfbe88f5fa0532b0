"""The API edge: keys, idempotency, one transaction a request, and its hostile moments."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.local.processor import keys, listing, operations, wire
from infra.local.processor.errors import ApiError, CardError, JsonObject
from infra.local.processor.keys import Bearer, Keys
from infra.local.processor.store import Store
from infra.local.processor.world import API_VERSION, Cause, World

_KEY_LIFE_S = 86_400
_MAX_KEY = 255
_CARD_DATA = ("card", "payment_method_data", "source")


@dataclass(frozen=True, slots=True)
class Call:
    """One API request, as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def idempotency_key(self) -> str | None:
        return self.headers.get("Idempotency-Key") if self.method == "POST" else None

    def params(self) -> JsonObject:
        if self.method != "POST":
            return wire.decode(urlsplit(self.target).query)
        try:
            return wire.decode(self.body.decode())
        except UnicodeDecodeError:
            raise ApiError("Invalid request body: it is not UTF-8.") from None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer. `trouble` is what the network does to it: `fail`, `lose` or nothing."""

    status: int
    body: JsonObject
    request_id: str = ""
    replayed: bool = False
    trouble: str = ""

    def headers(self, call: Call) -> dict[str, str]:
        shown = {
            "Request-Id": self.request_id,
            "Stripe-Version": call.headers.get("Stripe-Version", API_VERSION),
        }
        if call.idempotency_key:
            shown["Idempotency-Key"] = call.idempotency_key
        if self.replayed:
            shown["Idempotent-Replayed"] = "true"
        return shown


def answer(store: Store, allowed_keys: Keys, base: str, call: Call) -> Reply:
    """Carry out one call; everything it changes is committed before it is answered."""
    try:
        with store.transaction():
            return _answer(store, allowed_keys, base, call)
    except ApiError as refusal:
        return Reply(refusal.status, refusal.body, _request_id(store, base))


def _request_id(store: Store, base: str) -> str:
    with store.transaction():
        return World(store, base).new_id("req")


def _answer(store: Store, allowed_keys: Keys, base: str, call: Call) -> Reply:
    bearer = keys.identify(allowed_keys, call.headers.get("Authorization", ""))
    operation, object_id = operations.find(call.method, call.path)
    bearer.require(operation.permission)
    request_id = _request_id(store, base)
    earlier = _earlier(store, call, base)
    if earlier is not None:
        return Reply(earlier.status, earlier.body, request_id, replayed=True)
    world = World(store, base, Cause(request_id, call.idempotency_key))
    reply = _run(world, bearer, call, lambda: operation.run(world, call.params(), object_id))
    _remember(store, call, base, reply)
    return reply


def _run(world: World, bearer: Bearer, call: Call, act: Callable[[], JsonObject]) -> Reply:
    params = call.params()
    _refuse_card_data(params)
    paths = wire.items(params, "expand")
    request_id = world.cause.request or ""
    try:
        thing = world.public_answer(act())
        body = listing.expand(world, thing, paths, bearer.require_reading)
    except CardError as declined:
        return Reply(declined.status, declined.body, request_id, trouble=_trouble(world, call))
    return Reply(200, body, request_id, trouble=_trouble(world, call))


def _refuse_card_data(params: JsonObject) -> None:
    for name in _CARD_DATA:
        if name in params:
            raise ApiError(
                "Sending credit card numbers directly to the API is unsafe and not taken here.",
                param=name,
            )


def _trouble(world: World, call: Call) -> str:
    if call.method == "GET":
        return ""
    ordinal = world.store.count("writes_since_hostility")
    if world.hostility.strikes("lose_response", ordinal):
        return "lose"
    return "fail" if world.hostility.strikes("fail_after_commit", ordinal) else ""


def _earlier(store: Store, call: Call, base: str) -> Reply | None:
    """The first answer to this idempotency key in the last 24 hours, if it was the same call."""
    key = call.idempotency_key
    if key is None:
        return None
    if not 0 < len(key) <= _MAX_KEY:
        raise ApiError(f"Idempotency keys can have up to {_MAX_KEY} characters.")
    store.run("delete from replies where at <= ?", time.time() - _KEY_LIFE_S)
    rows = store.rows("select * from replies where key = ?", key)
    if not rows:
        return None
    first = rows[0]
    if first["path"] != call.path or first["fingerprint"] != _fingerprint(call):
        raise _mismatch(key, call.path, first["path"])
    # The simulator may have moved to another port since.
    return Reply(first["status"], json.loads(first["body"].replace(first["base"], base)))


def _mismatch(key: str, path: str, first_path: str) -> ApiError:
    if path != first_path:
        message = (
            "Keys for idempotent requests can only be used for the same endpoint they were "
            f"first used for ('{path}' vs '{first_path}')."
        )
    else:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were "
            "first used with."
        )
    hint = f" Try using a key other than '{key}' if you meant to execute a different request."
    return ApiError(message + hint, type="idempotency_error")


def _fingerprint(call: Call) -> str:
    canonical = json.dumps(call.params(), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _remember(store: Store, call: Call, base: str, reply: Reply) -> None:
    if call.idempotency_key is not None:
        store.run(
            "insert into replies values (?, ?, ?, ?, ?, ?, ?)",
            call.idempotency_key,
            call.path,
            _fingerprint(call),
            reply.status,
            json.dumps(reply.body),
            base,
            time.time(),
        )
