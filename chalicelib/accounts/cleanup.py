"""What ends by itself: accounts and decoys that nobody confirmed, guests, wishes said only once.

An account goes in three steps, each of which a later run finishes: its names are free and it is
marked in one transaction; its keys and sealed fields are erased (G10); its row is deleted. The
index nominates it until the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.accounts.rules import State
from chalicelib.core.clock import due_key
from chalicelib.observability import count, failure
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.accounts.guests import Guests
    from chalicelib.accounts.opt_ins import OptIns
    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock


# Nobody is begun with less time left than this, in milliseconds.
RESERVE = 20_000


class CleanupIncomplete(Exception):
    """Some could not be ended; the others were, and the next run tries all again."""


class Cleanup:
    """`lapse` is told of each invitation that ends because nobody took it up."""

    def __init__(
        self, store: AccountStore, guests: Guests, opt_ins: OptIns,
        lapse: Callable[[str, str, str], None], clock: Clock,
    ) -> None:  # fmt: skip
        self.store, self.guests, self.opt_ins = store, guests, opt_ins
        self.lapse, self.clock = lapse, clock

    def run(self, time_left: Callable[[], int]) -> dict[str, int]:
        """End what is due; CleanupIncomplete at the end where one of them failed.

        `time_left` is what the function may still use, in milliseconds; the next run goes on.
        """
        done = {"accounts": 0, "guests": 0, "opt_ins": 0, "failed": 0}
        for what, end, name in self._due(self.clock()):
            if time_left() < RESERVE:
                count("cleanup_behind")
                break
            self._one(what, end, name, done)
        for name, value in done.items():
            count(f"cleanup_{name}", value)
        if done["failed"]:
            raise CleanupIncomplete(f"{done['failed']} could not be ended")
        return done

    def _due(self, now: int) -> Iterator[tuple[str, Callable[[str], bool], str]]:
        """Everybody whose time is over, as what, and how it is ended."""
        for account_id in self.store.unconfirmed(now):
            yield "accounts", self.end_account, account_id
        for subject in self.guests.store.due_guests(now):
            yield "guests", self.end_guest, subject
        for account_id in self.opt_ins.due(now):
            yield "opt_ins", self.end_opt_ins, account_id

    def _one(
        self, what: str, end: Callable[[str], bool], name: str, done: dict[str, int]
    ) -> None:  # fmt: skip
        try:
            done[what] += end(name)
        except Exception as error:  # noqa: BLE001 - one must not keep the others
            failure("cleanup_failed", error, subject=name)
            done["failed"] += 1

    def end_opt_ins(self, account_id: str) -> bool:
        """False where each was said again meanwhile, or is gone."""
        return self.opt_ins.lapse(account_id, self.clock())

    def end_account(self, account_id: str) -> bool:
        """False where it was confirmed, is not due, or is gone."""
        account = self.store.account(account_id)
        if account is None or account.active or self.clock() < account.ends_at:
            return False
        try:
            self._end(account)
        except ConditionFailed as refusal:
            if not refusal.at(0):
                raise
            return False  # confirmed meanwhile, or another run was first
        return True

    def _end(self, account: Account) -> None:
        if account.state is State.UNCONFIRMED:
            self.store.transact(*self.store.release(account, self.clock()))
        self.guests.vault.erase(account.subject)
        self.store.transact(self.store.forget(account.id))

    def end_guest(self, subject: str) -> bool:
        """False where it is not due: it stays, whatever the index says."""
        guest = self.guests.store.guest(subject)
        due = guest.get("gsi1sk") if guest else None
        if guest is None or due is None or due > due_key(self.clock()):
            return False
        try:
            self.store.transact(self.guests.store.mark_guest(subject, due))
        except ConditionFailed:
            return False  # accepted at the last moment
        if "invitation" in guest:
            self.lapse(guest["license"], guest["invitation"], subject)
        self.guests.end(subject)
        return True
