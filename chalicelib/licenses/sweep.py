"""The sweep: closes what expired, finishes stops, and has the intervals counted.

Every step may be repeated, interrupted or run twice at once. Nothing waits for it: expiry is judged
wherever it matters, and a seat is taken over without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import HOUR, MINUTE
from chalicelib.licenses import items
from chalicelib.licenses.store import SHARDS
from chalicelib.observability import count, failure
from chalicelib.usage.rules import last_seen

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.values import Head, Lease
    from chalicelib.storage.dynamo import Item
    from chalicelib.usage.service import Usage

# Longer than any launch may be under way, and than any two servers' clocks differ.
MARGIN = HOUR
# The mark moves in steps, so that an idle license is not written at each sweep.
LEAST_MOVE = 6 * HOUR
EVERY = 5 * MINUTE


class SweepIncomplete(Exception):
    """Some licenses failed; the others were swept, and the next sweep tries all again."""


class LicenseSweep:
    def __init__(self, licenses: Licenses, usage: Usage, clock: Clock) -> None:
        self.licenses, self.usage, self.clock = licenses, usage, clock
        self.store = licenses.store

    def run(self) -> dict[str, int]:
        """Sweeps every license; SweepIncomplete at the end where one of them failed."""
        done = {"licenses": 0, "expired": 0, "counted": 0, "failed": 0}
        # Each run starts at another shard: one that is cut short does not starve the same ones.
        first = self.clock() // EVERY % SHARDS
        for shard in range(first, first + SHARDS):
            for key in self.store.nominated(shard % SHARDS):
                self._sweep_one(key.pk.removeprefix("LICENSE#"), done)
        for name, value in done.items():
            count(f"sweep_{name}", value)
        if done["failed"]:
            raise SweepIncomplete(f"{done['failed']} licenses failed")
        return done

    def _sweep_one(self, license_id: str, done: dict[str, int]) -> None:
        try:
            expired, counted = self.license(license_id)
        except Exception as error:  # noqa: BLE001 - one license must not stop the others' sweep
            failure("sweep_failed", error, license=license_id)
            done["failed"] += 1
            return
        done["licenses"] += 1
        done["expired"] += expired
        done["counted"] += counted

    def license(self, license_id: str) -> tuple[int, int]:
        """One license: how many leases were closed, and how many parts of intervals counted."""
        self.licenses.standing.finish(license_id)
        now = self.clock()
        found = self.store.everything(license_id)
        head = next((items.head(item) for item in found if item["sk"] == "HEAD"), None)
        if head is None:
            return 0, 0
        self.licenses.computers.finish(license_id, found)
        leases = [items.lease(item, head) for item in items.open_leases(found)]
        closed = {lease.sk for lease in leases if self._close(lease, now)}
        left = [lease for lease in leases if lease.sk not in closed]
        return len(closed), self._count(head, found, left, now)

    def _close(self, lease: Lease, now: int) -> bool:
        return lease.expires_at <= now and self.licenses.renewing.close_expired(lease)

    def _count(self, head: Head, found: list[Item], left: list[Lease], now: int) -> int:
        """Every interval that started before the mark is counted; then the mark may move."""
        mark = next((item["reached"] for item in found if item["sk"] == "WATERMARK"), None)
        since = head.granted_at if mark is None else mark
        pieces = self.usage.uncounted(head.license, since, now)
        # Before they are counted: a crash in between only says the same again.
        for computer, at in last_seen(pieces).items():
            self.licenses.computers.saw(head.license, computer, at)
        counted = self.usage.count(head, pieces)
        reached = min([now - MARGIN, *(lease.started_at for lease in left)])
        if reached - since >= LEAST_MOVE:
            self.store.move_mark(head.license, mark, reached)
        return counted
