"""The card processor: what Cetrus asks of it, and the adapter on its own library.

It is used for cards alone (G5): a card is typed on the processor's page and never seen here.
Instants are milliseconds UTC. Every call may raise:

CetrusError
├── ProcessorUnavailable (Unavailable)  503  no answer, or not now: try again with the same key
└── ProcessorRefused                    502  it said no, or what it said cannot be used: our fault,
                                             and trying again changes nothing
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar
from urllib.parse import urlsplit

from chalicelib.core.clock import SECOND
from chalicelib.core.errors import CetrusError, Unavailable
from chalicelib.observability import count, logger
from chalicelib.payments.rules import Card, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import stripe

T = TypeVar("T")
LIVE_API = "https://api.stripe.com"
SIMULATED_STAGES = frozenset({"local", "test"})
STATUSES = frozenset({"open", "complete", "expired"})
RETRIES = 2
TIMEOUT_S = (3, 8)  # connect, read: three tries of this end before the gateway's 29 seconds
PAGE = 100


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
class CheckoutState:
    """A checkout as the processor has it now; `url` is its page while it is open."""

    session_id: str
    status: str
    order_id: str | None
    customer: str | None
    setup_intent: str | None
    payment_method: str | None
    payment_status: str
    card: Card | None
    url: str | None


class Processor(Protocol):
    """What a card processor does for Cetrus."""

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
        expires_at: int | None = None,
    ) -> Checkout:
        """The page where the customer saves a card; the same order gets the same page for a day.

        All arguments must be the same at each call for one order. Without `expires_at` the page
        lives 24 hours.
        """
        ...

    def read_checkout(self, session_id: str) -> CheckoutState:
        """What has become of a checkout, fetched now."""
        ...

    def list_events(self, since: int) -> Iterator[Event]:
        """Events created from `since` on, newest first, of at most the last 30 days."""
        ...

    def read_event(self, event_id: str) -> Event:
        """One event, fetched now."""
        ...


class StripeProcessor:
    """The adapter on the `stripe` library, which is loaded at the first call."""

    def __init__(self, api_key: str, *, api_base: str, origin: str, stage: str) -> None:
        """Misconfigured where the address is not the processor's own, except on a simulated one."""
        if stage not in SIMULATED_STAGES:
            if api_base != LIVE_API:
                raise Misconfigured(f"stage {stage} must use the processor at {LIVE_API}")
            if not origin.startswith("https://"):
                raise Misconfigured(f"stage {stage} must send people to an https origin")
        self._api_key, self._api_base, self._origin = api_key, api_base, origin

    def create_customer(self, account_ref: str, idempotency_key: str) -> str:
        made = self._ask(
            lambda api: api.v1.customers.create(
                {"metadata": {"account": account_ref}}, {"idempotency_key": idempotency_key}
            )
        )
        return read(made, lambda found: text(found["id"]))

    def open_card_setup(
        self,
        *,
        order_id: str,
        customer: str,
        currency: str,
        success_url: str,
        cancel_url: str,
        expires_at: int | None = None,
    ) -> Checkout:
        params: Any = {
            "mode": "setup",
            "currency": currency.lower(),
            "customer": customer,
            "client_reference_id": order_id,
            "success_url": success_url,
            "cancel_url": cancel_url,
            "metadata": {"order": order_id},
        }
        if expires_at is not None:
            params["expires_at"] = expires_at // SECOND
        made = self._ask(
            lambda api: api.v1.checkout.sessions.create(params, {"idempotency_key": order_id})
        )
        return read(made, self._checkout)

    def read_checkout(self, session_id: str) -> CheckoutState:
        found = self._ask(
            lambda api: api.v1.checkout.sessions.retrieve(
                session_id, {"expand": ["setup_intent.payment_method"]}
            )
        )
        state = read(found, checkout_state)
        if state.url is not None:
            self._check_origin(state.url)
        return state

    def list_events(self, since: int) -> Iterator[Event]:
        after: str | None = None
        while True:
            page = self._events(since, after)
            events = read(page, lambda found: [read_event(event) for event in found["data"]])
            yield from events
            if not events or not page["has_more"]:
                return
            after = events[-1].id

    def read_event(self, event_id: str) -> Event:
        return read(self._ask(lambda api: api.v1.events.retrieve(event_id)), read_event)

    def _events(self, since: int, after: str | None) -> dict[str, Any]:
        params: Any = {"limit": PAGE, "created": {"gte": since // SECOND}}
        if after is not None:
            params["starting_after"] = after
        return self._ask(lambda api: api.v1.events.list(params))

    def _checkout(self, found: dict[str, Any]) -> Checkout:
        checkout = Checkout(text(found["id"]), text(found["url"]))
        self._check_origin(checkout.url)
        return checkout

    def _check_origin(self, url: str) -> None:
        """Nobody is ever sent anywhere but to the processor's own origin."""
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self._origin:
            refuse("foreign_origin")

    def _ask(self, call: Callable[[stripe.StripeClient], Any]) -> dict[str, Any]:
        """One call of the library: plain values out, our own errors instead of its own."""
        import stripe

        try:
            answer: dict[str, Any] = call(self._client).to_dict()
        except stripe.StripeError as error:
            raise_ours(error)
        return answer

    @cached_property
    def _client(self) -> stripe.StripeClient:
        import stripe

        # Its own log lines quote paths, parameters and messages; ours name codes alone.
        logging.getLogger("stripe").setLevel(logging.CRITICAL)
        stripe.enable_telemetry = False
        return stripe.StripeClient(
            self._api_key,
            base_addresses={"api": self._api_base},
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
        )


def raise_ours(error: stripe.StripeError) -> NoReturn:
    """ProcessorUnavailable where trying again may help, else ProcessorRefused."""
    import stripe

    status = error.http_status or 0
    passing = isinstance(error, stripe.APIConnectionError | stripe.RateLimitError) or status >= 500  # noqa: PLR2004 - a server's own fault
    seen = {"kind": type(error).__name__, "status": status, "request": error.request_id or ""}
    if passing:
        count("processor_unavailable")
        logger.warning("processor.unavailable", extra=seen)
        raise ProcessorUnavailable from None
    refuse(error.code or "", **seen)


def refuse(reason: str, **seen: Any) -> NoReturn:
    count("processor_refused")
    logger.error("processor.refused", extra={"reason": reason, **seen})
    raise ProcessorRefused from None


def read(found: dict[str, Any], reader: Callable[[dict[str, Any]], T]) -> T:
    """What the reader makes of an answer; ProcessorRefused where it is not what we know."""
    try:
        return reader(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        refuse("unreadable", kind=type(error).__name__)


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("not a text")
    return value


def checkout_state(found: dict[str, Any]) -> CheckoutState:
    if found["status"] not in STATUSES:
        raise ValueError("not a status that we know")
    intent = found["setup_intent"] or {}
    method = intent.get("payment_method") or {}
    done = intent.get("status") == "succeeded"
    return CheckoutState(
        session_id=text(found["id"]),
        status=found["status"],
        order_id=found["client_reference_id"],
        customer=found["customer"],
        setup_intent=intent["id"] if done else None,
        payment_method=method["id"] if done else None,
        payment_status=text(found["payment_status"]),
        card=card_of(method["card"]) if done else None,
        url=found["url"],
    )


def card_of(found: dict[str, Any]) -> Card:
    return Card(
        text(found["brand"]), text(found["last4"]), int(found["exp_month"]), int(found["exp_year"])
    )


def read_event(found: dict[str, Any]) -> Event:
    """An event out of a list: its digest is empty, since its signed bytes were never seen."""
    subject = found["data"]["object"]
    return Event(
        text(found["id"]),
        text(found["type"]),
        str(subject.get("id") or ""),
        subject.get("client_reference_id"),
        sha256="",
    )
