"""How long it took until a promise was kept: a number of milliseconds a case, tied to nobody.

| table | pk | sk |
|---|---|---|
| usage | `TIMES#<day>` | `TOOK#<which>#<random>` |

The rows name no account and end by themselves; the nightly check tells their spread.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, day_of, purge_at
from chalicelib.core.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.storage.dynamo import Table, Write

SPAN = 30 * DAY
KEPT = 40 * DAY
MEDIAN, HIGH = 50, 99


class Which(StrEnum):
    """From when it was asked for, or was due, until it was so."""

    NOTHING_OPENS = "nothing_opens"
    NOTHING_IS_LEFT = "nothing_is_left"
    STOPPED_BY_LINK = "stopped_by_link"
    STOPPED_BY_MAIL = "stopped_by_mail"


class Times:
    def __init__(self, table: Table) -> None:
        self.table = table

    def took(self, which: Which, since: int, now: int) -> Write:
        """One case, in the transaction that ends it or right after."""
        return self.table.put(
            {
                "pk": f"TIMES#{day_of(now)}", "sk": f"TOOK#{which}#{new_id('t')}", "type": "took",
                "v": 1, "ms": max(now - since, 0), "purge_at": purge_at(now + KEPT),
            }
        )  # fmt: skip

    def note(self, which: Which, since: int, now: int) -> None:
        self.table.apply(self.took(which, since, now))

    def spread(self, now: int) -> dict[str, dict[str, Any]]:
        """Of each, what the cases of thirty days took, up to today's."""
        found: dict[str, list[int]] = {which: [] for which in Which}
        for day in range(now - SPAN, now + 1, DAY):
            for item in self.table.query(f"TIMES#{day_of(day)}", prefix="TOOK#"):
                found[item["sk"].split("#")[1]].append(item["ms"])
        return {which: spread(times) for which, times in found.items()}


def spread(times: Sequence[int]) -> dict[str, int]:
    """How many there are and, where there are any, what half and 99 of 100 were within."""
    if not times:
        return {"number": 0}
    return {
        "number": len(times), "median_ms": within(times, MEDIAN), "p99_ms": within(times, HIGH),
        "longest_ms": max(times),
    }  # fmt: skip


def within(times: Sequence[int], percent: int) -> int:
    """The least of the times that so many of a hundred did not exceed."""
    return sorted(times)[-(-len(times) * percent // 100) - 1]
