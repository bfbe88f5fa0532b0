"""Deactivating an account, and coming back: nothing of it is used meanwhile, and nothing is lost.

The state and the keys change in one transaction: an account that is not active has no key in its
place. What follows from it, licenses that are held and subscriptions that are canceled, is work
that the row `LEAVING` remembers and the sweep finishes (G12). Who rests is remembered beside the
keys too, which no restore brings back: what they say wins over the accounts of an earlier moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import AccountGone, State
from chalicelib.core.errors import Unavailable
from chalicelib.licenses import items
from chalicelib.payments import periods
from chalicelib.payments.periods import EffectChanged, OverAlready
from chalicelib.privacy.rules import Purpose
from chalicelib.rights.rules import HOLD, Kind, Leaving, LeavingAlready, Stage
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.sessions import Sessions
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.paying import LicensePayments
    from chalicelib.licenses.service import Licenses
    from chalicelib.payments.subscriptions import Subscriptions
    from chalicelib.privacy.service import Vault
    from chalicelib.rights.store import LeavingStore
    from chalicelib.storage.dynamo import Write

TRIES = 8
OUT, BACK = "page:/account/privacy/deactivate", "page:/reactivate"
TAKEN_BACK = "page:/email/undo"
RESTORED = "command:leave-again"


@dataclass(frozen=True, slots=True)
class Deactivation:
    store: LeavingStore
    accounts: AccountStore
    sessions: Sessions
    vault: Vault
    licenses: Licenses
    payments: LicensePayments
    subscriptions: Subscriptions
    clock: Clock

    def deactivate(self, account_id: str, *extra: Write, reason: str = OUT) -> None:
        """From this instant on nothing of the account opens, and nobody is signed in to it.

        `reason` is where it was asked for, as the ledger says it.
        """
        now = self.clock()
        account, before = self.accounts.account(account_id), self.store.leaving(account_id)
        if account is None or not account.active:
            raise AccountGone
        if before and before.kind is Kind.ERASURE:
            raise LeavingAlready
        leaving = Leaving(account_id, Kind.DEACTIVATION, Stage.RUNNING, now, now)
        self._commit(
            lambda: [
                self.accounts.rest(account, now),
                self.store.put(leaving, before),
                self.store.note_rest(account_id, now),
                *extra,
                *self.vault.hold(account.subject, reason),
            ]
        )
        self.finish(leaving)

    def reactivate(self, account: Account, *, left: str = "") -> str:
        """All is as it was; answers a new session's token. AccountGone where it does not rest."""
        now = self.clock()
        token, started = self.sessions.start(account, now, epoch=account.epoch + 1)
        ended = self.sessions.ended(left)
        self._return(account, now, BACK, self.accounts.wake(account), *started, *ended)
        return token

    def recall(self, account: Account, verifier: str) -> None:
        """Back from a rest that was not its owner's wish: nobody is signed in.

        `verifier` is one that no password fits: whoever put it to rest knew the password.
        """
        self._return(account, self.clock(), TAKEN_BACK, self.accounts.wake(account, verifier))

    def _return(self, account: Account, now: int, reason: str, *woken: Write) -> None:
        before = self.store.leaving(account.id)
        if account.state is not State.DEACTIVATED or before is None:
            raise AccountGone
        if before.kind is Kind.ERASURE:
            raise LeavingAlready
        self._commit(
            lambda: [
                *woken,
                self.store.turn_back(before, now),
                self.store.end_rest(account.id),
                *self.vault.release(account.subject, reason),
            ]
        )
        self.finish(Leaving(account.id, Kind.REACTIVATION, Stage.RUNNING, now, now))

    # a restore

    def again(self, account_id: str) -> bool:
        """Whoever a restore brought back as active rests once more; False where nobody did.

        For accounts of `LeavingStore.resting` alone: their keys are on hold. Of one that rested
        already, licenses and subscriptions that came back are put to rest as well.
        """
        now = self.clock()
        account, before = self.accounts.account(account_id), self.store.leaving(account_id)
        if account is None or not account.known:
            return False
        leaving = Leaving(account_id, Kind.DEACTIVATION, Stage.RUNNING, now, now)
        if account.active:
            self._commit(
                lambda: [
                    self.accounts.rest(account, now),
                    self.store.put(leaving, before),
                    *self.vault.settled(account.subject, RESTORED),
                ]
            )
        elif before is None:
            self.accounts.transact(self.store.put(leaving, None))
        elif before.kind is Kind.DEACTIVATION:
            leaving = before
        else:
            return False  # whoever had it erased while it rested: the sweep goes on
        self._put_down(leaving)
        return account.active

    def back_again(self, account_id: str) -> bool:
        """Whoever came back before a restore, by the keys, is back; False where they say nothing.

        For accounts that rest and are not of `LeavingStore.resting`. Nobody is signed in by it.
        """
        now = self.clock()
        account, before = self.accounts.account(account_id), self.store.leaving(account_id)
        if account is None or account.state is not State.DEACTIVATED:
            return False
        if (before and before.kind is Kind.ERASURE) or not self.vault.granted(account.subject):
            return False
        back = Leaving(account_id, Kind.REACTIVATION, Stage.RUNNING, now, now)
        self._commit(
            lambda: [
                self.accounts.wake(account),
                self.store.turn_back(before, now) if before else self.store.put(back, None),
                self.vault.stands(account.subject, Purpose.ACCOUNT),
                *self.vault.settled(account.subject, RESTORED),
            ]
        )
        self.finish(back)
        return True

    def _commit(self, build: Callable[[], list[Write]]) -> None:
        try:
            self.vault.commit(build)
        except ConditionFailed as refusal:
            raise AccountGone from refusal

    # what follows

    def finish(self, leaving: Leaving) -> None:
        """Does what is left to do; again, or after somebody changed their mind, no change."""
        found = self.store.leaving(leaving.account)
        if found is None or found.asked_at != leaving.asked_at or found.stage is not Stage.RUNNING:
            return
        try:
            if found.kind is Kind.DEACTIVATION:
                self._put_down(found)
            elif found.kind is Kind.REACTIVATION:
                self._take_up(found)
        except ConditionFailed:
            return  # its owner came back, or left again, meanwhile: that one goes on

    def _put_down(self, leaving: Leaving) -> None:
        for owned in self.licenses.of_account(leaving.account):
            self._hold(leaving, owned.license)
            self._stop(owned.license)
            self._cancel(leaving, owned.license)
        self.store.accounts.apply(self.store.rest(leaving))

    def _take_up(self, leaving: Leaving) -> None:
        for owned in self.licenses.of_account(leaving.account):
            self._release(owned.license)
        for license_id in sorted(leaving.canceled):
            try:
                self.subscriptions.keep(leaving.account, license_id)
            except OverAlready:
                continue  # its period was over meanwhile
        self.store.accounts.apply(self.store.forget(leaving))

    def _hold(self, leaving: Leaving, license_id: str) -> None:
        """No new launch, while this very deactivation stands."""
        for _ in range(TRIES):
            head = self.payments.head(license_id)
            if head is None or HOLD in head.holds:
                return
            stands = self.store.stands(leaving)
            try:
                self.accounts.transact(stands, *self.payments.change(head, hold=HOLD))
            except ConditionFailed as refusal:
                if refusal.at(0):
                    raise
                continue
            return
        raise Unavailable

    def _release(self, license_id: str) -> None:
        for _ in range(TRIES):
            head = self.payments.head(license_id)
            if head is None or HOLD not in head.holds:
                return
            try:
                self.accounts.transact(*self.payments.change(head, release=HOLD))
            except ConditionFailed:
                continue
            return
        raise Unavailable

    def _stop(self, license_id: str) -> None:
        """What runs ends now: nobody is there to read what it costs."""
        for item in items.open_leases(self.licenses.store.everything(license_id)):
            self.licenses.computers.end_lease(license_id, item["lease"])

    def _cancel(self, leaving: Leaving, license_id: str) -> None:
        """To the end of what is paid; remembered first, so that coming back undoes it."""
        for _ in range(TRIES):
            of = self.subscriptions.store.subscription(leaving.account, license_id)
            if of is None or of.state in {periods.CANCELING, periods.ENDED}:
                return
            self.store.will_cancel(leaving, license_id)
            try:
                self.subscriptions.cancel(leaving.account, license_id, of.version)
            except EffectChanged:
                continue
            return
        raise Unavailable
