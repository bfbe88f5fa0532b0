"""Instants: integer milliseconds UTC inside, RFC 3339 text at the edges."""

from __future__ import annotations

import calendar
import datetime as dt
import time
from collections.abc import Callable

Clock = Callable[[], int]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now_ms() -> int:
    """The server's time in milliseconds UTC."""
    return time.time_ns() // 1_000_000


def to_datetime(instant: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(instant / 1000, dt.UTC)


def to_text(instant: int) -> str:
    """RFC 3339 with milliseconds, always `Z`."""
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant % 1000:03d}Z"


def from_text(text: str) -> int:
    """Milliseconds of an RFC 3339 time; ValueError where it has no zone or is not one."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    return round(moment.timestamp() * 1000)


def day_of(instant: int) -> str:
    """`yyyy-mm-dd` in UTC."""
    return to_datetime(instant).strftime("%Y-%m-%d")


def month_of(instant: int) -> str:
    """`yyyy-mm` in UTC."""
    return to_datetime(instant).strftime("%Y-%m")


def purge_at(instant: int) -> int:
    """The epoch second that DynamoDB's broom understands; it never decides anything."""
    return -(-instant // 1000)


def due_key(instant: int) -> str:
    """Milliseconds as text that sorts, for an index by what is due."""
    return f"{instant:015d}"


def months_after(instant: int, months: int) -> int:
    """The same day and time of day so many calendar months later, UTC; in a shorter month its end.

    31 January and one month is the end of February. Count each period from the same first instant.
    """
    moment = to_datetime(instant)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    later = moment.replace(year=year, month=month + 1, day=day, microsecond=0)
    return round(later.timestamp()) * SECOND + instant % SECOND
