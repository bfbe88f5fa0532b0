"""The one way from a processor's fact to a license, shared by webhook, return and sweep.

Read the order's version, then fetch the checkout from the processor, then commit the order's state,
the license, the effect, the books, the mails and the event's end in one transaction. Reading the
version first is what keeps a slow fetch from winning over a newer one (G5, G12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.catalog.rules import PASS, SUBSCRIPTION
from chalicelib.core.errors import Unavailable
from chalicelib.core.ids import derived_id
from chalicelib.observability import count, logger
from chalicelib.payments import periods, receipts, rules
from chalicelib.payments.processor import PROCESSING, SUCCEEDED
from chalicelib.payments.taken import Payment, position
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.billing.service import Books
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.service import Licenses
    from chalicelib.mail.outbox import Outbox
    from chalicelib.payments.processor import CheckoutState, PaymentState, Processor
    from chalicelib.payments.rules import Order
    from chalicelib.payments.store import PaymentStore
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.payments.taken_store import TakenStore
    from chalicelib.storage.dynamo import Write

TRIES = 5
Outcome = tuple[list["Write"], list[str]]
NOTHING: Outcome = ([], [])


class Fulfillment:
    def __init__(  # noqa: PLR0913, PLR0917 - the wiring alone calls it
        self,
        store: PaymentStore,
        taken: TakenStore,
        subscriptions: SubscriptionStore,
        processor: Processor,
        licenses: Licenses,
        books: Books,
        outbox: Outbox,
        clock: Clock,
        active: Callable[[str], Write],
    ) -> None:
        """`active` holds a grant to an account that is there: nobody else is granted anything."""
        self.active = active
        self.store, self.taken, self.subscriptions = store, taken, subscriptions
        self.processor, self.licenses, self.books = processor, licenses, books
        self.outbox, self.clock = outbox, clock

    def fulfill(
        self,
        account_id: str,
        order_id: str,
        *,
        event_id: str | None = None,
        session_id: str | None = None,
    ) -> Order | None:
        """The order as it stands afterwards; running it again changes nothing.

        With `event_id` the event is done in the same transaction. `session_id` is where to look if
        a crash kept the order from learning it; the processor must confirm that it is the order's.
        Unavailable where others kept changing the order meanwhile.
        """
        gone = False
        for _ in range(TRIES):
            order = self.store.order(account_id, order_id)
            session = (order and order.session_id) or session_id
            if order is None or not session or over(order, by_event=event_id is not None):
                self._end(event_id, order)
                return order
            state = self.processor.read_checkout(session)
            writes, messages = self._outcome(order, state, gone=gone)
            if not writes:
                self._end(event_id, order)
                return order
            if event_id:
                writes.append(self.store.done(event_id, "fulfilled"))
            try:
                self.store.table.transact(*writes)
            except ConditionFailed as refusal:
                gone = bool(messages) and refusal.at(0)
                continue
            for message in messages:
                self.outbox.nudge(message)
            return self.store.order(account_id, order_id)
        raise Unavailable

    def _outcome(self, order: Order, state: CheckoutState, *, gone: bool) -> Outcome:
        """What the processor's answer changes: the writes, and the messages among them.

        `gone`: the account is deactivated or erased, so that nothing is granted to it.
        """
        if state.order_id != order.id:
            return NOTHING
        if state.status == "expired":
            return NOTHING if order.settled else ([self.store.abandoned(order)], [])
        if state.status != "complete":
            return NOTHING
        if gone:
            return self._nobody(order, state.payment)
        return self._paid(order, state) if order.charges else self._saved(order, state)

    def _nobody(self, order: Order, found: PaymentState | None) -> Outcome:
        """Whoever paid left meanwhile: nothing is granted, and money waits for a person."""
        if found is None:
            return NOTHING if order.settled else ([self.store.abandoned(order)], [])
        return self._unasked(order, found, rules.GONE)

    def _saved(self, order: Order, state: CheckoutState) -> Outcome:
        """A card that was saved is the ground of a license that is paid later, or of none."""
        if not state.setup_intent or not state.card:
            return NOTHING
        if order.card_for:
            return self._another_card(order, order.card_for, state)
        return self._grant(order, state, ground=state.setup_intent, payment=None)

    def _paid(self, order: Order, state: CheckoutState) -> Outcome:
        """Granted for exactly what was asked; anything else is refused, and its money is posted."""
        found = state.payment
        if found is None or found.status == PROCESSING:
            return NOTHING
        if found.status != SUCCEEDED:
            refused = self.store.refused(order, rules.DECLINED, found.id)
            return NOTHING if order.settled else ([refused], [])
        if (found.received, found.currency) != (order.amount, order.plan.currency):
            return self._unasked(order, found, rules.OTHER_AMOUNT)
        license_id = derived_id("lic", order.id)
        payment = payment_of(order, found, license_id, self.clock())
        return self._grant(order, state, ground=found.id, payment=payment)

    def _unasked(self, order: Order, found: PaymentState, why: str) -> Outcome:
        """Money that was not asked for is kept for nobody: it is posted and waits for a person."""
        if order.state == "refused":
            return NOTHING
        count("payment_mismatch")
        logger.critical("payment.mismatch", extra={"order": order.id, "payment": found.id})
        payment = payment_of(order, found, None, self.clock())
        refused = self.store.refused(order, why, found.id)
        return [refused, *self._post(payment)], []

    def _grant(
        self, order: Order, state: CheckoutState, *, ground: str, payment: Payment | None
    ) -> Outcome:
        now, license_id = self.clock(), derived_id("lic", order.id)
        mails = [
            receipts.of_order(self.outbox, order, state.card, now),
            receipts.download_ready(self.outbox, order, now),
        ]
        kind = "payment" if payment else "setup"
        paid = self.store.paid(
            order, license_id=license_id, card=state.card,
            payment=payment.id if payment else None, now=now,
        )  # fmt: skip
        writes = [
            self.active(order.account_id),
            paid,
            self.store.effect(f"{kind}#{ground}", order.id, now),
            *self._license(order, license_id, now, ground),
            *(write for _, write in mails),
            *(self._post(payment) if payment else ()),
            *self._card(order, state),
        ]
        return writes, [message for message, _ in mails]

    def _another_card(self, order: Order, license_id: str, state: CheckoutState) -> Outcome:
        """The card that everything is charged to from now on; what waits for one is due at once."""
        now = self.clock()
        paid = self.store.paid(order, license_id=license_id, card=state.card, payment=None, now=now)
        writes = [paid, self.store.effect(f"setup#{state.setup_intent}", order.id, now)]
        of = self.subscriptions.subscription(order.account_id, license_id)
        if of and (after := periods.with_another_card(of, now)):
            writes.append(self.subscriptions.change(after))
        return [*writes, *self._card(order, state)], []

    def _card(self, order: Order, state: CheckoutState) -> list[Write]:
        """A card that paid for a pass was not saved: it can be charged for nothing else."""
        if order.plan.kind == PASS and not order.card_for:
            return []
        if not (state.card and state.customer and state.payment_method):
            return []
        return [self.store.card(order, state.card, state.customer, state.payment_method)]

    def _license(self, order: Order, license_id: str, now: int, ground: str) -> list[Write]:
        grant = self.licenses.grant
        if order.plan.kind != SUBSCRIPTION:
            return grant(license_id, order.account_id, order.plan, now, ground)
        granted = grant(
            license_id, order.account_id, order.plan, now, ground,
            seats=order.seats, grace=periods.GRACE,
        )  # fmt: skip
        begun = periods.begun(order, license_id, now)
        return [*granted, self.subscriptions.begin(begun)]

    def _post(self, payment: Payment) -> list[Write]:
        """The payment and its entry in the books."""
        entry = self.books.post(
            ("payment", payment.id), position(payment), payment.currency, payment.taken_at,
            payment.about,
        )  # fmt: skip
        return [*self.taken.take(payment), entry]

    def _end(self, event_id: str | None, order: Order | None) -> None:
        """An event about an order that is settled has nothing left to say."""
        if event_id is None or order is None or not order.settled:
            return
        try:
            self.store.table.apply(self.store.done(event_id, "nothing_to_do"))
        except ConditionFailed:
            return  # done already, by a copy of this event


def over(order: Order, *, by_event: bool) -> bool:
    """Is there nothing left to find out?

    An order that was given up is looked at again where the processor itself speaks of it: money
    that was taken after all is the ground of a license.
    """
    return order.state == "paid" or (order.settled and not by_event)


def payment_of(order: Order, found: PaymentState, license_id: str | None, now: int) -> Payment:
    return Payment(
        id=found.id,
        account_id=order.account_id,
        order_id=order.id,
        license_id=license_id,
        application_id=order.plan.application_id,
        application_name=order.application_name,
        vendor_id=order.plan.vendor_id,
        amount=found.received,
        currency=found.currency,
        taken_at=now,
        period=0 if order.plan.kind == SUBSCRIPTION else None,
    )
