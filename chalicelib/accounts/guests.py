"""Guests: people whom we know by one sealed address alone, for a while.

Each has a subject of their own in the vault, with the keys of one purpose, so that ending those
erases the address for good (G10). The row that says when this is due is written with the address,
and the sweep keeps to it: nothing else may delete a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.accounts.address_store import AddressStore
    from chalicelib.accounts.rules import Account
    from chalicelib.core.clock import Clock
    from chalicelib.privacy.rules import Purpose, Shown
    from chalicelib.privacy.service import Vault
    from chalicelib.storage.dynamo import Item, Write

PREFIX, STAFF = "sub_", "stf_"


@dataclass(frozen=True, slots=True)
class Guest:
    """What the mailer knows of one: whether the address may still be opened is the vault's word."""

    subject: str
    state: str = "guest"
    decoy: bool = False

    @property
    def id(self) -> str:
        """Nothing else is known of one."""
        return self.subject


@dataclass(frozen=True, slots=True)
class Guests:
    store: AddressStore
    vault: Vault
    clock: Clock

    def receive(
        self, purpose: Purpose, fields: Mapping[str, str], ends_at: int | None, form: str, *,
        about: Item | None = None,
    ) -> tuple[str, list[Write]]:  # fmt: skip
        """A new guest's pseudonym, which mail is addressed to, and the writes that make it.

        Without an end they stay until somebody says `leave`. `about` names what the guest is here
        for, and never the person.
        """
        subject = new_id("sub")
        sealed = self.vault.collect_for(subject, purpose, fields, self.clock(), form)
        return subject, [self.store.put_guest(subject, ends_at, about or {}), *sealed]

    def opened(self, subject: str, purpose: Shown, reason: str) -> dict[str, str]:
        """The guest's own fields; PurposeDenied once they are gone."""
        from chalicelib.privacy.sinks import page

        return page(self.vault.open(subject, purpose, reason), subject)

    def as_written(self, subject: str, reason: str, about: str) -> dict[str, str]:
        """What a guest wrote to us, for who works here to read; PurposeDenied once it is gone."""
        from chalicelib.privacy.rules import Purpose
        from chalicelib.privacy.sinks import staff

        return staff(self.vault.open(subject, Purpose.SUPPORT, reason, about), subject)

    def stay(self, subject: str) -> Write:
        return self.store.stay(subject)

    def leave(self, subject: str, at: int | None = None) -> Write:
        """Erased by the sweep that comes next, or next after `at`."""
        return self.store.leave(subject, self.clock() if at is None else at)

    def end(self, subject: str) -> None:
        """Erased, keys first; again is harmless."""
        self.vault.erase(subject)
        self.store.transact(self.store.forget_guest(subject))


@dataclass(frozen=True, slots=True)
class Directory:
    """Whom a message may name: an account, an email claim, a guest, or who works here."""

    accounts: Callable[[str], Account | None]
    claims: Callable[[str], Account | None]
    works_here: Callable[[str], bool]

    def account(self, account_id: str) -> Account | Guest | None:
        if account_id.startswith(PREFIX):
            return Guest(account_id)
        if account_id.startswith(STAFF):
            return Guest(account_id, "staff") if self.works_here(account_id) else None
        return self.accounts(account_id)

    def by_claim(self, claim: str) -> Account | None:
        return self.claims(claim)
