"""What the mailed links do about an account's address: move it, stop that, or take it back.

One transaction releases the old claim, takes the new one, seals the profile anew under the grants
it has, puts into force what was chosen beside the new address, and writes word of it to the old
mailbox. Sessions go on; links to a password that were mailed before are dead. What the person once
stopped by mail stays stopped at the new address. Whoever takes a move back takes back every yes
that was said with it and after it, and a deactivation or an erasure that waits: it may have been a
thief's, and nothing of it reaches their mailbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.address_store import DONE, STOPPED
from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.passwords import nobodys
from chalicelib.accounts.rules import (
    UNDO_LIFE,
    Account,
    AccountGone,
    AddressTaken,
    ErasedSince,
    LinkEnded,
    LinkKind,
    State,
)
from chalicelib.accounts.store import Claim
from chalicelib.mail.wishes import BOUNCED, suppression_of
from chalicelib.privacy.rules import Purpose, PurposeDenied
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from chalicelib.accounts.address_store import AddressStore, Change, Spans
    from chalicelib.accounts.guests import Guests
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.opt_ins import OptIns
    from chalicelib.accounts.rules import Link
    from chalicelib.accounts.service import Accounts
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.wishes import WishStore
    from chalicelib.storage.dynamo import Write

    class Rest(Protocol):
        """What takes an account up again that rests."""

        def recall(self, account: Account, verifier: str) -> None: ...

    class Ending(Protocol):
        """What stops an erasure that waits."""

        def call_off(self, account_id: str, since: int) -> list[Write]: ...


FORM = "page:/email"
TAKE = 0  # the position of the new claim in the transaction that moves


@dataclass(frozen=True, slots=True)
class EmailMove:
    accounts: AccountStore
    store: AddressStore
    people: Accounts
    guests: Guests
    outbox: Outbox
    links: Links
    opt_ins: OptIns
    wishes: WishStore
    keyed: KeyedHash
    rest: Rest
    ending: Ending
    clock: Clock

    def check(self, token: str, kind: LinkKind) -> Mapping[Purpose, bool]:
        """LinkEnded where the link no longer works; changes nothing.

        What was chosen beside the new address, which the button puts into force.
        """
        now = self.clock()
        link = self.links.read(token, kind, now)
        if kind is LinkKind.EMAIL_UNDO:
            self._moved(link)
            return {}
        return self._asked(link, now)[1].chosen

    def confirm(self, token: str) -> None:
        """The account moves to the address that the link was mailed to.

        LinkEnded where it no longer works, AddressTaken where the address has an account by now.
        """
        now = self.clock()
        link = self.links.read(token, LinkKind.EMAIL, now)
        account, change = self._asked(link, now)
        used = self.links.use(token, LinkKind.EMAIL, now)
        ended = self.store.end_change(account.id, link.target, DONE)
        message = self._move(
            account, self._address(link.target), link.target, now, used, ended,
            chosen=change.chosen,
        )  # fmt: skip
        self.outbox.nudge(message)

    def stop(self, token: str) -> None:
        """The move is off, and everybody is signed out."""
        now = self.clock()
        link = self.links.read(token, LinkKind.EMAIL_STOP, now)
        account, _ = self._asked(link, now)
        self._once(
            self.links.use(token, LinkKind.EMAIL_STOP, now),
            self.store.end_change(account.id, link.target, STOPPED),
            self.store.end_sessions(account),
            self.guests.leave(link.target),
        )

    def undo(self, token: str) -> None:
        """Back to the address that the link was mailed to; no password fits any more.

        Whatever was chosen since the move is withdrawn, and no wish waits; a deactivation since and
        an erasure that waits are undone. Where that address has another account by now, the account
        stays, at rest if it is, and is locked all the same: AddressTaken. A link of a move that an
        older mailbox has taken back no longer works. ErasedSince where nothing is left.
        """
        now = self.clock()
        link = self.links.read(token, LinkKind.EMAIL_UNDO, now)
        account = self._moved(link)
        used = self.links.use(token, LinkKind.EMAIL_UNDO, now)
        address = self._address(link.target)
        claim = self.keyed.of("email", email_identity(address))
        if claim == account.email_claim:
            raise LinkEnded
        if not account.active and self.accounts.owner(Claim.EMAIL, claim) is None:
            account = self._recalled(account)
        undone = account.undone_by(link, now)
        off = self.ending.call_off(account.id, link.made_at)
        locked = [used, *off, self.store.lock(account, nobodys(), undone)]
        if not account.active:
            self._lock(account, link, *locked)
            raise AddressTaken
        try:
            message = self._move(
                account, address, link.target, now, used, *off, lock=nobodys(), undone=undone,
                since=link.made_at,
            )  # fmt: skip
        except AddressTaken:
            self._lock(account, link, *locked)
            raise
        self.outbox.nudge(message)

    def _recalled(self, account: Account) -> Account:
        """Taken up again, and locked: a death before the move leaves the link good for another."""
        self.rest.recall(account, nobodys())
        found = self.accounts.account(account.id)
        if found is None or not found.active:
            raise AccountGone
        return found

    def _lock(self, account: Account, link: Link, *others: Write) -> None:
        def writes() -> list[Write]:
            return [
                *others,
                self.guests.leave(link.target),
                *self._no_wish(account),
                *self.guests.vault.take_back(account.subject, link.made_at, FORM),
            ]

        try:
            self.guests.vault.commit(writes)
        except ConditionFailed as refusal:
            raise AccountGone from refusal

    def _no_wish(self, account: Account) -> list[Write]:
        """What waits for its link waits for one that was mailed to the other mailbox."""
        waiting = self.opt_ins.waiting(account.id)
        return [self.opt_ins.forget(account.id, purpose) for purpose in waiting]

    def _moved(self, link: Link) -> Account:
        """Whose move the link is about, unless an older mailbox has taken that back."""
        account = self.accounts.account(link.account)
        if account is None or account.state is State.ENDING:
            raise ErasedSince
        if not account.known or link.was_undone(account):
            raise LinkEnded
        return account

    def _asked(self, link: Link, now: int) -> tuple[Account, Change]:
        """Whose wish the link is about, while that wish stands; LinkEnded after it."""
        account = self.accounts.account(link.account)
        change = self.store.change(account.id) if account else None
        if account is None or change is None or not account.active:
            raise LinkEnded
        if (
            change.subject != link.target
            or not change.waits(now)
            or not link.was_mailed_to(account)
        ):
            raise LinkEnded
        return account, change

    def _address(self, subject: str) -> str:
        try:
            return self.guests.opened(subject, Purpose.ACCOUNT, FORM)["email"]
        except PurposeDenied:
            raise LinkEnded from None

    def _move(
        self, account: Account, address: str, guest: str, now: int, *others: Write,
        lock: str | None = None, undone: Spans = (),
        chosen: Mapping[Purpose, bool] | None = None, since: int | None = None,
    ) -> str:  # fmt: skip
        """The id of the message to the old mailbox, with a way back unless it is locked."""
        claim = self.keyed.of("email", email_identity(address))
        profile = self.people.profile(account.id)
        message, farewell = self._farewell(account, profile["email"], now, way_back=not lock)

        def writes() -> list[Write]:
            return [
                self.store.take_claim(claim, account.id),
                self.accounts.release_claim(Claim.EMAIL, account.email_claim, account.id),
                self.store.move(account, claim, now, lock=lock, undone=undone),
                self.guests.leave(guest),
                *others,
                *farewell,
                *self._wishes(account.id, profile["email"], address, now),
                *(self._no_wish(account) if lock else ()),
                *self.guests.vault.recollect(
                    account.subject, {**profile, "email": address}, now, FORM, chosen, since=since
                ),
            ]

        try:
            self.guests.vault.commit(writes)
        except ConditionFailed as refusal:
            raise (AddressTaken if refusal.at(TAKE) else AccountGone) from refusal
        return message

    def _wishes(self, account_id: str, old: str, new: str, now: int) -> list[Write]:
        """What was stopped stays stopped; that mail came back was the old mailbox's affair."""
        before, after = (suppression_of(self.keyed, address) for address in (old, new))
        writes = self.wishes.follow(before, after, now)
        if self.wishes.choices(account_id).bounced_at is not None:
            writes.append(self.wishes.clear(account_id, BOUNCED, now))
        return writes

    def _farewell(
        self, account: Account, address: str, now: int, *, way_back: bool
    ) -> tuple[str, list[Write]]:
        """Word to the old mailbox, with a way back for seven days, or that it was taken back."""
        subject, guest = self.guests.receive(
            Purpose.ACCOUNT, {"email": address}, now + UNDO_LIFE, FORM
        )
        message, letter = self.outbox.message(
            "email_changed" if way_back else "email_taken_back",
            fact=(subject,), account=subject, arguments={}, due=now, now=now,
        )  # fmt: skip
        if not way_back:
            return message, [*guest, letter]
        link = self.links.make(
            message, LinkKind.EMAIL_UNDO, subject, now, account=account, life=UNDO_LIFE
        )
        return message, [*guest, letter, link]

    def _once(self, *writes: Write) -> None:
        try:
            self.store.transact(*writes)
        except ConditionFailed as error:
            raise AccountGone from error
