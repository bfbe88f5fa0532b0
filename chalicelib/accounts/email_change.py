"""Moving an account to another address: asked with the password, confirmed from the new address.

    asked --link in the new mailbox--> moved --link in the old mailbox, seven days--> moved back
      +------link in the old mailbox--> stopped

An address that has an account already is answered by the same calls and the same words (G7): the
guest that is received holds filler, and the owner of the address is told instead. The old claim is
released and the new one taken in the transaction that moves the account.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.accounts.address_store import Change
from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.rules import (
    CHANGES_A_DAY,
    LINK_LIFE,
    Account,
    LinkKind,
    SameAddress,
    TooManyChanges,
    WrongCredentials,
)
from chalicelib.accounts.store import Claim
from chalicelib.privacy.rules import Purpose
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.accounts.address_store import AddressStore
    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.guests import Guests
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.storage.dynamo import Write

ATTEMPTS = "email"
FORM = "page:/account/email"


@dataclass(frozen=True, slots=True)
class EmailChange:
    accounts: AccountStore
    store: AddressStore
    guests: Guests
    outbox: Outbox
    links: Links
    passwords: Passwords
    attempts: Attempts
    keyed: KeyedHash
    clock: Clock

    def waiting(self, account_id: str) -> Change | None:
        """The change that still waits for its link."""
        change = self.store.change(account_id)
        return change if change and change.waits(self.clock()) else None

    def ask(
        self, account_id: str, email: str, password: str,
        chosen: Mapping[Purpose, bool] | None = None,
    ) -> None:  # fmt: skip
        """Mail a link to the new address, and word of it with a way to stop it to the present one.

        `chosen` are the answers given beside the address: they count once it is confirmed.
        WrongCredentials for another password than the account's, SameAddress for its own address.
        Asked again within five minutes, or once an address has had enough links for a day, nothing
        more is sent.
        """
        now = self.clock()
        self.attempts.take(ATTEMPTS, account_id, now)
        account = self.accounts.account(account_id)
        match = self.passwords.match(account.password if account else None, password)
        if account is None or not account.active or not match.right:
            raise WrongCredentials("This is not your password.")
        claim = self.keyed.of("email", email_identity(email))
        if claim == account.email_claim:
            raise SameAddress
        standing = self.accounts.owner(Claim.EMAIL, claim)
        before = self.store.change(account_id)
        if before is None or before.claim != claim or not before.just_asked(now):
            change = Change(account_id, "", claim, now, now + LINK_LIFE, chosen=chosen or {})
            self._write(account, change, email, standing, before)

    def _write(
        self, account: Account, change: Change, email: str, standing: str | None,
        before: Change | None,
    ) -> None:  # fmt: skip
        now = change.asked_at
        address = "-" * len(email) if standing else email
        subject, guest = self.guests.receive(
            Purpose.ACCOUNT, {"email": address}, change.ends_at, FORM
        )
        letter, to_new = self._letter(subject, change, standing)
        notice, to_present = self.outbox.message(
            "email_change_asked", fact=(subject,), account=account.id, arguments={},
            due=now, now=now,
        )  # fmt: skip
        try:
            self.store.transact(
                self.attempts.daily("changes", account.id, CHANGES_A_DAY, now),
                self.attempts.daily("change", change.claim, CHANGES_A_DAY, now),
                self.store.put_change(replace(change, subject=subject), before),
                to_new,
                to_present,
                self.links.make(letter, LinkKind.EMAIL, subject, now, account=account),
                self.links.make(notice, LinkKind.EMAIL_STOP, subject, now, account=account),
                self.attempts.give_back(ATTEMPTS, account.id, now),
                *guest,
            )
        except ConditionFailed as refusal:
            if refusal.at(0):
                raise TooManyChanges from refusal
            return  # another wish was faster, or the address has had enough of them this day
        self.outbox.nudge(letter)
        self.outbox.nudge(notice)

    def _letter(self, subject: str, change: Change, standing: str | None) -> tuple[str, Write]:
        """The link to the new address, or word to the owner of an address that has an account."""
        now = change.asked_at
        if standing:
            return self.outbox.message(
                "already_registered", fact=(subject,), claim=change.claim, arguments={},
                due=now, now=now,
            )  # fmt: skip
        return self.outbox.message(
            "email_change", fact=(subject,), account=subject, arguments={}, due=now, now=now
        )
