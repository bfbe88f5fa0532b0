"""Trends: the counters of a range of days, added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import day_of
from chalicelib.observability import failure
from chalicelib.visits.rules import FAMILIES
from chalicelib.visits.trends import LEFT, days_with_hours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.core.clock import Clock
    from chalicelib.visits.store import VisitStore
    from chalicelib.visits.trends import Counted, Range


@dataclass(frozen=True, slots=True)
class Report:
    """Sums by family; clicks by day, and by hour of the days whose hours are still there."""

    families: Counted
    days: dict[str, int]
    hours: dict[str, int]
    hour_days: int

    @property
    def clicks(self) -> int:
        return sum(self.days.values())


class ExitCounts:
    """How often visitors went on to which site, by day; who did is nowhere."""

    def __init__(self, store: VisitStore, clock: Clock) -> None:
        self.store, self.clock = store, clock

    def count(self, site: str) -> None:
        """A count that fails is told and stops nobody."""
        try:
            self.store.leave(day_of(self.clock()), site)
        except Exception as error:  # noqa: BLE001 - whatever it is, the visitor may leave
            failure("exit_not_counted", error)


class Trends:
    def __init__(self, store: VisitStore, clock: Clock) -> None:
        self.store, self.clock = store, clock

    def report(self, asked: Range) -> Report:
        families: Counted = {family: {} for family in (*FAMILIES, LEFT)}
        days = dict.fromkeys(asked.days, 0)
        for day, family, names in self.store.counters(asked.first, asked.last):
            add(families[family], names)
            if family == "page" and day in days:
                days[day] += sum(names.values())
        for names in self.store.left(asked.first, asked.last):
            add(families[LEFT], names)
        hours = dict.fromkeys((f"{hour:02d}" for hour in range(24)), 0)
        with_hours = days_with_hours(asked, self.clock())
        for day in with_hours:
            for names in self.store.hours(day):
                add(hours, names)
        return Report(families, days, hours, len(with_hours))

    def clicks(self, asked: Range) -> int:
        found = self.store.counters(asked.first, asked.last)
        return sum(sum(names.values()) for _, family, names in found if family == "page")


def add(total: dict[str, int], names: Mapping[str, int]) -> None:
    for name, number in names.items():
        total[name] = total.get(name, 0) + number
