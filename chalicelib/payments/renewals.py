"""Charging subscriptions: the row before the call, and the outcome in one transaction.

A try is written down before the processor is asked, and asked for under its own key. Whatever
happens then, the next look finds the row first, looks for a payment of that period, and only
where there is none asks again under the same key: never two charges for one period, whenever,
however often and by however many it is run (G12).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.core.cards import card_text
from chalicelib.core.clock import HOUR, MINUTE
from chalicelib.core.errors import Unavailable
from chalicelib.observability import count, failure, logger
from chalicelib.payments import periods, receipts
from chalicelib.payments.periods import Attempt, Step
from chalicelib.payments.processor import (
    PROCESSING,
    SUCCEEDED,
    Charge,
    PaymentState,
    ProcessorRefused,
)
from chalicelib.payments.taken import Payment, position
from chalicelib.privacy.rules import PurposeDenied
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.billing.service import Books
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.paying import LicensePayments
    from chalicelib.licenses.values import Head
    from chalicelib.mail.outbox import Outbox
    from chalicelib.payments.periods import Subscription
    from chalicelib.payments.processor import Processor
    from chalicelib.payments.receipts import Mail
    from chalicelib.payments.store import PaymentStore
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.payments.taken_store import TakenStore
    from chalicelib.payments.telling import Telling
    from chalicelib.storage.dynamo import Write

STEPS = 8
REFUSED = "requires_payment_method"
LATER = 10 * MINUTE  # before the next sweep comes
SWEPT = 200  # how many one sweep takes on; the next goes on behind them


class Renewals:
    def __init__(  # noqa: PLR0913, PLR0917 - the wiring alone calls it
        self,
        store: PaymentStore,
        taken: TakenStore,
        subscriptions: SubscriptionStore,
        processor: Processor,
        telling: Telling,
        licenses: LicensePayments,
        books: Books,
        outbox: Outbox,
        clock: Clock,
        payers: Callable[[str], list[str]] = lambda _: [],
    ) -> None:
        """`payers` are the members of a license who get its receipts beside its owner."""
        self.payers = payers
        self.store, self.taken, self.subscriptions = store, taken, subscriptions
        self.processor, self.licenses, self.books = processor, licenses, books
        self.telling = telling
        self.outbox, self.clock = outbox, clock

    def sweep(self) -> dict[str, int]:
        """Do what is due; one failure stops no other."""
        done = failures = 0
        for account_id, license_id in islice(self.subscriptions.due(self.clock()), SWEPT):
            try:
                self.renew(account_id, license_id)
            except Exception as error:  # noqa: BLE001 - one poisoned item must not stop the others
                failure("renewal_sweep", error, license=license_id)
                failures += 1
                self._later(account_id, license_id)
            else:
                done += 1
        return {"done": done, "failed": failures}

    def _later(self, account_id: str, license_id: str) -> None:
        """What failed waits behind the others, so that many of them hold up nobody.

        It is moved by its key alone: what failed may be a row that cannot be read.
        """
        now = self.clock()
        try:
            self.subscriptions.look_later(account_id, license_id, now, now + LATER)
        except Exception as error:  # noqa: BLE001 - nor may one that cannot be moved stop the others
            failure("renewal_later", error, license=license_id)

    def renew(self, account_id: str, license_id: str) -> None:
        """Take one subscription as far as it goes now; running it again changes nothing."""
        for _ in range(STEPS):
            of = self.subscriptions.subscription(account_id, license_id)
            head = self.licenses.head(license_id)
            if of is None or of.due is None or head is None or of.due > self.clock():
                return
            try:
                self._step(of, head)
            except ConditionFailed:
                continue  # somebody else took it further: look again
        raise Unavailable

    def _step(self, of: Subscription, head: Head) -> None:
        if of.charging is not None:
            self._resolve(of, head)
            return
        now, licenses = self.clock(), self.licenses
        payable = licenses.payable(head) and not periods.cut_short(of, head.ends_at)
        step, until = periods.next_step(of, now, payable=payable, over=licenses.over(head))
        if step is Step.END:
            self._end(of, now)
        elif step is Step.WAIT:
            self._commit([self.subscriptions.change(periods.waiting(of, until))])
        else:
            self._start(of, now)

    def _start(self, of: Subscription, now: int) -> None:
        """The try, before anybody is charged; without a card it has failed already."""
        card = self.store.card_in_use(of.account_id) or {}
        known = card_text(card["brand"], card["last4"]) if card else ""
        attempt = Attempt(
            of.license_id, of.account_id, of.period + 1, of.tries + 1, card.get("customer", ""),
            card.get("method", ""), known, of.amount, of.currency, now,
        )  # fmt: skip
        begun = self.subscriptions.start(attempt)
        if card:
            self._commit([self.subscriptions.change(periods.charging(of)), begun])
        else:
            failed = replace(attempt, outcome="failed", code="no_card")
            self._fail(of, failed, self.subscriptions.start(failed), now)

    def _resolve(self, of: Subscription, head: Head) -> None:
        """What became of the try whose outcome is not known; asks again where nothing did."""
        attempt = self.subscriptions.attempt(of, of.charging or 0)
        if attempt is None:
            raise LookupError("a try without its row")
        state, now = self._payment(attempt), self.clock()
        if state.status == SUCCEEDED:
            self._paid(of, head, attempt, state, now)
        elif state.status == PROCESSING:
            self._commit([self.subscriptions.change(periods.waiting(of, now + HOUR))])
        else:
            code = state.code or state.status
            failed = replace(attempt, outcome="failed", payment_id=state.id, code=code)
            self._fail(of, failed, self.subscriptions.finish(failed), now)

    def _payment(self, attempt: Attempt) -> PaymentState:
        """A payment of this period that went through, or this try's own, or a new one."""
        since = attempt.started_at - 30 * 24 * HOUR
        found = self.processor.find_payments(attempt.customer, since, attempt.facts)
        mine = [one for one in found if one.metadata.get("try") == str(attempt.number)]
        for payment in [*(one for one in found if one.status == SUCCEEDED), *mine]:
            return payment
        facts = {**attempt.facts, "try": str(attempt.number)}
        charge = Charge(
            attempt.key, attempt.customer, attempt.method, attempt.amount, attempt.currency,
            f"Renewal {attempt.period} of {attempt.license_id}", facts,
        )  # fmt: skip
        try:
            return self.telling.charge(attempt.account_id, charge)
        except PurposeDenied:
            # Whoever left, or was erased, is charged no more: a card that fails, for all the rest.
            return PaymentState("", REFUSED, attempt.amount, 0, attempt.currency, code="left")

    def _paid(
        self, of: Subscription, head: Head, attempt: Attempt, state: PaymentState, now: int
    ) -> None:
        """The next period, the longer license, the money and the receipt, together."""
        if (state.received, state.currency) != (attempt.amount, attempt.currency):
            count("payment_mismatch")
            logger.critical("payment.mismatch", extra={"payment": state.id})
            raise ProcessorRefused
        paid = periods.renewed(of)
        payment = payment_of(paid, state, now)
        mails = [
            receipts.of_renewal(self.outbox, paid, attempt, now, copy_to)
            for copy_to in (None, *self.payers(of.license_id))
        ]
        done = replace(attempt, outcome="paid", payment_id=state.id)
        fact = f"renewal#{of.license_id}#{paid.period}"
        entry = self.books.post(
            ("payment", payment.id), position(payment), payment.currency, now, payment.about
        )
        writes = [
            self.subscriptions.change(paid),
            self.subscriptions.finish(done),
            self.store.effect(fact, of.order_id, now),
            *self.taken.take(payment),
            entry,
            *self.licenses.change(head, ends_at=periods.end_on_paying(of, paid, head.ends_at)),
        ]
        self._commit(writes, *mails)

    def _fail(self, of: Subscription, attempt: Attempt, row: Write, now: int) -> None:
        after = periods.failed(of, attempt.code, now)
        count("renewal_failed")
        logger.info("renewal.failed", extra={"license": of.license_id, "code": attempt.code})
        if after.state == periods.ENDED:
            self._commit([row, *self._ended(of, after, now)], receipts.ended(self.outbox, of, now))
            self.licenses.tell(of.license_id)
            return
        mail = receipts.payment_failed(self.outbox, after, attempt, now)
        self._commit([row, self.subscriptions.change(after)], mail)

    def _end(self, of: Subscription, now: int) -> None:
        after = periods.ended(of)
        self._commit(self._ended(of, after, now), receipts.ended(self.outbox, of, now))
        self.licenses.tell(of.license_id)

    def _ended(self, of: Subscription, after: Subscription, now: int) -> list[Write]:
        """It is over, and so is the license, unless that has ended by itself."""
        head = self.licenses.head(of.license_id)
        if head is None or self.licenses.over(head):
            return [self.subscriptions.change(after)]
        return [self.subscriptions.change(after), *self.licenses.change(head, ends_at=now)]

    def _commit(self, writes: list[Write], *mails: Mail) -> None:
        self.store.table.transact(*writes, *(letter for _, letter in mails))
        for message, _ in mails:
            self.outbox.nudge(message)


def payment_of(paid: Subscription, state: PaymentState, now: int) -> Payment:
    return Payment(
        id=state.id,
        account_id=paid.account_id,
        order_id=paid.order_id,
        license_id=paid.license_id,
        application_id=paid.application_id,
        application_name=paid.application_name,
        vendor_id=paid.vendor_id,
        amount=state.received,
        currency=state.currency,
        taken_at=now,
        period=paid.period,
    )
