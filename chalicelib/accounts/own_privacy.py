"""What is held of a person, what was done with it, and the receipts of their answers (PS-79).

The ledger's own rows, all of them: a page that opens data shows that it did.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import NotFound
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

    def log(self, account_id: str, before: int | None, size: int) -> tuple[list[Told], int | None]:
        """A page of the ledger, newest first, and the row to go on below."""
        subject = self.accounts.subject_of(account_id)
        rows = list(islice(self.vault.ledger.back(subject, before, size + 1), size + 1))
        return [told(row) for row in rows[:size]], rows[size - 1].number if len(
            rows
        ) > size else None

    def receipt(self, account_id: str, number: int) -> dict[str, Any]:
        """NotFound where the row is not an answer of this person's."""
        subject = self.accounts.subject_of(account_id)
        row = next(self.vault.ledger.back(subject, number + 1, 1), None)
        if row is None or row.number != number:
            raise NotFound
        return receipt(row, self.home, self.support)

    def _shown(self, subject: str, purpose: Purpose) -> dict[str, str | None]:
        for shown in OPENED:
            if shown is purpose:
                return dict(page(self.vault.open(subject, shown, PAGE), subject))
        return dict.fromkeys(sorted(self.vault.noted(subject, purpose)))
