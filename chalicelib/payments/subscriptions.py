"""What a person does with subscriptions: look, see what canceling would do, do it, undo it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.errors import Unavailable
from chalicelib.payments import periods, receipts
from chalicelib.payments.periods import EffectChanged, OverAlready, SubscriptionUnknown
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.paying import LicensePayments
    from chalicelib.licenses.values import Head
    from chalicelib.mail.outbox import Outbox
    from chalicelib.payments.periods import Subscription
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.storage.dynamo import Write

TRIES = 5


@dataclass(frozen=True, slots=True)
class Effect:
    """What canceling would do now: `until` when the license runs.

    `charging`: a charge is on its way, which may still pay for one more period.
    """

    subscription: Subscription
    until: int
    at_once: bool
    charging: bool


class Subscriptions:
    def __init__(
        self,
        store: SubscriptionStore,
        licenses: LicensePayments,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self.store, self.licenses, self.outbox, self.clock = store, licenses, outbox, clock

    def of_account(self, account_id: str) -> list[Subscription]:
        """Newest first."""
        return self.store.of_account(account_id)

    def of(self, account_id: str, license_id: str) -> Subscription:
        if (found := self.store.subscription(account_id, license_id)) is None:
            raise SubscriptionUnknown
        return found

    def effect(self, account_id: str, license_id: str) -> Effect:
        """Shown before anything is done."""
        of, now = self.of(account_id, license_id), self.clock()
        charging = of.charging is not None
        at_once = now >= of.period_end and not charging
        return Effect(of, now if at_once else of.period_end, at_once, charging)

    def cancel(self, account_id: str, license_id: str, shown: int) -> Subscription:
        """It runs to the end of what is paid, and nothing more is charged; again: no change.

        `shown` is the version whose effect the person saw; EffectChanged where it is another now.
        """
        of, now = self.of(account_id, license_id), self.clock()
        if of.state in {periods.CANCELING, periods.ENDED}:
            return of
        if of.version != shown:
            raise EffectChanged
        head = self._head(license_id)
        after = periods.canceled(of, now)
        ends_at = periods.end_on_canceling(of, head.ends_at, now)
        moved = [] if of.charging is not None else self._move(head, ends_at)
        over = after.state == periods.ENDED
        mail = (receipts.ended if over else receipts.canceled)(self.outbox, after, now)
        try:
            self.store.table.transact(self.store.change(after), mail[1], *moved)
        except ConditionFailed:
            raise EffectChanged from None
        self.outbox.nudge(mail[0])
        self.licenses.tell(license_id)
        return after

    def keep(self, account_id: str, license_id: str) -> Subscription:
        """Undoes it, as long as the license runs; again: no change."""
        for _ in range(TRIES):
            of, head = self.of(account_id, license_id), self._head(license_id)
            if of.state == periods.ENDED or self.licenses.over(head):
                raise OverAlready
            if of.state != periods.CANCELING:
                return of
            after = periods.kept(of)
            try:
                ends_at = periods.end_on_paying(of, after, head.ends_at)
                self.store.table.transact(self.store.change(after), *self._move(head, ends_at))
            except ConditionFailed:
                continue
            return after
        raise Unavailable

    def _head(self, license_id: str) -> Head:
        if (head := self.licenses.head(license_id)) is None:
            raise SubscriptionUnknown
        return head

    def _move(self, head: Head, ends_at: int | None) -> list[Write]:
        return [] if head.ends_at == ends_at else self.licenses.change(head, ends_at=ends_at)
