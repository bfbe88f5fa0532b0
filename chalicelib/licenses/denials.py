"""Launches that were refused: one row for each launch, segment, reason and day.

| item | pk | sk |
|---|---|---|
| denied launch | LICENSE#<id>#<yyyy-mm> | DENIED#<yyyy-mm-dd>#<code>#<place of the launch> |

Only what was asked of one's own license is recorded: foreign and unknown ones leave no trace, so
that they cost the same (G7). A program that asks again and again keeps to one row a day, and one
that makes up launches to the places that a day has for a reason.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from chalicelib.core.clock import day_of, month_of, months_after, purge_at
from chalicelib.observability import count, failure
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.rules import Ask
    from chalicelib.licenses.verdicts import Verdict
    from chalicelib.storage.dynamo import Item, Table

KEPT_MONTHS = 25
PLACES = 4096  # a license, day and reason; two launches share one hardly ever


class Denials:
    def __init__(self, usage: Table, clock: Clock) -> None:
        self.usage, self.clock = usage, clock

    def record(self, ask: Ask, verdict: Verdict) -> None:
        """Keeps the refusal of a launch; an answer is never held back because this failed."""
        if verdict.valid or verdict.head is None:
            return
        try:
            self.usage.apply(self.usage.put(self._row(ask, verdict), ABSENT))
        except ConditionFailed:
            return  # the first of its kind on this day says when
        except Exception as error:  # noqa: BLE001 - a refusal must be told, recorded or not
            failure("denial_not_recorded", error, license=verdict.head.license)
            return
        count("launch_denied")

    def _row(self, ask: Ask, verdict: Verdict) -> Item:
        head, now = verdict.head, self.clock()
        if head is None:
            raise ValueError("a refusal without a license is not recorded")
        return {
            "pk": f"LICENSE#{head.license}#{month_of(now)}",
            "sk": f"DENIED#{day_of(now)}#{verdict.code}#{place_of(ask):04d}",
            "type": "denied", "v": 1, "license": head.license, "application": head.application,
            "vendor": head.vendor, "launch_id": ask.launch_id, "segment_no": ask.segment,
            "code": str(verdict.code), "computer": ask.computer, "release": ask.release,
            "denied_at": now, "purge_at": purge_at(months_after(now, KEPT_MONTHS)),
        }  # fmt: skip


def place_of(ask: Ask) -> int:
    return zlib.crc32(f"{ask.launch_id}#{ask.segment}".encode()) % PLACES
