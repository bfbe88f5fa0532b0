"""Orders and the processor's events: states, signatures, and what an event means to us.

    open ──checkout──> checkout ──paid──> paid
      └────────────────────┴────expired──> abandoned

CetrusError
├── OrderUnknown (NotFound)      unknown and foreign look alike
├── PlanUnknown (InvalidInput)   no such plan of this application
├── AlreadyLicensed (Conflict)   the account holds this very plan
└── BadEvent (Malformed)         not signed, stale, from the future, or no event at all
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, HOUR, MINUTE, SECOND
from chalicelib.core.errors import Conflict, InvalidInput, Malformed, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.catalog.rules import Plan

TOLERANCE = 300 * SECOND
MAX_EVENT = 256 * 1024
MAX_SIGNATURES = 20
KEPT = 90 * DAY
GIVE_UP = 72 * HOUR
FIRST_RETRY, LAST_RETRY = 10 * SECOND, 6 * HOUR
FULFILLING = frozenset({"checkout.session.completed", "checkout.session.expired"})
SESSION_LIFE = DAY
UNWATCHED = 10 * MINUTE  # how long a webhook and the return have before the sweep looks itself


class OrderUnknown(NotFound):
    code = "order_unknown"
    title = "No such order"
    detail = "This account has no such order."


class PlanUnknown(InvalidInput):
    code = "plan_unknown"
    title = "No such plan"
    detail = "Choose one of the plans on the application's page."


class AlreadyLicensed(Conflict):
    code = "already_licensed"
    title = "You have this plan already"
    detail = "Your account holds a license of this plan. It is ready to use under Downloads."


class BadEvent(Malformed):
    code = "bad_event"
    title = "Not an event of our processor"
    detail = "The signature, its time or the body is not right."


@dataclass(frozen=True, slots=True)
class Card:
    """What may be known of a card (G5): never its number."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class Order:
    """`version` counts the changes, so that a slow reader cannot overwrite a newer state."""

    id: str
    account_id: str
    state: str
    plan: Plan
    application_name: str
    slug: str
    created_at: int
    version: int = 1
    session_id: str | None = None
    license_id: str | None = None
    paid_at: int | None = None
    card: Card | None = None

    @property
    def settled(self) -> bool:
        """Nothing that the processor says can change it any more."""
        return self.state in {"paid", "abandoned"}


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """One signing secret and the time it counts; several overlap while one is replaced."""

    id: str
    value: str = field(repr=False)
    not_before: int
    not_after: int

    def live(self, now: int) -> bool:
        return self.not_before <= now < self.not_after


@dataclass(frozen=True, slots=True)
class Event:
    """A signed hint that something changed; nothing of it is believed but where to look."""

    id: str
    type: str
    object_id: str
    order_id: str | None
    sha256: str
    payment_id: str | None = None


def read_secrets(text: str) -> list[WebhookSecret]:
    return [WebhookSecret(**entry) for entry in json.loads(text)]


def verify_event(raw: bytes, header: str, secrets: Sequence[WebhookSecret], now: int) -> str:
    """The id of the secret that signed these bytes; BadEvent on any doubt, old or early."""
    stamp, signatures = read_signature(header)
    if abs(now - stamp * SECOND) > TOLERANCE:
        raise BadEvent
    signed = f"{stamp}.".encode() + raw
    for secret in secrets:
        expected = hmac.digest(secret.value.encode(), signed, hashlib.sha256).hex().encode()
        fits = [hmac.compare_digest(expected, given) for given in signatures]
        if secret.value and secret.live(now) and any(fits):
            return secret.id
    raise BadEvent


def read_signature(header: str) -> tuple[int, list[bytes]]:
    """Seconds and `v1` values of a `Stripe-Signature` header."""
    pairs = [part.strip().partition("=") for part in header.split(",")][:MAX_SIGNATURES]
    stamps = [value for name, _, value in pairs if name == "t"]
    signatures = [value.encode() for name, _, value in pairs if name == "v1"]
    if len(stamps) != 1 or not stamps[0].isascii() or not stamps[0].isdigit() or not signatures:
        raise BadEvent
    return int(stamps[0][:12]), signatures


def read_event(raw: bytes) -> Event:
    """The event in verified bytes; BadEvent where they are none."""
    try:
        body: Any = json.loads(raw.decode())
        subject = body["data"]["object"]
        found = Event(
            body["id"],
            body["type"],
            subject["id"],
            subject.get("client_reference_id"),
            hashlib.sha256(raw).hexdigest(),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadEvent from None
    order_id = "-" if found.order_id is None else found.order_id
    texts = (found.id, found.type, found.object_id, order_id)
    if not all(isinstance(text, str) and 0 < len(text) <= 255 for text in texts):  # noqa: PLR2004 - the processor's own bound on ids
        raise BadEvent
    return found


def next_retry(attempts: int) -> int:
    """How long to wait after this many fruitless looks: 10 s, doubling, at most 6 h."""
    return int(min(FIRST_RETRY * 2 ** min(attempts, 20), LAST_RETRY))
