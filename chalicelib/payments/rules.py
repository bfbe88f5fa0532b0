"""Orders and the processor's events: states, signatures, and what an event means to us.

    open ──checkout──> checkout ──paid──> paid
      │                    ├──not taken──> refused
      └────────────────────┴────expired──> abandoned

CetrusError
├── OrderUnknown (NotFound)      unknown and foreign look alike
├── PlanUnknown (InvalidInput)   no such plan of this application
├── SeatsWrong (InvalidInput)    not a number of seats that can be ordered
├── AlreadyLicensed (Conflict)   the account holds this very plan
├── TrialTaken (Conflict)        the account had its trial of the application
├── TermsChanged (Conflict)      the plan is not the one that was shown
└── BadEvent (Malformed)         not signed, stale, from the future, or no event at all
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.catalog.rules import PASS, SUBSCRIPTION, TRIAL
from chalicelib.core.cards import card_text
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
FULFILLING = frozenset(
    f"checkout.session.{what}"
    for what in ("completed", "expired", "async_payment_succeeded", "async_payment_failed")
)
SETTLING = frozenset(
    {
        "charge.refunded", "refund.created", "refund.updated", "refund.failed",
        "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
        "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
    }
)  # fmt: skip
ORDER_STATES = {
    "open": "Waiting for the card page", "checkout": "Waiting for the card", "paid": "Complete",
    "abandoned": "Not completed", "refused": "Refused",
}  # fmt: skip
"""What people are told of the state of an order."""
SESSION_LIFE = DAY
MAX_SEATS = 200
# Refusals: the processor did not take the card after all, took another amount than was asked, or
# whoever paid left before the payment came in.
DECLINED, OTHER_AMOUNT, GONE = "declined", "amount", "gone"
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


class SeatsWrong(InvalidInput):
    code = "seats_wrong"
    title = "Not a number of seats"
    detail = f"Choose from 1 to {MAX_SEATS} seats."


class TrialTaken(Conflict):
    code = "trial_taken"
    title = "You had your trial of this application"
    detail = "Each account has one trial of an application. Choose one of its other plans."


class TermsChanged(Conflict):
    code = "terms_changed"
    title = "The plan changed meanwhile"
    detail = "The plan changed after you saw it. Look at its page again. Nothing was charged."


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

    @property
    def text(self) -> str:
        return card_text(self.brand, self.last4)


@dataclass(frozen=True, slots=True)
class Order:
    """A wish with its price: `amount`, in minor units, is what the processor's page asks for.

    `version` counts the changes, so that a slow reader cannot overwrite a newer state.
    """

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
    seats: int | None = None
    amount: int = 0
    payment_id: str | None = None
    refusal: str | None = None
    card_for: str | None = None  # the license of a subscription that another card is to pay

    @property
    def settled(self) -> bool:
        """Nobody waits for it any more."""
        return self.state in {"paid", "abandoned", "refused"}

    @property
    def charges(self) -> bool:
        """Is it paid at once, rather than by a card that is saved?"""
        return self.plan.kind in {PASS, SUBSCRIPTION} and self.card_for is None

    def wishes(self, plan: Plan, seats: int | None) -> bool:
        """Is it for these very terms and seats?"""
        return (self.plan, self.seats) == (plan, seats)


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


def seats_of(plan: Plan, seats: int | None) -> int | None:
    """The seats of a subscription; SeatsWrong where it has none that can be ordered."""
    if plan.kind != SUBSCRIPTION:
        return None
    if seats is None or not 1 <= seats <= MAX_SEATS:
        raise SeatsWrong(errors={"seats": SeatsWrong.detail})
    return seats


def wish_of(plan: Plan) -> str:
    """What an account can have one open order of: a plan, or any trial of an application."""
    return f"trial.{plan.application_id}" if plan.kind == TRIAL else plan.id


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
            subject.get("payment_intent"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadEvent from None
    maybe = ["-" if text is None else text for text in (found.order_id, found.payment_id)]
    texts = (found.id, found.type, found.object_id, *maybe)
    if not all(isinstance(text, str) and 0 < len(text) <= 255 for text in texts):  # noqa: PLR2004 - the processor's own bound on ids
        raise BadEvent
    return found


def next_retry(attempts: int) -> int:
    """How long to wait after this many fruitless looks: 10 s, doubling, at most 6 h."""
    return int(min(FIRST_RETRY * 2 ** min(attempts, 20), LAST_RETRY))
