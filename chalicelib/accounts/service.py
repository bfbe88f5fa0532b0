"""Accounts as the other features know them, and a person's own profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import Account, AccountGone, LinkEnded, NotConfirmed
from chalicelib.accounts.store import Claim
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.privacy.rules import Shown
    from chalicelib.privacy.service import Vault
    from chalicelib.storage.dynamo import Write

FORM = "setup"
REASON = "page:/account/setup"


@dataclass(frozen=True, slots=True)
class Accounts:
    store: AccountStore
    vault: Vault
    clock: Clock

    def account(self, account_id: str) -> Account | None:
        return self.store.account(account_id)

    def by_claim(self, claim: str) -> Account | None:
        """Whose address this keyed hash stands for."""
        owner = self.store.owner(Claim.EMAIL, claim)
        return self.store.account(owner) if owner else None

    def subject_of(self, account_id: str) -> str:
        """The pseudonym that the account's personal data is sealed under."""
        return self._present(account_id).subject

    def confirmed_check(self, account_id: str) -> Write:
        """Holds a transaction to an account whose address is confirmed (PS-15)."""
        return self.store.check_active(account_id)

    def not_confirmed(self) -> NotConfirmed:
        """What a transaction that this check refused tells the person."""
        return NotConfirmed()

    def profile(self, account_id: str, reason: str = REASON) -> dict[str, str]:
        """All fields of the person's own profile, for their own pages."""
        return self._open(self.subject_of(account_id), reason)

    def correct(self, account_id: str, changed: Mapping[str, str]) -> None:
        """Seal the profile anew with what the person corrected (PS-69)."""
        try:
            self._correct(account_id, changed, [], FORM, REASON)
        except ConditionFailed as error:
            raise AccountGone from error

    def correct_by_link(
        self, account_id: str, changed: Mapping[str, str], used: Write, word: str
    ) -> None:
        """The same, and the link is used up in that transaction; LinkEnded where it was before."""
        try:
            self._correct(account_id, changed, [used], word, word)
        except ConditionFailed as error:
            raise (LinkEnded if error.at(0) else AccountGone) from error

    def _correct(
        self, account_id: str, changed: Mapping[str, str], first: list[Write], form: str, word: str
    ) -> None:
        subject = self.subject_of(account_id)
        fields = {**self._open(subject, word), **changed}
        self.vault.commit(
            lambda: [
                *first,
                *self.vault.recollect(subject, fields, self.clock(), form),
                self.confirmed_check(account_id),
            ]
        )

    def _open(self, subject: str, reason: str) -> dict[str, str]:
        from chalicelib.privacy.rules import Purpose
        from chalicelib.privacy.sinks import page

        profile: tuple[Shown, ...] = (Purpose.ACCOUNT, Purpose.BILLING)
        fields: dict[str, str] = {}
        for purpose in profile:
            fields.update(page(self.vault.open(subject, purpose, reason), subject))
        return fields

    def _present(self, account_id: str) -> Account:
        account = self.store.account(account_id)
        if account is None:
            raise AccountGone
        return account
