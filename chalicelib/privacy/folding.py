"""What a ledger says is granted: the fold of its rows, and whether each use had a grant. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.privacy.rules import Event, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.privacy.rules import Row

GIVES = frozenset({Event.COLLECTED, Event.GRANTED})
ENDS = frozenset({Event.WITHDRAWN, Event.ERASED})
USES = frozenset({Event.OPENED, Event.SHARED})


@dataclass
class Fold:
    """The policy that each purpose is granted under, the same on hold, and uses without either."""

    granted: dict[Purpose, str] = field(default_factory=dict)
    held: dict[Purpose, str] = field(default_factory=dict)
    ungranted_uses: int = 0


def fold(rows: Iterable[Row], since: int = 0) -> Fold:
    """`since` is from when on a use without a grant is counted."""
    found = Fold()
    for row in rows:
        event, purpose, policy = row.entry.event, row.entry.purpose, row.entry.policy
        if purpose is None or policy is None:
            continue
        if event in GIVES:
            found.granted[purpose] = policy
        elif event in ENDS:
            found.granted.pop(purpose, None)
            found.held.pop(purpose, None)
        elif event is Event.DEACTIVATED and purpose in found.granted:
            found.held[purpose] = found.granted.pop(purpose)
        elif event is Event.REACTIVATED and purpose in found.held:
            found.granted[purpose] = found.held.pop(purpose)
        elif event in USES and row.at > since and found.granted.get(purpose) != policy:
            found.ungranted_uses += 1
    return found
