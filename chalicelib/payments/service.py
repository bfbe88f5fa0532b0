"""Orders by a person, and the processor's events by workers and the sweep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalicelib.catalog.rules import PASS, SUBSCRIPTION, TRIAL
from chalicelib.core.errors import Conflict, Unavailable
from chalicelib.core.ids import derived_id
from chalicelib.observability import count, failure, logger
from chalicelib.payments import periods, rules
from chalicelib.payments.periods import OverAlready, SubscriptionUnknown, TooManyCards
from chalicelib.payments.processor import Purchase
from chalicelib.payments.rules import (
    AlreadyLicensed,
    Order,
    OrderUnknown,
    PlanUnknown,
    TermsChanged,
    TrialTaken,
)
from chalicelib.payments.sweeping import Sweep
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.service import Accounts
    from chalicelib.catalog.rules import Plan
    from chalicelib.catalog.service import Catalog
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.service import Licenses
    from chalicelib.payments.fulfillment import Fulfillment
    from chalicelib.payments.periods import Subscription
    from chalicelib.payments.processor import Checkout, Processor
    from chalicelib.payments.rules import Event, WebhookSecret
    from chalicelib.payments.settling import Settling
    from chalicelib.payments.store import PaymentStore
    from chalicelib.payments.taken import Payment
    from chalicelib.payments.telling import Telling

TRIES = 5
CARDS_A_DAY = 5  # other cards that one account may give


class EventChanged(Conflict):
    """The processor never changes an event: somebody else may hold a signing secret."""

    code = "event_changed"
    title = "This event was another one before"
    detail = "An event with this id came before with another body."


class Orders:
    """What a person does: order, go to the card page, come back."""

    def __init__(  # noqa: PLR0913, PLR0917 - the wiring alone calls it
        self,
        store: PaymentStore,
        processor: Processor,
        telling: Telling,
        catalog: Catalog,
        accounts: Accounts,
        licenses: Licenses,
        fulfillment: Fulfillment,
        attempts: Attempts,
        clock: Clock,
    ) -> None:
        self.attempts = attempts
        self.store, self.processor, self.catalog = store, processor, catalog
        self.telling = telling
        self.accounts, self.licenses, self.clock = accounts, licenses, clock
        self.fulfillment = fulfillment

    def place(
        self,
        account_id: str,
        slug: str,
        plan_id: str,
        attempt: str,
        *,
        seats: int | None = None,
        terms: int | None = None,
    ) -> Order:
        """One order a click: the same `attempt` is the same order (G12).

        While an order of the plan waits to be paid, another click leads back to it; with other
        seats it takes its place. `terms` is the version that was shown: another one is refused.
        """
        application = self.catalog.by_slug(slug)
        plan = self.catalog.plan(application.id, plan_id)
        if plan is None:
            raise PlanUnknown(errors={"plan": PlanUnknown.detail})
        if terms is not None and terms != plan.terms.version:
            raise TermsChanged
        count = rules.seats_of(plan, seats)
        order = Order(
            derived_id("ord", account_id, plan.id, attempt), account_id, "open", plan,
            application.name, slug, self.clock(), seats=count, amount=plan.due(count or 1).minor,
        )  # fmt: skip
        for _ in range(TRIES):
            if found := self.store.order(account_id, order.id) or self._earlier(order):
                return found
        raise Unavailable

    def _earlier(self, order: Order) -> Order | None:
        """The order that is waiting already, or this one, put in its place; None to look again."""
        wish = rules.wish_of(order.plan)
        was = self.store.wish(order.account_id, wish)
        earlier = self.store.order(order.account_id, was) if was else None
        if earlier and not earlier.settled:
            if earlier.wishes(order.plan, order.seats):
                return earlier
            earlier = self._withdraw(earlier)
            if not earlier.settled:
                return None
        self._require_wanted(order.account_id, order.plan, earlier)
        confirmed = self.accounts.confirmed_check(order.account_id)
        take = self.store.take_wish(order, wish, was)
        try:
            self.store.table.transact(confirmed, *self.store.order_writes(order), take)
        except ConditionFailed as refusal:
            if refusal.at(0):
                raise self.accounts.not_confirmed() from None
        return self.store.order(order.account_id, order.id)

    def _withdraw(self, order: Order) -> Order:
        """Its page takes no card any more; one that was paid meanwhile stays paid."""
        if order.session_id is None:
            try:
                self.store.table.apply(self.store.abandoned(order))
            except ConditionFailed:
                return self.of(order.account_id, order.id)
        else:
            self.processor.close_checkout(order.session_id)
        return self.settle(order.account_id, order.id)

    def _require_wanted(self, account_id: str, plan: Plan, earlier: Order | None) -> None:
        """Passes may be bought again; of anything else one usable license is enough."""
        if plan.kind == TRIAL and self.licenses.had_trial(account_id, plan.application_id):
            raise TrialTaken
        if plan.kind == PASS:
            return
        owned = self.licenses.of_account(account_id)
        held = [one.license for one in owned if one.plan == plan.id]
        if earlier and earlier.license_id and earlier.license_id not in held:
            held.append(earlier.license_id)
        if any(self.licenses.usable(license_id) for license_id in held):
            raise AlreadyLicensed

    def another_card(self, account_id: str, license_id: str, attempt: str) -> Order:
        """An order of nothing but another card, for a subscription that goes on.

        Each is charged at once where a charge had failed, so their number is limited: TooManyCards.
        """
        of = self.fulfillment.subscriptions.subscription(account_id, license_id)
        if of is None:
            raise SubscriptionUnknown
        if of.state == periods.ENDED:
            raise OverAlready
        if of.tries >= periods.MOST_TRIES:
            raise TooManyCards
        first = self.of(account_id, of.order_id)
        order = Order(
            derived_id("ord", account_id, license_id, "card", attempt), account_id, "open",
            first.plan, first.application_name, first.slug, self.clock(), card_for=license_id,
        )  # fmt: skip
        if again := self.store.order(account_id, order.id):
            return again
        limit = self.attempts.daily("card", account_id, CARDS_A_DAY, order.created_at)
        try:
            self.store.table.transact(limit, *self.store.order_writes(order))
        except ConditionFailed as refusal:
            if refusal.at(0):
                raise TooManyCards from None
            logger.info("order.again", extra={"order": order.id})
        return self.of(account_id, order.id)

    def payments(self, order: Order) -> list[Payment]:
        """What was paid on account of an order, its renewals too; newest first."""
        found = self.fulfillment.taken.of_account(order.account_id)
        mine = (payment for payment in found if payment.order_id == order.id)
        return sorted(mine, key=lambda payment: -payment.taken_at)

    def subscription(self, order: Order) -> Subscription | None:
        """What a paid order of a subscription has become."""
        if order.license_id is None or order.plan.kind != SUBSCRIPTION:
            return None
        return self.fulfillment.subscriptions.subscription(order.account_id, order.license_id)

    def of(self, account_id: str, order_id: str) -> Order:
        if (found := self.store.order(account_id, order_id)) is None:
            raise OrderUnknown
        return found

    def all(self, account_id: str) -> list[Order]:
        return self.store.orders(account_id)

    def card_page(self, order: Order, back: str) -> str:
        """The processor's page for this order; asked again, it is the same page.

        Once the processor has closed that page, the way leads `back`.
        """
        if order.settled:
            return back
        if order.session_id:
            return self.processor.read_checkout(order.session_id).url or back
        checkout = self._open_page(order, self._customer(order.account_id), back)
        try:
            self.store.at_checkout(order, checkout.session_id)
        except ConditionFailed:
            logger.info("order.moved", extra={"order": order.id})
            if self.of(order.account_id, order.id).settled:
                # Nobody may pay for an order that was given up meanwhile.
                self.processor.close_checkout(checkout.session_id)
                return back
        return checkout.url

    def _customer(self, account_id: str) -> str:
        if (known := self.store.customer(account_id)) is not None:
            return known
        made = self.telling.new_customer(account_id, derived_id("key", "customer", account_id))
        return self.store.keep_customer(account_id, made)

    def _open_page(self, order: Order, customer: str, back: str) -> Checkout:
        away = f"{back}?canceled=1"
        if not order.charges:
            return self.telling.card_page(
                order.account_id, order.id, customer, order.plan.currency, back, away
            )
        purchase = Purchase(
            name=f"{order.application_name}, {order.plan.name}",
            each=order.plan.terms.price,
            quantity=order.seats or 1,
            currency=order.plan.currency,
            save_card=order.plan.kind == SUBSCRIPTION,
        )
        return self.telling.payment_page(order.account_id, order.id, customer, purchase, back, away)

    def settle(self, account_id: str, order_id: str) -> Order:
        """What the return from the card page runs: the shared fulfillment."""
        return self.fulfillment.fulfill(account_id, order_id) or self.of(account_id, order_id)


class Inbox:
    """The acknowledging side: keep the event durably, then answer, then nudge."""

    def __init__(
        self,
        store: PaymentStore,
        secrets: Callable[[], list[WebhookSecret]],
        nudge: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self.store, self.secrets, self.nudge, self.clock = store, secrets, nudge, clock

    def receive(self, raw: bytes, signature: str) -> None:
        """BadEvent for what is not signed and fresh; EventChanged for a second body of one id."""
        now = self.clock()
        try:
            secret_id = rules.verify_event(raw, signature, self.secrets(), now)
            event = rules.read_event(raw)
        except rules.BadEvent:
            count("webhook_refused")
            raise
        self.keep(event, secret_id, now)

    def keep(self, event: Event, secret_id: str, now: int) -> None:
        kept = self.store.receive(event, secret_id, now)
        if kept is None:
            count("webhook_received")
            self.nudge(event.id, event.object_id)
        elif kept != event.sha256 and not self.store.adopt(event):
            count("webhook_changed")
            logger.critical("webhook.changed", extra={"event": event.id})
            raise EventChanged


class Payments:
    """The working side: what the events and the sweep bring about."""

    def __init__(
        self,
        store: PaymentStore,
        processor: Processor,
        fulfillment: Fulfillment,
        settling: Settling,
        clock: Clock,
    ) -> None:
        self.store, self.processor = store, processor
        self.fulfillment, self.settling, self.clock = fulfillment, settling, clock

    def handle_batch(self, event: dict[str, Any], context: Any) -> Any:
        """Each record names an event; the ones that failed stay in the queue, in their order."""
        from aws_lambda_powertools.utilities.batch import (
            SqsFifoPartialProcessor,
            process_partial_response,
        )

        processor = SqsFifoPartialProcessor(skip_group_on_error=True)
        # Where all fail it would raise, and the runtime would log the errors' own words.
        processor.raise_on_entire_batch_failure = False
        return process_partial_response(
            event=event, record_handler=self._handle, processor=processor, context=context
        )

    def _handle(self, record: Any) -> None:
        try:
            self.process(str(json.loads(record.body)["event"]))
        except Exception as error:
            failure("payment_error", error, record=record.message_id)
            raise

    def process(self, event_id: str) -> None:
        """Do what the event is about, once; an event that names nothing of ours waits."""
        kept = self.store.inbox(event_id)
        if kept is None or kept["state"] != "received":
            return
        if kept["event_type"] in rules.SETTLING:
            if not self.settling.settle(kept.get("payment_id") or "", event_id):
                self._wait(event_id, kept)
        elif kept["event_type"] in rules.FULFILLING:
            self._fulfill(event_id, kept)
        else:
            self._end(event_id, "not_ours")

    def _fulfill(self, event_id: str, kept: dict[str, Any]) -> None:
        order_id = kept.get("order_id") or ""
        account_id = self.store.owner_of_order(order_id) if order_id else None
        if account_id is None:
            self._wait(event_id, kept)
            return
        order = self.fulfillment.fulfill(
            account_id, order_id, event_id=event_id, session_id=kept["object_id"]
        )
        if order is None or not order.settled:
            self._wait(event_id, kept)

    def _wait(self, event_id: str, kept: dict[str, Any]) -> None:
        now = self.clock()
        if now - kept["received_at"] >= rules.GIVE_UP:
            count("webhook_unmatched")
            self._end(event_id, "unmatched")
            return
        try:
            self.store.park(event_id, kept["attempts"], now + rules.next_retry(kept["attempts"]))
        except ConditionFailed:
            return  # another worker has parked it

    def _end(self, event_id: str, outcome: str) -> None:
        try:
            self.store.table.apply(self.store.done(event_id, outcome))
        except ConditionFailed:
            return  # done already

    def sweep(self) -> dict[str, int]:
        """Find what no webhook told, then finish events and orders; one failure stops no other."""
        return Sweep(self.store, self.processor, self.fulfillment, self.process, self.clock).run()
