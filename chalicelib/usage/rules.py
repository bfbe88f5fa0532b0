"""Usage by day, application and computer: intervals split exactly at midnight UTC.

Every figure that a page shows is a sum over the same list of uses, so that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, day_of, from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Where totals were counted before computers were told apart.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one license was used on one day, in UTC."""

    application: str
    license: str
    day: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Use:
    """What one license was used on one day on one computer."""

    application: str
    license: str
    day: str
    computer: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of one interval that lies in one day; `row` names the interval for good.

    `ended_at` is where the interval ended.
    """

    partition: str
    row: str
    day: str
    computer: str
    milliseconds: int
    ended_at: int

    @property
    def marker(self) -> str:
        return f"COUNTED#{self.row}#{self.day}"


def split(started_at: int, ended_at: int) -> Iterator[tuple[str, int]]:
    """Days with their milliseconds; they sum to the interval."""
    while started_at < ended_at:
        midnight = started_at - started_at % DAY + DAY
        stop = min(midnight, ended_at)
        yield day_of(started_at), stop - started_at
        started_at = stop


def told_apart(days: Iterable[UsageRow], uses: Iterable[Use]) -> list[Use]:
    """The uses of a license, and what of its days is of no known computer: the sum is its days'."""
    found = list(uses)
    known = sums(found, lambda use: use.day)
    found += [
        Use(row.application, row.license, row.day, UNKNOWN, left)
        for row in days
        if (left := row.milliseconds - known.get(row.day, 0))
    ]
    return sorted(found, key=lambda use: (use.day, use.application, use.license, use.computer))


def sums(uses: Iterable[Use], part: Callable[[Use], str]) -> dict[str, int]:
    """Milliseconds by whatever part of a use is asked for."""
    found: dict[str, int] = {}
    for use in uses:
        found[part(use)] = found.get(part(use), 0) + use.milliseconds
    return found


def last_seen(pieces: Iterable[Piece]) -> dict[str, int]:
    """When each computer's last of these ended."""
    found: dict[str, int] = {}
    for piece in pieces:
        found[piece.computer] = max(piece.ended_at, found.get(piece.computer, 0))
    return found


def days_of(month: str) -> list[str]:
    """Every day of a `yyyy-mm`, in order."""
    start = day_start(f"{month}-01")
    days = (day_of(start + number * DAY) for number in range(31))
    return [day for day in days if day.startswith(month)]


def months_between(start: int, end: int) -> list[str]:
    """`yyyy-mm` of every month that the time from start to end touches, in order."""
    year, month = (int(part) for part in day_of(start)[:7].split("-"))
    last, found = day_of(end)[:7], []
    while (name := f"{year:04d}-{month:02d}") <= last:
        found.append(name)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 - months
    return found


def day_start(day: str) -> int:
    return from_text(f"{day}T00:00:00+00:00")
