"""What a person sees of their usage: one list of uses under a selection, summed in three ways.

The sums by day, by application and by computer are over the same list, so they agree to the
millisecond. What runs now, and what ended since the last sweep, stands beside them: it is not in
the sums yet, and it is not lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.core.clock import month_of
from chalicelib.usage.charts import chart
from chalicelib.usage.rules import day_start, days_of, months_between, sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chalicelib.core.bars import Bars
    from chalicelib.licenses.overview import Overview
    from chalicelib.usage.rules import Piece, UsageRow, Use

ALL = "all"


@dataclass(frozen=True, slots=True)
class Selection:
    """`month` is a `yyyy-mm`, or empty for all time; the others are ids, or empty for any."""

    month: str = ""
    application: str = ""
    computer: str = ""

    def holds(self, use: Use) -> bool:
        return (
            use.day.startswith(self.month)
            and self.application in {"", use.application}
            and self.computer in {"", use.computer}
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table of sums."""

    key: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Report:
    """`total` is the sum of each of the three tables; `bars` names what a bar stands for."""

    selection: Selection
    total: int
    by_day: tuple[Line, ...]
    by_application: tuple[Line, ...]
    by_computer: tuple[Line, ...]
    bars: str
    chart: Bars


@dataclass(frozen=True, slots=True)
class Running:
    """A lease that is open now, or a part of one that no sweep has counted yet."""

    application: str
    application_name: str
    computer: str
    started_at: int
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Now:
    """What is not in the sums yet."""

    running: tuple[Running, ...] = ()
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be selected, as value and words."""

    months: tuple[str, ...] = ()
    applications: Mapping[str, str] = field(default_factory=dict)
    computers: tuple[str, ...] = ()


def months_used(rows: Sequence[UsageRow]) -> list[str]:
    """`yyyy-mm`, newest first."""
    return sorted({row.day[:7] for row in rows}, reverse=True)


def report(uses: Sequence[Use], selection: Selection) -> Report:
    chosen = [use for use in uses if selection.holds(use)]
    days = sums(chosen, lambda use: use.day)
    return Report(
        selection, sum(use.milliseconds for use in chosen),
        tuple(Line(day, days[day]) for day in sorted(days, reverse=True)),
        most_first(sums(chosen, lambda use: use.application)),
        most_first(sums(chosen, lambda use: use.computer)),
        "day" if selection.month else "month", drawn(chosen, selection),
    )  # fmt: skip


def most_first(found: Mapping[str, int]) -> tuple[Line, ...]:
    lines = (Line(key, milliseconds) for key, milliseconds in found.items())
    return tuple(sorted(lines, key=lambda line: (-line.milliseconds, line.key)))


def drawn(chosen: Sequence[Use], selection: Selection) -> Bars:
    """A bar a day of the month, or a bar a month of all time."""
    if selection.month:
        return chart(days_of(selection.month), sums(chosen, lambda use: use.day))
    if not chosen:
        return chart(["1970-01-01"], {})
    first, last = chosen[0].day, chosen[-1].day
    firsts = [f"{month}-01" for month in months_between(day_start(first), day_start(last))]
    return chart(firsts, sums(chosen, lambda use: f"{use.day[:7]}-01"))


def now_of(
    seen: Sequence[Overview], pending: Sequence[Piece], selection: Selection, now: int
) -> Now:
    """Open leases under the selection, and the sum of what ended but is not counted yet.

    What runs now belongs to the current month and to all time.
    """
    current = selection.month in {"", month_of(now)}
    running = [
        Running(
            lease.application, each.owned.application_name, lease.computer, lease.started_at,
            max(0, now - lease.started_at),
        )
        for each in seen for lease in each.running
        if current and selection.computer in {"", lease.computer}
        and selection.application in {"", lease.application}
    ]  # fmt: skip
    waiting = sum(
        piece.milliseconds for piece in pending
        if piece.day.startswith(selection.month) and selection.computer in {"", piece.computer}
    )  # fmt: skip
    return Now(tuple(sorted(running, key=lambda each: each.started_at)), waiting)
