"""Usage by day: intervals split exactly at midnight UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, day_of, from_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAYS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one license was used on one day, in UTC."""

    application: str
    license: str
    day: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of one interval that lies in one day; `row` names the interval for good."""

    partition: str
    row: str
    day: str
    milliseconds: int

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


def by_day(rows: Iterable[UsageRow]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[row.day] = found.get(row.day, 0) + row.milliseconds
    return found


def last_days(now: int, count: int = DAYS_SHOWN) -> list[str]:
    """The days up to today, oldest first."""
    return [day_of(now - back * DAY) for back in range(count - 1, -1, -1)]


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
