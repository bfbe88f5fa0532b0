"""What Cetrus signs about a launch, read strictly and bound to the question that was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cetrus import jose
from cetrus.errors import Refused, Unverified
from cetrus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cetrus.jose import Claims

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """Names one question, so that an answer to another cannot pass for its answer."""

    launch_id: str
    segment: int
    seq: int
    lease_id: str | None = None

    @property
    def is_beat(self) -> bool:
        return self.lease_id is not None


@dataclass(frozen=True, slots=True)
class Quote:
    """The price that was promised: `rate` in 10⁻⁶ minor units; the first `free_ms` cost nothing."""

    rate: str
    per: str
    currency: str
    terms: str
    free_ms: int


@dataclass(frozen=True, slots=True)
class Outage:
    """What the lease allows where Cetrus cannot be reached: `mode` is run, read_only or stop."""

    grace_s: int
    mode: str
    bill: str


@dataclass(frozen=True, slots=True)
class Screen:
    id: str
    title: str
    body: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Lease:
    """A verified lease; `token` is the JWS itself, instants are milliseconds of the server."""

    token: str = field(repr=False)
    id: str
    launch_id: str
    segment: int
    seq: int
    application: str
    license_id: str
    start_ms: int
    issued_ms: int
    end_ms: int
    screen_sha256: str | None
    quote: Quote | None
    outage: Outage

    @property
    def lifetime(self) -> float:
        """Seconds from issue to end."""
        return (self.end_ms - self.issued_ms) / 1000

    @property
    def grace(self) -> float:
        """Seconds after the end for which the program may run on unheard."""
        return 0.0 if self.outage.mode == "stop" else float(self.outage.grace_s)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The signed account of an ended lease."""

    token: str = field(repr=False)
    lease_id: str
    start_ms: int
    end_ms: int
    billed_ms: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A launch or heartbeat that was allowed; the screen comes with launches alone."""

    lease: Lease
    code: str
    notices: tuple[str, ...]
    screen: Screen | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a check: `valid` decides, `code` explains, `notices` say what else is true."""

    valid: bool
    code: str
    detail: str
    notices: tuple[str, ...]
    retry_after: float | None
    offer: Offer | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a start costs now, in the service's words; `kind` is the kind of the plan."""

    kind: str
    cost: str
    ends_at: str | None


def take(claims: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """The claim, of exactly this type; Unverified where it is missing or another."""
    value = claims.get(name)
    if type(value) is not kind:
        raise Unverified(f"A signed statement lacks {name}.")
    return value


def notices_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    found = body.get("notices")
    return tuple(_notice(item) for item in found) if isinstance(found, list) else ()


def _notice(item: Any) -> str:
    return plain(item.get("detail") or item.get("code")) if isinstance(item, dict) else plain(item)


def seconds_of(body: Mapping[str, Any]) -> float | None:
    value = body.get("retry_after")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0.0, float(cast("float", value))) if number else None


def read_verdict(body: Mapping[str, Any]) -> Verdict:
    if not isinstance(body.get("valid"), bool):
        raise Unverified("The answer is not a verdict.")
    return Verdict(
        body["valid"],
        plain(body.get("code") or ""),
        plain(body.get("detail") or ""),
        notices_of(body),
        seconds_of(body),
        read_offer(body),
    )


def read_offer(body: Mapping[str, Any]) -> Offer | None:
    """None where the answer says nothing about the price, as a refusal does."""
    raw = body.get("quote")
    if not isinstance(raw, dict) or not isinstance(raw.get("cost"), str):
        return None
    ends_at = raw.get("ends_at")
    return Offer(
        kind=plain(raw.get("kind") or ""),
        cost=plain(raw["cost"]),
        ends_at=plain(ends_at) if isinstance(ends_at, str) else None,
    )


def read_screen(body: Mapping[str, Any]) -> Screen | None:
    """The launch screen, whose hash is recomputed here and never believed."""
    raw = body.get("screen")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise Unverified("The launch screen cannot be read.")
    parts = {name: take(raw, name, str) for name in ("id", "title", "body")}
    return Screen(**parts, sha256=jose.hash_hex(parts))


