"""What `erasure_sweep` does: whoever's cooling-off is over, what a crash left, who must be told.

It also takes back the yes of whoever stopped a class of mail by a mail to us: it may end keys.
An erasure ends here: the processor has deleted its customer, and a tombstone stands where the
account was. Fiscal records go on the day that they say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chalicelib.core.clock import DAY, MINUTE, day_of
from chalicelib.observability import count, failure
from chalicelib.privacy.timings import Which
from chalicelib.rights.rules import Kind
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.accounts.rules import Account
    from chalicelib.core.clock import Clock
    from chalicelib.mail.stops import Stops
    from chalicelib.payments.store import PaymentStore
    from chalicelib.rights.deactivation import Deactivation
    from chalicelib.rights.erasure import Erasure
    from chalicelib.rights.rules import Leaving

RESERVE = 20_000  # milliseconds: nobody is begun with less time left
LATER = 10 * MINUTE
LONG = DAY  # an erasure that is not finished by then is somebody's to look at


class Recipient(Protocol):
    """Whoever else holds something of a person and is told to delete it."""

    def forget_customer(self, customer: str) -> None:
        """Deletes what it holds; again: no change."""
        ...


class SweepIncomplete(Exception):
    """Some could not be finished; the others were, and the next run tries all again."""


@dataclass(frozen=True, slots=True)
class RightsSweep:
    erasure: Erasure
    deactivation: Deactivation
    payments: PaymentStore
    recipient: Callable[[], Recipient]
    stops: Stops
    clock: Clock

    def run(self, time_left: Callable[[], int]) -> dict[str, int]:
        """Finish what is due; SweepIncomplete at the end where one of them failed."""
        done = {"finished": 0, "fiscal_ended": 0, "failed": self._end_stopped(time_left)}
        for account_id in self.erasure.store.due(self.clock()):
            if time_left() < RESERVE:
                count("erasure_behind")
                break
            self._one(account_id, done)
        for account_id in self.erasure.fiscal.over(self.clock()):
            done["fiscal_ended"] += self._end_fiscal(account_id)
        for name, value in done.items():
            count(f"erasure_{name}", value)
        if done["failed"]:
            raise SweepIncomplete(f"{done['failed']} could not be finished")
        return done

    def _end_stopped(self, time_left: Callable[[], int]) -> int:
        """Of mail that was stopped by a mail to us, the yes ends too; how many failed."""
        failed = 0
        for account_id, mail_class in self.stops.waiting():
            if time_left() < RESERVE:
                count("erasure_behind")
                break
            try:
                count("mail_stop_finished", self.stops.finish(account_id, mail_class))
            except Exception as error:  # noqa: BLE001 - one must not keep the others
                failure("mail_stop_failed", error, account=account_id)
                failed += 1
        return failed

    def _one(self, account_id: str, done: dict[str, int]) -> None:
        try:
            done["finished"] += self.finish(account_id)
        except Exception as error:  # noqa: BLE001 - one must not keep the others
            failure("erasure_failed", error, account=account_id)
            done["failed"] += 1
            self.erasure.store.look_later(account_id, self.clock(), self.clock() + LATER)

    def finish(self, account_id: str) -> bool:
        """False where something is still to come, such as the answer of a bank."""
        leaving = self.erasure.store.leaving(account_id)
        if leaving is None:
            return False
        if leaving.kind is not Kind.ERASURE:
            self.deactivation.finish(leaving)
            return True
        if leaving.due + LONG < self.clock():
            count("erasure_late")
        if self.erasure.run(account_id):
            return self._close(leaving)
        return False

    def _close(self, leaving: Leaving) -> bool:
        account = self.erasure.accounts.account(leaving.account)
        if account is None:
            return False
        if not self.erasure.estate.end_subscriptions(account.id):
            now = self.clock()
            self.erasure.store.look_later(account.id, now, now + LATER)
            return False  # the renewals find out what became of it
        self._tell(account)
        return self._bury(account)

    def _tell(self, account: Account) -> None:
        """The processor deletes its customer, who was known there by no name of ours."""
        customer = self.payments.customer(account.id)
        if customer is None:
            return
        self.recipient().forget_customer(customer)
        table = self.payments.table
        table.apply(table.delete(f"ACCOUNT#{account.id}", "CUSTOMER"))

    def _bury(self, account: Account) -> bool:
        """Nothing is left but that there was one; its pseudonym is forgotten with its row.

        False where another run was first.
        """
        store, accounts = self.erasure.store, self.erasure.accounts
        leaving, now = store.leaving(account.id), self.clock()
        if leaving is None:
            return False
        try:
            accounts.transact(
                accounts.forget(account.id),
                store.tombstone(account.id, day_of(now)),
                store.forget(leaving),
                self.erasure.times.took(Which.NOTHING_IS_LEFT, leaving.due, now),
            )
        except ConditionFailed:
            if store.leaving(account.id):
                raise
            return False
        count("erasure_done")
        return True

    def _end_fiscal(self, account_id: str) -> bool:
        try:
            self.erasure.accounts.transact(*self.erasure.fiscal.end(account_id, self.clock()))
        except ConditionFailed:
            return False  # a later payment moved its end
        return True
