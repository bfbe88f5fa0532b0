"""What is held of a person, what was done with it, and the receipts of their answers (PS-79).

The ledger's own rows, all of them: a page that opens data shows that it did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import NotFound
from chalicelib.privacy.history import Line, Show, read
from chalicelib.privacy.receipts import receipt
from chalicelib.privacy.rules import Purpose, known_policies, same_until, use_under
from chalicelib.privacy.sinks import page
from chalicelib.privacy.wording import Told, told

if TYPE_CHECKING:
    from chalicelib.accounts.service import Accounts
    from chalicelib.privacy.rules import Shown, Use
    from chalicelib.privacy.service import Vault

PAGE = "page:/account/privacy"
OPENED: tuple[Shown, ...] = (Purpose.ACCOUNT, Purpose.BILLING, Purpose.COMPUTERS)
"""What the page opens; of the rest it names the fields, which are copies of these."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is sealed for one purpose, under which version, and since when.

    `until` is the last version that says the very same, which is `version` where none does: whoever
    registered under a later one is bound to the first that said it.
    """

    purpose: Purpose
    use: Use
    version: int
    until: int
    since: int
    fields: dict[str, str | None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the history is: below a row, above one, or at its newest end."""

    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """Lines of the history; above `newer` and below `older` are more, where there are."""

    lines: list[Line]
    newer: int | None
    older: int | None


@dataclass(frozen=True, slots=True)
class OwnPrivacy:
    accounts: Accounts
    vault: Vault
    home: str
    support: str

    def held(self, account_id: str) -> list[Held]:
        """Everything that opens for anybody, opened for its owner where this page may do so."""
        subject = self.accounts.subject_of(account_id)
        return [
            Held(
                grant.purpose, use_under(grant.policy, grant.purpose),
                number := known_policies()[grant.policy].number,
                same_until(grant.purpose, number, self.vault.in_force()), grant.at,
                self._shown(subject, grant.purpose),
            )
            for grant in self.vault.store.grants(subject)
        ]  # fmt: skip

    def log(self, account_id: str, show: Show, place: Place, size: int) -> Log:
        """A page of the history, newest first, and the rows to go on from either way."""
        subject, ledger = self.accounts.subject_of(account_id), self.vault.ledger
        if place.after:
            found = read(ledger.rows(subject, place.after + 1), show, size)
            newer, older = found.newest if found.more else None, place.after + 1
            return Log(found.lines, newer, older)
        found = read(ledger.back(subject, place.before, size + 1), show, size)
        newer = place.before - 1 if place.before else None
        return Log(found.lines, newer, found.oldest if found.more else None)

    def receipt(self, account_id: str, number: int) -> tuple[dict[str, Any], Told]:
        """The record of an answer, and its row in words.

        NotFound where the row is not an answer of this person's.
        """
        subject = self.accounts.subject_of(account_id)
        row = next(self.vault.ledger.back(subject, number + 1, 1), None)
        if row is None or row.number != number:
            raise NotFound
        return receipt(row, self.home, self.support), told(row)

    def _shown(self, subject: str, purpose: Purpose) -> dict[str, str | None]:
        for shown in OPENED:
            if shown is purpose:
                return dict(page(self.vault.open(subject, shown, PAGE), subject))
        return dict.fromkeys(sorted(self.vault.noted(subject, purpose)))
