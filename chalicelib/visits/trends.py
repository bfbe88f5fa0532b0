"""What the counters say, made fit to be shown: ranges of days, small numbers among others.

Of one range, a number below eleven is neither shown nor to be had from those that are: it stands
among the others, together with so many larger ones as it takes until their sum is eleven or more.
Whoever compares two ranges that overlap may still find one (decision 41).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from chalicelib.core.clock import day_of
from chalicelib.core.errors import InvalidInput
from chalicelib.core.few import SHOWN_FROM
from chalicelib.visits.rules import HOURS_KEPT, MONTHS_KEPT, OTHER, day_start, moved

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESETS = (7, 28, 90)
MOST_DAYS = 366
MOST_BARS = 31
BAR_DAYS = (1, 7, 14)
LEFT = "left"
TITLES: Mapping[str, tuple[str, str]] = {
    "page": ("Pages", "Page"),
    "referrer": ("Sites that visitors came from", "Site"),
    "entry": ("First pages of a visit", "Page"),
    "exit": ("Last pages of a visit", "Page"),
    LEFT: ("Sites that visitors went on to", "Site"),
    "move": ("From page to page", "From and to"),
    "browser": ("Browsers", "Browser"),
    "platform": ("Platforms", "Platform"),
    "country": ("Countries", "Country"),
    "network": ("Networks", "Network"),
    "status": ("Answers", "Status"),
    "kind": ("All requests", "Kind"),
}
Counted = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Range:
    """Days from first to last, both included."""

    first: str
    last: str

    @property
    def days(self) -> list[str]:
        start = date.fromisoformat(self.first)
        return [(start + timedelta(days=n)).isoformat() for n in range(self.length)]

    @property
    def length(self) -> int:
        return (date.fromisoformat(self.last) - date.fromisoformat(self.first)).days + 1

    @property
    def before(self) -> Range:
        """As many days, just before these."""
        return ending(shifted(self.first, -1), self.length)


@dataclass(frozen=True, slots=True)
class Row:
    """`percent` of the whole of its table; `longest` of its longest bar."""

    name: str
    number: int
    percent: int
    longest: int


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that may be shown; `others` is the sum of all that may not, None where too small."""

    family: str
    rows: tuple[Row, ...]
    others: int | None

    @property
    def title(self) -> str:
        return TITLES[self.family][0]

    @property
    def column(self) -> str:
        return TITLES[self.family][1]


class WrongRange(InvalidInput):
    code = "wrong_range"
    title = "These days cannot be shown"


def shifted(day: str, by: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=by)).isoformat()


def ending(last: str, length: int) -> Range:
    return Range(shifted(last, 1 - length), last)


def range_of(first: str, last: str, now: int) -> Range:
    """The days asked for, else the last week; WrongRange names the field that is wrong."""
    today = day_of(now)
    asked = Range(first or shifted(last or today, -6), last or today)
    errors = {
        name: "Write a date as in 2026-11-25."
        for name, text in (("from", asked.first), ("to", asked.last))
        if not is_day(text)
    }
    if not errors:
        errors = misfit(asked, today)
    if errors:
        raise WrongRange(errors=errors)
    return asked


def misfit(asked: Range, today: str) -> dict[str, str]:
    kept = moved(date.fromisoformat(today), -MONTHS_KEPT, 1).isoformat()
    if asked.last > today:
        return {"to": "This day has not come yet."}
    if asked.first > asked.last:
        return {"from": "This is after the last day."}
    if asked.first < kept:
        return {"from": f"Counters are kept for {MONTHS_KEPT} months."}
    if asked.length > MOST_DAYS:
        return {"from": f"At most {MOST_DAYS} days are shown at once."}
    return {}


def is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def suppressed(names: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """The numbers that may be shown, largest first, and the sum of those that may not."""
    shown = sorted(names.items(), key=lambda pair: (-pair[1], pair[0]))
    hidden = sum(number for name, number in shown if number < SHOWN_FROM or name == OTHER)
    shown = [(name, number) for name, number in shown if number >= SHOWN_FROM and name != OTHER]
    while shown and 0 < hidden < SHOWN_FROM:
        hidden += shown.pop()[1]
    return dict(shown), hidden


def table(family: str, names: Mapping[str, int], most: int | None = None) -> Table:
    """The most frequent rows first; those beyond `most` are among the others."""
    shown, hidden = suppressed(names)
    kept = list(shown.items())[:most]
    hidden += sum(list(shown.values())[len(kept) :])
    whole = sum(names.values()) or 1
    longest = kept[0][1] if kept else 1
    rows = tuple(Row(n, c, round(100 * c / whole), round(100 * c / longest)) for n, c in kept)
    return Table(family, rows, hidden if hidden >= SHOWN_FROM else None if hidden else 0)


def days_a_bar(length: int) -> int:
    """How many days a bar stands for: a day, a week, or two of them."""
    return next((size for size in BAR_DAYS if length <= MOST_BARS * size), BAR_DAYS[-1])


def grouped(days: Mapping[str, int], size: int) -> dict[str, int]:
    """Sums of so many days each, under the first of them."""
    names = list(days)
    return {
        names[start]: sum(days[name] for name in names[start : start + size])
        for start in range(0, len(names), size)
    }


def days_with_hours(days: Range, now: int) -> list[str]:
    """The days of a range whose hours are still there."""
    return [day for day in days.days if day_start(day) + 86_400_000 + HOURS_KEPT > now]
