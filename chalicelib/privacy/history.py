"""A person's history as they read it: what others did, what they answered, what they looked at.

A *look* is an opening for a page that the person asked for. Looks of one page in a row are one
line with their number, so that what others did is not lost among them; `Show.ROWS` has every row
of the ledger by itself, in the ledger's own words.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from chalicelib.privacy.receipts import is_answer
from chalicelib.privacy.rules import Event
from chalicelib.privacy.wording import EVENTS, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.privacy.rules import Row
    from chalicelib.privacy.wording import Told

OWN, OF_STAFF = "page:", "page:/staff"
OUTWARD = frozenset({Event.SHARED, Event.NOTIFIED})
FURTHEST = 500
"""How many rows are read for one page at most: what is sought may be rare."""


class Show(StrEnum):
    OTHERS = "others"
    ANSWERS = "answers"
    LOOKS = "looks"
    ALL = "all"
    ROWS = "rows"


@dataclass(slots=True)
class Line:
    """One row, or looks of one page in a row: `told` is the newest of them, `since` the oldest."""

    told: Told
    since: int
    look: bool
    receipt: bool
    count: int = 1
    purposes: list[str] = field(default_factory=list)

    def takes(self, row: Row) -> bool:
        """Whether the row is one more look of the same page."""
        return self.look and is_look(row) and self.told.reason == row.entry.reason

    def add(self, row: Row) -> None:
        found = told(row)
        if found.number > self.told.number:
            self.told = found
        self.since = min(self.since, row.at)
        self.count += 1
        if found.purpose not in self.purposes:
            self.purposes.append(found.purpose)


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, newest first. `newest` and `oldest` are the rows that were read for them.

    `more` is whether there is anything beyond, the way that it was read.
    """

    lines: list[Line]
    newest: int
    oldest: int
    more: bool


def is_look(row: Row) -> bool:
    reason = row.entry.reason or ""
    own = reason.startswith(OWN) and not reason.startswith(OF_STAFF)
    return row.entry.event is Event.OPENED and own


def of_others(row: Row) -> bool:
    """Passed on, told, or opened for anything but a page of the person's own."""
    event = row.entry.event
    return event in OUTWARD or (event is Event.OPENED and not is_look(row))


def wanted(row: Row, show: Show) -> bool:
    if show is Show.OTHERS:
        return of_others(row)
    if show is Show.ANSWERS:
        return is_answer(row)
    return is_look(row) if show is Show.LOOKS else True


def read(rows: Iterable[Row], show: Show, size: int) -> Page:
    """A page of lines from rows that come in order, either way; whole lines only."""
    lines: list[Line] = []
    seen: list[int] = []
    more = False
    for row in rows:
        fits = show is not Show.ROWS and bool(lines) and lines[-1].takes(row)
        fresh = wanted(row, show) and not fits
        if len(seen) == FURTHEST or (fresh and len(lines) == size):
            more = True
            break
        seen.append(row.number)
        if fresh:
            lines.append(line_of(row))
        elif fits:
            lines[-1].add(row)
    lines.sort(key=lambda line: line.told.number, reverse=True)
    return Page(lines, max(seen, default=0), min(seen, default=0), more)


def line_of(row: Row) -> Line:
    found, answered = told(row), is_answer(row)
    if answered and row.entry.event is Event.COLLECTED:
        found = replace(found, event=EVENTS[Event.GRANTED])  # a yes beside the field itself
    purposes = [found.purpose] if found.purpose else []
    return Line(found, row.at, is_look(row), answered, purposes=purposes)
