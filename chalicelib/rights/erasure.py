"""Erasing an account: its keys first, then everything else; nothing opens again (G10, PS-70).

    1  the account is ending, its sessions are dead, its names are free       one transaction
    2  the fiscal minimum of a payer is under its own key, every other key is gone  one transaction
    3  sealed fields, licenses, rows                                          estate
    4  the processor, mail that waits, the tombstone                          the sweep alone

Each step starts from what the one before left, so that any later run goes on where a crash was. No
payment is booked for an account that is ending, so that step 2 sees all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import AccountGone, LinkEnded, LinkKind, State
from chalicelib.accounts.store import Claim
from chalicelib.core.clock import HOUR, day_of
from chalicelib.observability import count
from chalicelib.privacy.timings import Which
from chalicelib.rights.rules import (
    Kind,
    Leaving,
    LeavingAlready,
    NothingToCool,
    NotPlanned,
    Stage,
    fiscal_end,
)
from chalicelib.rights.store import fiscal_subject
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.mail.outbox import Outbox
    from chalicelib.payments.taken_store import TakenStore
    from chalicelib.privacy.service import Vault
    from chalicelib.privacy.timings import Times
    from chalicelib.rights.estate import Estate
    from chalicelib.rights.store import FiscalStore, LeavingStore
    from chalicelib.storage.dynamo import Write

FORM, RESTORED = "page:/account/privacy/erase", "command:leave-again"


@dataclass(frozen=True, slots=True)
class Erasure:
    store: LeavingStore
    fiscal: FiscalStore
    accounts: AccountStore
    vault: Vault
    payments: TakenStore
    estate: Estate
    outbox: Outbox
    links: Links
    times: Times
    clock: Clock

    # the owner's word

    def ask(self, account_id: str, hours: int, *extra: Write, reason: str = FORM) -> None:
        """Erase the account in so many hours, or in this very call for none.

        `extra` are writes of the same transaction, such as the link's that was used. `reason` is
        where it was asked for, as the ledger says it. An account that rests is erased in this call
        or not at all: what is to be undone when its owner comes back stands where a wait would.
        """
        now = self.clock()
        account, before = self.accounts.account(account_id), self.store.leaving(account_id)
        if account is None or not account.known:
            raise AccountGone
        if before and before.kind is Kind.ERASURE:
            raise LeavingAlready
        if hours and not account.active:
            raise NothingToCool
        leaving = Leaving(
            account_id, Kind.ERASURE, Stage.WAITING, now, now + hours * HOUR, reason=reason
        )
        mails, letters = self._told(account, leaving) if hours else ([], [])
        try:
            self.accounts.transact(
                self.store.put(leaving, before),
                self.accounts.check_state(account_id, account.state),
                *letters,
                *extra,
            )
        except ConditionFailed as refusal:
            raise (LeavingAlready if refusal.at(0) else AccountGone) from refusal
        for message in mails:
            self.outbox.nudge(message)
        if not hours:
            self.run(account_id)

    def _told(self, account: Account, leaving: Leaving) -> tuple[list[str], list[Write]]:
        """The mail that says so, with the link that stops it."""
        message, letter = self.outbox.message(
            "erasure_planned", fact=(account.id, leaving.asked_at), account=account.id,
            arguments={"hours": (leaving.due - leaving.asked_at) // HOUR},
            due=leaving.asked_at, now=leaving.asked_at, not_after=leaving.due,
        )  # fmt: skip
        link = self.links.make(
            message, LinkKind.ERASURE_STOP, account.id, leaving.asked_at,
            life=leaving.due - leaving.asked_at,
        )  # fmt: skip
        return [message], [letter, link]

    def planned(self, account_id: str) -> Leaving | None:
        """The erasure that waits, if one does."""
        found = self.store.leaving(account_id)
        return found if found and found.erasure_waits else None

    def can_be_stopped(self, account_id: str) -> Leaving | None:
        """The erasure that its owner was told to wait for, and may stop until then."""
        found = self.planned(account_id)
        return found if found and found.due > found.asked_at else None

    def stop(self, account_id: str, *extra: Write) -> None:
        """The account stays; NotPlanned where there is nothing to stop any more, or never was.

        What was asked for at once goes on after a crash too: nobody is told of a wait.
        """
        found = self.can_be_stopped(account_id)
        if found is None:
            raise NotPlanned
        try:
            self.accounts.transact(self.store.stop(found), *extra)
        except ConditionFailed as refusal:
            raise NotPlanned from refusal

    def call_off(self, account_id: str, since: int) -> list[Write]:
        """For a transaction: what was asked for since that instant, and waits, is stopped.

        An older wish stands, and none comes in between.
        """
        found = self.store.leaving(account_id)
        if found is None:
            return [self.store.none(account_id)]
        if found.erasure_waits and found.asked_at >= since:
            return [self.store.stop(found)]
        return [self.store.stands(found)]

    def check_stop(self, token: str) -> Leaving:
        """LinkEnded where the link stops nothing any more; changes nothing."""
        link = self.links.read(token, LinkKind.ERASURE_STOP, self.clock())
        found = self.planned(link.target)
        if found is None:
            raise LinkEnded
        return found

    def stop_by_link(self, token: str) -> None:
        found = self.check_stop(token)
        self.stop(found.account, self.links.use(token, LinkKind.ERASURE_STOP, self.clock()))

    # a restore

    def again(self, account_id: str) -> bool:
        """Whoever was erased and came back with a backup goes once more; False where nobody did.

        For accounts of `LeavingStore.erased` alone: the owner's word was given before the restore.
        """
        now = self.clock()
        account, before = self.accounts.account(account_id), self.store.leaving(account_id)
        if account is None:
            return False
        if account.state is not State.ENDING:
            leaving = Leaving(account_id, Kind.ERASURE, Stage.RUNNING, now, now, reason=RESTORED)
            self.accounts.transact(
                self.store.put(leaving, before),
                *self.accounts.depart(account, now, self._its_own(account)),
            )
        self.run(account_id)
        return True

    def _its_own(self, account: Account) -> frozenset[Claim]:
        """The names that nobody took since it was erased."""
        names = {Claim.LOGIN: account.login_claim, Claim.EMAIL: account.email_claim}
        return frozenset(
            kind for kind, claim in names.items()
            if self.accounts.owner(kind, claim) == account.id
        )  # fmt: skip

    # the work

    def run(self, account_id: str) -> bool:
        """As far as it goes without anybody outside; False where there is nothing to erase."""
        leaving = self.store.leaving(account_id)
        if leaving is None or leaving.kind is not Kind.ERASURE:
            return False
        if leaving.stage is Stage.WAITING and not self._depart(leaving):
            return False
        account = self.accounts.account(account_id)
        if account is None or account.state is not State.ENDING:
            return False
        self.shut(account, leaving)
        self.estate.clear(account)
        return True

    def _depart(self, leaving: Leaving) -> bool:
        """False where it is not due, or where its owner stopped it at the last moment."""
        account, now = self.accounts.account(leaving.account), self.clock()
        if account is None or leaving.due > now:
            return False
        try:
            self.accounts.transact(
                self.store.begin(leaving, now), *self.accounts.depart(account, now)
            )
        except ConditionFailed as refusal:
            if refusal.at(0):
                return False
            raise
        count("erasure_begun")
        return True

    def shut(self, account: Account, leaving: Leaving) -> None:
        """Every key goes, and with them all that was sealed; a payer's minimum is kept first."""
        self.vault.commit(lambda: self._keys(account, leaving))
        self.vault.store.erase_sealed(account.subject)

    def _keys(self, account: Account, leaving: Leaving) -> list[Write]:
        kept = self._by_law(account, leaving.reason or FORM)
        ends = self.vault.end(account.subject)
        if not ends:
            return []
        ending = self.accounts.check_state(account.id, State.ENDING)
        took = self.times.took(Which.NOTHING_OPENS, leaving.due, self.clock())
        told = self.store.remember(account.id, day_of(self.clock()))
        return [ending, *kept, *ends, told, self.store.end_rest(account.id), took]

    def _by_law(self, account: Account, reason: str) -> list[Write]:
        """The fiscal record of whoever paid, once."""
        last = max((each.taken_at for each in self.payments.of_account(account.id)), default=None)
        if last is None:
            return []
        if (until := self.fiscal.ends_at(account.id)) is not None:
            if until < fiscal_end(last):
                self.fiscal.keep_until(account.id, fiscal_end(last))
            return []
        kept = self.vault.keep_by_law(account.subject, fiscal_subject(account.id), reason)
        return self.fiscal.put(account.id, kept, fiscal_end(last)) if kept else []
