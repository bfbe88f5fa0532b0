"""The one way from a processor's fact to a license, shared by webhook, return and sweep.

Read the order's version, then fetch the checkout from the processor, then commit the order's state,
the license, the effect, the mails and the event's end in one transaction. Reading the version first
is what keeps a slow fetch from winning over a newer one (G5, G12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import to_text
from chalicelib.core.errors import Unavailable
from chalicelib.core.ids import derived_id
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.service import Licenses
    from chalicelib.mail.outbox import Outbox
    from chalicelib.payments.processor import CheckoutState, Processor
    from chalicelib.payments.rules import Order
    from chalicelib.payments.store import PaymentStore
    from chalicelib.storage.dynamo import Write

TRIES = 5


class Fulfillment:
    def __init__(
        self,
        store: PaymentStore,
        processor: Processor,
        licenses: Licenses,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self.store, self.processor = store, processor
        self.licenses, self.outbox, self.clock = licenses, outbox, clock

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
        for _ in range(TRIES):
            order = self.store.order(account_id, order_id)
            session = (order and order.session_id) or session_id
            if order is None or order.settled or not session:
                self._end(event_id, order)
                return order
            state = self.processor.read_checkout(session)
            writes, messages = self._outcome(order, state)
            if not writes:
                return order
            if event_id:
                writes.append(self.store.done(event_id, "fulfilled"))
            try:
                self.store.table.transact(*writes)
            except ConditionFailed:
                continue
            for message in messages:
                self.outbox.nudge(message)
            return self.store.order(account_id, order_id)
        raise Unavailable

    def _outcome(self, order: Order, state: CheckoutState) -> tuple[list[Write], list[str]]:
        """What the processor's answer changes: the writes, and the messages among them."""
        if state.order_id != order.id:
            return [], []
        if state.status == "expired":
            return [self.store.abandoned(order)], []
        if state.status != "complete" or not state.setup_intent or not state.card:
            return [], []
        return self._grant(order, state)

    def _grant(self, order: Order, state: CheckoutState) -> tuple[list[Write], list[str]]:
        now, license_id = self.clock(), derived_id("lic", order.id)
        receipt, receipt_write = self.outbox.message(
            "receipt",
            fact=(order.id,),
            account=order.account_id,
            now=now,
            due=now,
            arguments={
                "order": order.id,
                "application": order.application_name,
                "plan": order.plan.name,
                "price": order.plan.hourly,
                "at": to_text(now),
                "card": f"{state.card.brand} ending in {state.card.last4}" if state.card else "",
            },
        )
        ready, ready_write = self.outbox.message(
            "download_ready",
            fact=(order.id,),
            account=order.account_id,
            now=now,
            due=now,
            arguments={"application": order.application_name},
        )
        ground = state.setup_intent or ""
        writes = [
            self.store.paid(order, license_id=license_id, card=state.card, now=now),
            self.store.effect(f"setup#{ground}", order.id, now),
            *self.licenses.grant(license_id, order.account_id, order.plan, now, ground),
            receipt_write,
            ready_write,
        ]
        if state.card and state.customer:
            writes.append(
                self.store.card(order, state.card, state.customer, state.payment_method or "")
            )
        return writes, [receipt, ready]

    def _end(self, event_id: str | None, order: Order | None) -> None:
        """An event about an order that is settled has nothing left to say."""
        if event_id is None or order is None or not order.settled:
            return
        try:
            self.store.table.apply(self.store.done(event_id, "nothing_to_do"))
        except ConditionFailed:
            return  # done already, by a copy of this event
