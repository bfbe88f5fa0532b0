"""What refunds and disputes do: to the books, to the license, to the renewals.

An event only says which payment to look at. The payment is read here, then at the processor, and
what follows is the difference between the two, in one transaction: any order, number or loss of
events ends the same (`taken` has the table).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.billing.rules import difference
from chalicelib.core.errors import Unavailable
from chalicelib.observability import count, logger
from chalicelib.payments import periods, receipts
from chalicelib.payments.taken import HELD, OVER, position, settled, standing
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.billing.service import Books
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.paying import LicensePayments
    from chalicelib.mail.outbox import Outbox
    from chalicelib.payments.periods import Subscription
    from chalicelib.payments.processor import Processor
    from chalicelib.payments.store import PaymentStore
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.payments.taken import Payment
    from chalicelib.payments.taken_store import TakenStore
    from chalicelib.storage.dynamo import Write

TRIES = 5


class NotYet(Exception):
    """A charge of this license is on its way; what it paid for is decided after it."""


class Settling:
    def __init__(
        self,
        store: PaymentStore,
        taken: TakenStore,
        subscriptions: SubscriptionStore,
        processor: Processor,
        licenses: LicensePayments,
        books: Books,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self.store, self.taken, self.subscriptions = store, taken, subscriptions
        self.processor, self.licenses, self.books = processor, licenses, books
        self.outbox, self.clock = outbox, clock

    def settle(self, payment_id: str, event_id: str | None = None) -> bool:
        """Bring one payment up to what the processor knows; False where it must wait.

        With `event_id` the event is done in the same transaction.
        """
        owner = self.taken.owner(payment_id) if payment_id else None
        if owner is None:
            return False
        for _ in range(TRIES):
            before = self.taken.payment(owner, payment_id)
            if before is None:
                return False
            state = self.processor.read_payment(payment_id)
            after = settled(before, state, self.processor.list_disputes(payment_id))
            try:
                self._commit(before, after, event_id)
            except ConditionFailed:
                continue
            except NotYet:
                return False
            return True
        raise Unavailable

    def _commit(self, before: Payment, after: Payment, event_id: str | None) -> None:
        writes, messages = self._changes(before, after)
        if event_id:
            writes.append(self.store.done(event_id, "settled"))
        if writes:
            self.store.table.transact(*writes)
        for message in messages:
            self.outbox.nudge(message)
        if after.license_id and standing(after) == OVER:
            self.licenses.tell(after.license_id)

    def _changes(self, before: Payment, after: Payment) -> tuple[list[Write], list[str]]:
        seen = ("refunded", "dispute", "disputed", "lost")
        if all(getattr(before, name) == getattr(after, name) for name in seen):
            return [], []
        now = self.clock()
        writes = [self.taken.change(after), *self._posted(before, after, now)]
        mails = [*self._license(before, after, now, writes)]
        given_back = after.refunded - before.refunded
        if given_back > 0:
            mails.append(receipts.refunded(self.outbox, after, given_back, now))
        elif given_back < 0:
            count("refund_failed")
            logger.error("payment.refund_failed", extra={"payment": after.id})
        writes += [write for _, write in mails]
        return writes, [message for message, _ in mails]

    def _posted(self, before: Payment, after: Payment, now: int) -> list[Write]:
        moved = difference(position(after), position(before))
        if not moved:
            return []
        fact = ("settled", after.id, after.version)
        return [self.books.post(fact, moved, after.currency, now, after.about)]

    def _license(
        self, before: Payment, after: Payment, now: int, writes: list[Write]
    ) -> list[receipts.Mail]:
        """Adds what the license and its renewals become; the mails about it."""
        was, becomes = standing(before), standing(after)
        if after.license_id is None or was == becomes:
            return []
        head = self.licenses.head(after.license_id)
        if head is None:
            return []
        of = self.subscriptions.subscription(after.account_id, after.license_id)
        ends = becomes == OVER and (of is None or of.period == after.period)
        if ends and of is not None and of.charging is not None:
            raise NotYet
        ends_at = now if ends and not self.licenses.over(head) else None
        hold = after.id if becomes == HELD else ""
        release = after.id if was == HELD else ""
        if hold or release or ends_at is not None:
            writes += self.licenses.change(head, hold=hold, release=release, ends_at=ends_at)
        return self._subscription(of, now, writes) if ends and of is not None else []

    def _subscription(self, of: Subscription, now: int, writes: list[Write]) -> list[receipts.Mail]:
        if of.state == periods.ENDED:
            return []
        writes.append(self.subscriptions.change(periods.ended(of)))
        return [receipts.ended(self.outbox, of, now)]
