"""Correcting one's details by a mailed link, for whoever cannot or will not sign in (PS-72).

The link shows the details only when its holder presses for them, so that a scanner that follows
links sees none, and it is used up by the correction itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import LinkEnded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.service import Accounts
    from chalicelib.rights.proving import Proving

WORD = "link:rights"
"""By what the details were opened and corrected, as the ledger says it."""


@dataclass(frozen=True, slots=True)
class Correcting:
    accounts: Accounts
    proving: Proving

    def details(self, token: str) -> dict[str, str]:
        """All fields of the profile, opened for whoever holds the link; changes none of them."""
        return self.accounts.profile(self._active(token).id, WORD)

    def correct(self, token: str, changed: Mapping[str, str]) -> None:
        """Seal the profile anew as the setup page does, once; LinkEnded where the link was used."""
        account, used = self._active(token), self.proving.use(token)
        self.accounts.correct_by_link(account.id, changed, used, WORD)

    def _active(self, token: str) -> Account:
        """Nothing of whoever rests opens: they come back first."""
        account = self.proving.by_link(token)
        if not account.active:
            raise LinkEnded
        return account
