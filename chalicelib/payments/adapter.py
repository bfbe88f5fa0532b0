"""The adapter on the processor's own library, which is loaded at the first call."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from chalicelib.core.clock import SECOND
from chalicelib.observability import count, logger
from chalicelib.payments.processor import (
    Checkout,
    Misconfigured,
    PaymentState,
    ProcessorRefused,
    ProcessorUnavailable,
)
from chalicelib.payments.processor_answers import (
    checkout_state,
    dispute_state,
    payment_state,
    read_event,
    text,
)
from chalicelib.privacy.disclosures import require_declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import stripe

    from chalicelib.payments.processor import (
        Charge,
        CheckoutState,
        DisputeState,
        Purchase,
    )
    from chalicelib.payments.rules import Event

T = TypeVar("T")
LIVE_API = "https://api.stripe.com"
SIMULATED_STAGES = frozenset({"local", "test"})
RETRIES = 2
TIMEOUT_S = (3, 8)  # connect, read: three tries of this end before the gateway's 29 seconds
PAGE = 100
IN_USE = 409  # another call with this idempotency key is not answered yet
SERVER_FAULT = 500
GONE = "resource_missing"  # deleted before
UNUSABLE = frozenset({"customer", "payment_method"})  # which parameter of a charge cannot be used


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
        params: Any = {"metadata": {"account": account_ref}}
        require_declared("customer", params)
        made = self._ask(
            lambda api: api.v1.customers.create(params, {"idempotency_key": idempotency_key})
        )
        return read(made, lambda found: text(found["id"]))

    def forget_customer(self, customer: str) -> None:
        import stripe

        try:
            self._client.v1.customers.delete(customer)
        except stripe.InvalidRequestError as refusal:
            if refusal.code != GONE:
                raise_ours(refusal)
        except stripe.StripeError as error:
            raise_ours(error)

    def open_card_setup(
        self,
        *,
        order_id: str,
        customer: str,
        currency: str,
        success_url: str,
        cancel_url: str,
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
        require_declared("card_page", params)
        made = self._ask(
            lambda api: api.v1.checkout.sessions.create(params, {"idempotency_key": order_id})
        )
        return read(made, self._checkout)

    def open_payment(
        self,
        *,
        order_id: str,
        customer: str,
        purchase: Purchase,
        success_url: str,
        cancel_url: str,
    ) -> Checkout:
        intent: Any = {"metadata": {"order": order_id}}
        if purchase.save_card:
            intent["setup_future_usage"] = "off_session"
        price = {
            "currency": purchase.currency.lower(),
            "unit_amount": purchase.each,
            "product_data": {"name": purchase.name},
        }
        params: Any = {
            "mode": "payment",
            "customer": customer,
            "client_reference_id": order_id,
            "line_items": [{"price_data": price, "quantity": purchase.quantity}],
            "payment_intent_data": intent,
            "success_url": success_url,
            "cancel_url": cancel_url,
            "metadata": {"order": order_id},
        }
        require_declared("payment_page", params)
        made = self._ask(
            lambda api: api.v1.checkout.sessions.create(params, {"idempotency_key": order_id})
        )
        return read(made, self._checkout)

    def read_checkout(self, session_id: str) -> CheckoutState:
        expand = ["setup_intent.payment_method", "payment_intent.payment_method"]
        found = self._ask(
            lambda api: api.v1.checkout.sessions.retrieve(session_id, {"expand": expand})
        )
        state = read(found, checkout_state)
        if state.url is not None:
            self._check_origin(state.url)
        return state

    def close_checkout(self, session_id: str) -> CheckoutState:
        import stripe

        state = self.read_checkout(session_id)
        if state.status != "open":
            return state
        try:
            self._client.v1.checkout.sessions.expire(session_id)
        except stripe.InvalidRequestError:
            return self.read_checkout(session_id)  # completed or expired since
        except stripe.StripeError as error:
            raise_ours(error)
        return self.read_checkout(session_id)

    def charge(self, charge: Charge) -> PaymentState:
        import stripe

        params: Any = {
            "amount": charge.amount,
            "currency": charge.currency.lower(),
            "customer": charge.customer,
            "payment_method": charge.method,
            "description": charge.description,
            "metadata": dict(charge.metadata),
            "off_session": True,
            "confirm": True,
        }
        require_declared("charge", params)
        try:
            made = self._client.v1.payment_intents.create(params, {"idempotency_key": charge.key})
        except stripe.CardError as declined:
            return read(wire_error(declined), lambda found: payment_state(found["payment_intent"]))
        except stripe.InvalidRequestError as refusal:
            if refusal.param not in UNUSABLE or refusal.http_status == IN_USE:
                raise_ours(refusal)
            return no_payment(charge, refusal.code or "unusable")
        except stripe.StripeError as error:
            raise_ours(error)
        return read(made.to_dict(), payment_state)

    def find_payments(
        self, customer: str, since: int, metadata: Mapping[str, str]
    ) -> list[PaymentState]:
        # Listed, not searched: the processor's search lags behind its writes, its lists do not.
        params: Any = {"customer": customer, "created": {"gte": since // SECOND}, "limit": PAGE}
        fitting: list[PaymentState] = []
        while True:
            page = self._ask(lambda api: api.v1.payment_intents.list(params))
            payments = read(page, lambda found: [payment_state(one) for one in found["data"]])
            fitting += (one for one in payments if metadata.items() <= one.metadata.items())
            if not payments or not page["has_more"]:
                return fitting
            params["starting_after"] = payments[-1].id

    def read_payment(self, payment_id: str) -> PaymentState:
        found = self._ask(
            lambda api: api.v1.payment_intents.retrieve(payment_id, {"expand": ["latest_charge"]})
        )
        return read(found, payment_state)

    def list_disputes(self, payment_id: str) -> list[DisputeState]:
        params: Any = {"payment_intent": payment_id, "limit": PAGE}
        page = self._ask(lambda api: api.v1.disputes.list(params))
        return read(page, lambda found: [dispute_state(one) for one in found["data"]])

    def refund(self, payment_id: str, amount: int, idempotency_key: str) -> None:
        params: Any = {"payment_intent": payment_id, "amount": amount}
        require_declared("refund", params)
        self._ask(lambda api: api.v1.refunds.create(params, {"idempotency_key": idempotency_key}))

    def list_events(self, since: int, until: int | None = None) -> Iterator[Event]:
        created = {"gte": since // SECOND}
        if until is not None:
            created["lt"] = until // SECOND
        after: str | None = None
        while True:
            page = self._events(created, after)
            events = read(page, lambda found: [read_event(event) for event in found["data"]])
            yield from events
            if not events or not page["has_more"]:
                return
            after = events[-1].id

    def _events(self, created: dict[str, int], after: str | None) -> dict[str, Any]:
        params: Any = {"limit": PAGE, "created": created}
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
    passing = isinstance(error, stripe.APIConnectionError | stripe.RateLimitError)
    passing = passing or status == IN_USE or status >= SERVER_FAULT
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


def wire_error(error: stripe.StripeError) -> dict[str, Any]:
    body: Any = error.json_body
    return dict(body["error"]) if isinstance(body, dict) and "error" in body else {}


def no_payment(charge: Charge, code: str) -> PaymentState:
    """The card cannot be charged at all, so the processor made no payment."""
    return PaymentState("", "requires_payment_method", charge.amount, 0, charge.currency, code=code)
