"""When `rate(...)` and `cron(...)` fall due, as EventBridge reads them, in UTC."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from .errors import CloudError

_UNITS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {
    name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)
}


@dataclass(frozen=True, slots=True)
class Rate:
    seconds: int

    def after(self, due: float, now: float) -> float:
        """The first occurrence later than `now`, counted in whole periods from `due`."""
        return due + (int((now - due) // self.seconds) + 1) * self.seconds if due <= now else due


@dataclass(frozen=True, slots=True)
class Cron:
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    last_day: bool
    months: frozenset[int]
    weekdays: frozenset[int] | None
    years: frozenset[int]

    def after(self, due: float, now: float) -> float:
        """The first minute later than `now` that the expression names."""
        del due
        moment = dt.datetime.fromtimestamp(now, dt.UTC).replace(second=0, microsecond=0)
        moment += dt.timedelta(minutes=1)
        for offset in range(366 * 9):
            day = moment.date() + dt.timedelta(days=offset)
            found = self._on(day, moment.time() if offset == 0 else dt.time.min)
            if found is not None:
                return found
        raise CloudError("a cron expression never falls due")

    def _on(self, day: dt.date, start: dt.time) -> float | None:
        if day.year not in self.years or day.month not in self.months or not self._names(day):
            return None
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                if dt.time(hour, minute) >= start:
                    return dt.datetime(
                        day.year, day.month, day.day, hour, minute, tzinfo=dt.UTC
                    ).timestamp()
        return None

    def _names(self, day: dt.date) -> bool:
        if self.last_day:
            return day.day == calendar.monthrange(day.year, day.month)[1]
        if self.days is not None:
            return day.day in self.days
        return self.weekdays is None or day.isoweekday() % 7 + 1 in self.weekdays


def parse(expression: str) -> Rate | Cron:
    """Raises CloudError for an expression that the local cloud cannot serve."""
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if rate:
        return Rate(int(rate[1]) * _UNITS[rate[2]])
    cron = re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", expression)
    if not cron:
        raise CloudError(f"the schedule {expression} is not understood")
    try:
        return _cron(*cron.groups())
    except ValueError as error:
        raise CloudError(f"the schedule {expression} is not understood: {error}") from error


def _cron(minute: str, hour: str, day: str, month: str, weekday: str, year: str) -> Cron:
    if (day == "?") == (weekday == "?"):
        raise ValueError("exactly one of day of month and day of week is ?")
    return Cron(
        _field(minute, 0, 59),
        _field(hour, 0, 23),
        None if day in {"?", "L"} else _field(day, 1, 31),
        day == "L",
        _field(month, 1, 12, _MONTHS),
        None if weekday == "?" else _field(weekday, 1, 7, _DAYS),
        _field(year, 1970, 2199),
    )


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, last = _span(span, low, high, names or {}, open_end=bool(step))
        if not low <= first <= last <= high:
            raise ValueError(part)
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _span(
    text: str, low: int, high: int, names: dict[str, int], *, open_end: bool
) -> tuple[int, int]:
    if text == "*":
        return low, high
    first, mark, last = text.partition("-")
    start = names.get(first.upper()) or int(first)
    if mark:
        return start, names.get(last.upper()) or int(last)
    return start, high if open_end else start
