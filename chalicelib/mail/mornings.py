"""Eight in the morning where a person is: pure arithmetic of instants, zones and weeks.

A zone is an IANA name. Unknown ones, and none, count as UTC.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from chalicelib.core.clock import DAY, HOUR, to_datetime

HOUR_OF_MORNING = 8
COUNTED = 2 * HOUR  # a week's last leases are in the totals by then, and the plan is made before
WEEK = 7 * DAY
EPOCH_MONDAY = 4 * DAY  # 1970-01-05


def zone_of(name: str | None) -> dt.tzinfo:
    try:
        return zoneinfo.ZoneInfo(name) if name else dt.UTC
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # an area, such as Europe
        return dt.UTC


def local(instant: int, zone: dt.tzinfo) -> dt.datetime:
    return to_datetime(instant).astimezone(zone)


def morning_of(day: dt.date, zone: dt.tzinfo) -> int:
    """Eight o'clock of that day; where clocks skip it, as far after midnight as they show."""
    moment = dt.datetime.combine(day, dt.time(HOUR_OF_MORNING), tzinfo=zone)
    return round(moment.timestamp()) * 1000


def first_morning(at: int, zone: dt.tzinfo) -> int:
    """The first one at `at` or later."""
    day = local(at, zone).date() - dt.timedelta(days=1)
    while (morning := morning_of(day, zone)) < at:
        day += dt.timedelta(days=1)
    return morning


def last_morning(at: int, zone: dt.tzinfo) -> int:
    """The last one at `at` or before."""
    day = local(at, zone).date() + dt.timedelta(days=1)
    while (morning := morning_of(day, zone)) > at:
        day -= dt.timedelta(days=1)
    return morning


def mornings_before(at: int, days: int, zone: dt.tzinfo) -> int:
    """The morning so many days before the day that `at` falls on."""
    return morning_of(local(at, zone).date() - dt.timedelta(days=days), zone)


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week in UTC, the days that usage is totaled by; `start` is its Monday's midnight."""

    start: int

    @property
    def end(self) -> int:
        return self.start + WEEK

    @property
    def name(self) -> str:
        """`2026-W47`, which names it for good."""
        year, week, _ = to_datetime(self.start).isocalendar()
        return f"{year:04d}-W{week:02d}"

    @property
    def days(self) -> tuple[str, str]:
        """Its first and last day, `yyyy-mm-dd`."""
        last = self.end - DAY
        return f"{to_datetime(self.start):%Y-%m-%d}", f"{to_datetime(last):%Y-%m-%d}"

    def summary_due(self, zone: dt.tzinfo) -> int:
        """The first morning on which all of it is counted: Monday's, or Tuesday's in the east."""
        return first_morning(self.end + COUNTED, zone)


def week_due(at: int, zone: dt.tzinfo) -> Week:
    """The latest week whose summary is due by `at`."""
    week = Week(at - (at - EPOCH_MONDAY) % WEEK - WEEK)
    return week if week.summary_due(zone) <= at else Week(week.start - WEEK)
