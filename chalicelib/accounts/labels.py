"""What a customer calls each computer: personal data, so it is in the vault and nowhere else.

The license partition, the usage rows and whatever a vendor sees name a computer by its key alone
(PS-36). A name is never asked for by a download or a launch (PS-26): it is an act of its own, on
the customer's page, and its first one grants the purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import AccountGone
from chalicelib.core.errors import Conflict, Unavailable
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.accounts.service import Accounts
    from chalicelib.privacy.service import Vault
    from chalicelib.storage.dynamo import Write

FIELD = "computer_label:"
FORM = "computers"
MOST = 500  # they are one item
TRIES = 4


class TooManyLabels(Conflict):
    code = "too_many_labels"
    title = "No more computers can be named"
    detail = f"At most {MOST} computers can have a name. Take one away first."


@dataclass(frozen=True, slots=True)
class Labels:
    accounts: Accounts
    vault: Vault

    def of(self, account_id: str, reason: str) -> dict[str, str]:
        """Label by computer, opened for the owner's own page; the ledger says which."""
        from chalicelib.privacy.rules import Purpose, PurposeDenied
        from chalicelib.privacy.sinks import page

        subject = self.accounts.subject_of(account_id)
        try:
            opened = page(self.vault.open(subject, Purpose.COMPUTERS, reason), subject)
        except PurposeDenied:
            return {}  # none was ever given, and nothing was opened
        return {name.removeprefix(FIELD): label for name, label in opened.items()}

    def name(self, account_id: str, computer: str, label: str) -> None:
        """Gives the computer this label, or takes it away where it is empty."""
        subject = self.accounts.subject_of(account_id)
        for _ in range(TRIES):
            try:
                self.vault.commit(lambda: self._name(account_id, subject, computer, label))
            except ConditionFailed:
                account = self.accounts.account(account_id)
                if account is None or not account.active:
                    raise AccountGone from None
                continue  # another first label came in between
            return
        raise Unavailable

    def _name(self, account_id: str, subject: str, computer: str, label: str) -> list[Write]:
        from chalicelib.privacy.rules import Purpose

        known = self.vault.noted(subject, Purpose.COMPUTERS)
        name = f"{FIELD}{computer}"
        if not label and name not in known:
            return []
        if label and name not in known and len(known) >= MOST:
            raise TooManyLabels
        writes = self.vault.note(subject, Purpose.COMPUTERS, name, label, FORM)
        return [*writes, self.accounts.confirmed_check(account_id)] if writes else []
