"""What a partner's file may say: who is counted where, what is hidden, and what it may cost.

An account counts once in each table, in one cell, whatever it did that month: that is the bound
under which the noise hides it. A cell that comes out below the threshold is hidden, and a cell
that hides alone takes the smallest of the others with it.

CetrusError
├── Conflict
│   ├── BudgetSpent     the year's privacy budget does not allow another month
│   └── AlreadyDrawn    the month's file is another than was paid for, and none is drawn again
├── NotFound
│   ├── PartnerUnknown
│   └── NoSuchFile      that month was never released, or the link is over
└── Forbidden
    └── ContractOver    there is no contract in force with this partner
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from chalicelib.core.clock import HOUR
from chalicelib.core.errors import Conflict, Forbidden, NotFound
from chalicelib.partners.noise import noise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.partners.noise import Draw

THRESHOLD = 20  # outside; 11 inside
EPSILON = Fraction(1, 2)  # a table and month
TABLES = ("application", "hours")
MONTH_COST = EPSILON * len(TABLES)
YEAR_BUDGET = Fraction(12)  # twelve months exactly: nothing is left for a file beside them
BANDS = ((HOUR, "under 1"), (10 * HOUR, "1 to 10"), (50 * HOUR, "10 to 50"))
TOP_BAND = "50 and more"


class BudgetSpent(Conflict):
    code = "budget_spent"
    title = "No more is released this year"
    detail = "What may be told of a year without telling of anybody has been told."


class AlreadyDrawn(Conflict):
    code = "already_drawn"
    title = "That month is not drawn again"
    detail = "What was paid for was one file, and these are other bytes."


class PartnerUnknown(NotFound):
    code = "partner_unknown"
    detail = "There is no such partner."


class NoSuchFile(NotFound):
    code = "no_such_file"
    title = "There is no such file"
    detail = "The link is used or over, or that month was never released. Ask for another link."


class ContractOver(Forbidden):
    code = "contract_over"
    title = "There is no contract in force"
    detail = "Files are for partners with a contract, until its last day."


@dataclass(frozen=True, slots=True)
class Partner:
    """A company that may have the files until `ends_at`, in milliseconds, which is not included."""

    id: str
    name: str
    ends_at: int

    def may_fetch(self, now: int) -> bool:
        return now < self.ends_at


@dataclass(frozen=True, slots=True)
class Use:
    """What one account used in the month, by application, in milliseconds."""

    by_application: Mapping[str, int]

    def main(self) -> str:
        """The application it counts for: the most used, of two alike the first by name."""
        return min(self.by_application, key=lambda name: (-self.by_application[name], name))

    def band(self) -> str:
        total = sum(self.by_application.values())
        return next((name for limit, name in BANDS if total < limit), TOP_BAND)


def counted(uses: Iterable[Use], applications: Iterable[str]) -> dict[str, dict[str, int]]:
    """The true counts. Which cells there are depends on the catalog alone, and on nobody's use."""
    tables = {
        "application": dict.fromkeys(sorted(applications), 0),
        "hours": dict.fromkeys([*(name for _, name in BANDS), TOP_BAND], 0),
    }
    for use in uses:
        for table, cell in (("application", use.main()), ("hours", use.band())):
            if cell in tables[table]:
                tables[table][cell] += 1
    return tables


def released(counts: Mapping[str, int], epsilon: Fraction, below: Draw) -> dict[str, int | None]:
    """The cells as they go out: with noise, and None where they stay hidden."""
    noisy = {cell: count + noise(epsilon, below) for cell, count in counts.items()}
    return hidden(noisy)


def hidden(noisy: Mapping[str, int]) -> dict[str, int | None]:
    """Cells below the threshold, and one more where that would be only one, are None."""
    small = {cell for cell, count in noisy.items() if count < THRESHOLD}
    shown = sorted(noisy.keys() - small, key=lambda cell: (noisy[cell], cell))
    if len(small) == 1 and shown:
        small.add(shown[0])
    return {cell: None if cell in small else count for cell, count in noisy.items()}


def month_before(day: str) -> str:
    """The last whole month, `yyyy-mm`, on a day `yyyy-mm-dd`."""
    first = date.fromisoformat(day).replace(day=1)
    year, month = (first.year, first.month - 1) if first.month > 1 else (first.year - 1, 12)
    return f"{year:04d}-{month:02d}"


def affordable(spent: Fraction) -> bool:
    """Whether the year can bear one more month."""
    return spent + MONTH_COST <= YEAR_BUDGET
