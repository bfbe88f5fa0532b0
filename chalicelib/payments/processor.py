"""The card processor: what Cetrus asks of it. The adapter on its own library is in `adapter`.

It is used for cards alone (G5): a card is typed on the processor's page and never seen here.
Instants are milliseconds UTC, amounts are minor units. Every call may raise:

CetrusError
├── ProcessorUnavailable (Unavailable)  503  no answer, or not now: try again with the same key
└── ProcessorRefused                    502  it said no, or what it said cannot be used: our fault,
                                             and trying again changes nothing
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from chalicelib.core.errors import CetrusError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.payments.rules import Card, Event

SUCCEEDED, PROCESSING = "succeeded", "processing"


class ProcessorUnavailable(Unavailable):
    code = "processor_unavailable"
    title = "The card processor does not answer"
    detail = "The card processor does not answer just now. Nothing was charged. Try again soon."


class ProcessorRefused(CetrusError):
    status = 502
    code = "processor_refused"
    title = "The card processor did not take the request"
    detail = "The card processor did not take the request. Nothing was charged."


class Misconfigured(ValueError):
    """The processor's address does not fit the stage: a function must not start with it."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page of the processor that waits for a person, on the processor's own origin."""

    session_id: str
    url: str


@dataclass(frozen=True, slots=True)
class PaymentState:
    """A payment as the processor has it now; `code` says why the last try failed.

    `received` is what was really taken, `refunded` what was given back of it.
    """

    id: str
    status: str
    amount: int
    received: int
    currency: str
    refunded: int = 0
    code: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckoutState:
    """A checkout as the processor has it now; `url` is its page while it is open.

    `payment` is there in payment mode, once a card was tried.
    """

    session_id: str
    status: str
    order_id: str | None
    customer: str | None
    setup_intent: str | None
    payment_method: str | None
    payment_status: str
    card: Card | None
    url: str | None
    payment: PaymentState | None = None


@dataclass(frozen=True, slots=True)
class DisputeState:
    id: str
    status: str
    amount: int


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a payment page asks for: `quantity` of one thing, each at `each` minor units."""

    name: str
    each: int
    quantity: int
    currency: str
    save_card: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """A payment without the person, by a saved card.

    `key` names the try: the processor takes two calls with one key as one, for 24 hours.
    """

    key: str
    customer: str
    method: str
    amount: int
    currency: str
    description: str
    metadata: Mapping[str, str]


class Processor(Protocol):
    """What a card processor answers: nothing here tells it of anybody."""

    def read_checkout(self, session_id: str) -> CheckoutState:
        """What has become of a checkout, fetched now."""
        ...

    def close_checkout(self, session_id: str) -> CheckoutState:
        """Ends a page that is open; answers what has become of it: expired, or complete before."""
        ...

    def find_payments(
        self, customer: str, since: int, metadata: Mapping[str, str]
    ) -> list[PaymentState]:
        """The payments of the customer from `since` on that carry all of these facts."""
        ...

    def read_payment(self, payment_id: str) -> PaymentState:
        """One payment, with what was refunded of it, fetched now."""
        ...

    def list_disputes(self, payment_id: str) -> list[DisputeState]:
        """All disputes and inquiries about one payment."""
        ...

    def list_events(self, since: int, until: int | None = None) -> Iterator[Event]:
        """Events created from `since` on and before `until`, newest first, of the last 30 days."""
        ...


class Biller(Processor, Protocol):
    """What tells it of somebody, too: `telling` alone may hold one."""

    def forget_customer(self, customer: str) -> None:
        """Deletes its customer, with the cards that it holds; again: no change."""
        ...

    def create_customer(self, account_ref: str, idempotency_key: str) -> str:
        """A customer at the processor that knows the account by its opaque reference alone."""
        ...

    def open_card_setup(
        self,
        *,
        order_id: str,
        customer: str,
        currency: str,
        success_url: str,
        cancel_url: str,
    ) -> Checkout:
        """The page where the customer saves a card; the same order gets the same page for a day.

        All arguments must be the same at each call for one order.
        """
        ...

    def open_payment(
        self,
        *,
        order_id: str,
        customer: str,
        purchase: Purchase,
        success_url: str,
        cancel_url: str,
    ) -> Checkout:
        """The page where the customer pays; the same order gets the same page for a day."""
        ...

    def charge(self, charge: Charge) -> PaymentState:
        """Charges a saved card; a card that is declined is an answer, not an error."""
        ...

    def refund(self, payment_id: str, amount: int, idempotency_key: str) -> None:
        """Gives back a part of a payment, or all of it; the event of it tells us."""
        ...
