"""The job of telling people about a published version: where its walk is, and when it goes on.

| table | pk | sk | holds |
|---|---|---|---|
| accounts | `POLICY` | `NOTICES#<version>` | how far the active accounts were walked |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY
from chalicelib.privacy.published import PK
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item, Table, Write

# Accounts are walked again each day for this long, and from then on each week: who confirms an
# address, or comes back, between two walks is met by the next, however long they rested.
WALKED = 30 * DAY
LATER = 7 * DAY


@dataclass(frozen=True, slots=True)
class Job:
    """Version `number`, in force since `at`; the walk goes on behind `place`, from `look_at` on.

    `place` is a shard and the last account looked at there, such as `2#acc_…`.
    """

    number: int
    at: int
    place: str
    look_at: int

    def due(self, now: int) -> bool:
        """Whether it goes on by now; `look_at` is a day after the last walk."""
        rests = LATER - DAY if self.look_at >= self.at + WALKED else 0
        return self.look_at + rests <= now

    @property
    def shard(self) -> int:
        return int(self.place.partition("#")[0])

    @property
    def after(self) -> str:
        return self.place.partition("#")[2]


START = "0#"


class NoticeJobs:
    def __init__(self, table: Table) -> None:
        self.table = table

    def put(self, number: int, now: int) -> Write:
        return self.table.put(
            {
                "pk": PK, "sk": f"NOTICES#{number}", "type": "policy_notices", "v": 1,
                "number": number, "at": now, "place": START, "look_at": now,
            },
            ABSENT,
        )  # fmt: skip

    def due(self, now: int) -> list[Job]:
        """Jobs whose walk goes on by now, in the order of their versions."""
        found = [to_job(item) for item in self.table.query(PK, prefix="NOTICES#")]
        return sorted((job for job in found if job.due(now)), key=lambda job: job.number)

    def move(self, job: Job, place: str, look_at: int) -> Job | None:
        """The job as it is from now on; None where another run moved it meanwhile."""
        values = {":place": place, ":at": look_at, ":was": job.place, ":seen": job.look_at}
        try:
            self.table.apply(
                self.table.update(
                    PK, f"NOTICES#{job.number}", "SET place = :place, look_at = :at", values,
                    condition="place = :was AND look_at = :seen",
                )
            )  # fmt: skip
        except ConditionFailed:
            return None
        return Job(job.number, job.at, place, look_at)


def to_job(item: Item) -> Job:
    return Job(item["number"], item["at"], item["place"], item["look_at"])
