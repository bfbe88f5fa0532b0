"""What a ledger says is granted: the fold of its rows, and whether each use had a grant. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.privacy.rules import ASKED_AT_REST, Event, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.privacy.rules import Entry, Row

GIVES = frozenset({Event.COLLECTED, Event.GRANTED})
ENDS = frozenset({Event.WITHDRAWN, Event.ERASED})
USES = frozenset({Event.OPENED, Event.SHARED})
BILLED = Purpose.BILLING
"""What the law's minimum of a payer is made of (`Vault.keep_by_law`), also where it is on hold."""


@dataclass
class Fold:
    """The policy that each purpose is granted under, the same on hold, and uses without either."""

    granted: dict[Purpose, str] = field(default_factory=dict)
    held: dict[Purpose, str] = field(default_factory=dict)
    ungranted_uses: int = 0
    leaves: bool = False

    def move(self, event: Event, purpose: Purpose, policy: str) -> None:
        if event in GIVES:
            self.granted[purpose] = policy
        elif event in ENDS:
            self.granted.pop(purpose, None)
            self.held.pop(purpose, None)
        elif event is Event.DEACTIVATED and purpose in self.granted:
            self.held[purpose] = self.granted.pop(purpose)
        elif event is Event.REACTIVATED and purpose in self.held:
            self.granted[purpose] = self.held.pop(purpose)

    def grants(self, entry: Entry, purpose: Purpose) -> bool:
        """Whether a use had its grant: in its place, or, as the law or its owner wants it, on hold.

        What was opened for the law is erased next: who comes back was not leaving for good.
        """
        if entry.event is Event.REACTIVATED:
            return not (self.leaves and purpose is BILLED)
        if entry.event not in USES or self.granted.get(purpose) == entry.policy:
            return True
        if self._asked_for(entry):
            return True
        by_law = entry.event is Event.OPENED and purpose is BILLED
        self.leaves = by_law and self.held.get(BILLED) == entry.policy
        return self.leaves

    def _asked_for(self, entry: Entry) -> bool:
        """Whether it opens, on hold, whom to mail a link to that they asked for themselves."""
        opens = entry.event is Event.OPENED and entry.purpose is Purpose.ACCOUNT
        stood = self.held.get(Purpose.ACCOUNT) == entry.policy
        return opens and stood and (entry.reason or "").startswith(ASKED_AT_REST)


def fold(rows: Iterable[Row], since: int = 0) -> Fold:
    """`since` is from when on a use without a grant is counted."""
    found = Fold()
    for row in rows:
        purpose, policy = row.entry.purpose, row.entry.policy
        if purpose is None or policy is None:
            continue
        if not found.grants(row.entry, purpose) and row.at > since:
            found.ungranted_uses += 1
        found.move(row.entry.event, purpose, policy)
    return found