def read_lease(token: str, claims: Claims, *, issuer: str, computer: str) -> Lease:
    """A lease from verified claims; Unverified where it is another issuer's or computer's."""
    if claims.get("iss") != issuer:
        raise Unverified(
            f"The lease is from {plain(claims.get('iss'))}, not from {issuer}.",
            hint="Name the service in --server or CETRUS_SERVER by the address it calls itself.",
        )
    if jose.thumbprint(_lease_key(claims)) != computer:
        raise Unverified("The lease is for another computer.")
    instants = {name: take(claims, name, int) for name in ("start_ms", "issued_ms", "end_ms")}
    return Lease(
        token=token,
        id=take(claims, "jti", str),
        launch_id=take(claims, "launch_id", str),
        segment=take(claims, "seg", int),
        seq=take(claims, "seq", int),
        application=take(claims, "application", str),
        license_id=take(claims, "license", str),
        screen_sha256=claims["screen"] if isinstance(claims.get("screen"), str) else None,
        quote=read_quote(claims),
        outage=read_outage(claims),
        **instants,
    )


def _lease_key(claims: Claims) -> Any:
    confirmed = claims.get("cnf")
    return confirmed.get("jwk") if isinstance(confirmed, dict) else claims.get("jwk")


def read_quote(claims: Claims) -> Quote | None:
    raw = claims.get("quote")
    if not isinstance(raw, dict):
        return None
    free = raw.get("free_ms")
    return Quote(
        rate=plain(raw.get("rate", "")),
        per=plain(raw.get("per", "")),
        currency=plain(raw.get("currency", "")),
        terms=plain(raw.get("terms", "")),
        free_ms=free if type(free) is int else 0,
    )


def read_outage(claims: Claims) -> Outage:
    raw = take(claims, "outage", dict)
    mode = take(raw, "mode", str)
    # A mode that this version does not know is the careful one.
    known = mode if mode in {"run", "read_only", "stop"} else "read_only"
    return Outage(take(raw, "grace_s", int), known, plain(raw.get("bill", "")))


def require_same(lease: Lease, asked: Asked) -> None:
    """Unverified where the lease answers another question than the one that was asked."""
    same = (lease.launch_id, lease.segment) == (asked.launch_id, asked.segment)
    if not same or (asked.is_beat and (lease.id, lease.seq) != (asked.lease_id, asked.seq)):
        raise Unverified("The lease is an answer to another question.")


def require_screen(lease: Lease, screen: Screen | None) -> None:
    if screen is not None and screen.sha256 != lease.screen_sha256:
        raise Unverified("The launch screen is not the one that the lease was signed for.")


def refusal(claims: Claims, asked: Asked, issuer: str) -> Refused:
    """The signed no; Unverified where it answers another question."""
    if claims.get("iss", issuer) != issuer or claims.get("valid") is not False:
        raise Unverified("The signed verdict is not a refusal by this service.")
    # A launch is asked without a seq, so its refusal may name the one that the lease is at.
    seq = claims.get("seq") if asked.is_beat else asked.seq
    named = (claims.get("launch_id"), claims.get("seg"), seq)
    if named != (asked.launch_id, asked.segment, asked.seq):
        raise Unverified("The signed verdict is an answer to another question.")
    code = plain(take(claims, "code", str))
    return Refused(code, plain(claims.get("detail") or ""), retry_after=seconds_of(claims))


def read_receipt(token: str, claims: Claims, *, issuer: str, lease: Lease) -> Receipt:
    named = (claims.get("iss"), claims.get("jti"), claims.get("launch_id"))
    if named != (issuer, lease.id, lease.launch_id):
        raise Unverified("The receipt is for another lease.")
    numbers = {name: take(claims, name, int) for name in ("start_ms", "end_ms", "billed_ms")}
    return Receipt(token=token, lease_id=lease.id, **numbers)
