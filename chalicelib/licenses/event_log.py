"""License and usage logs: what ran and what was refused, as compressed JSON lines in the bucket.

Each license has a mark up to which its log is written. A stretch behind it is first announced,
then written as one object whose name and bytes depend on the stretch alone, then the mark moves:
whoever repeats any of it writes the same object again, so every event stands in the log once.

A stretch ends where the sweep has counted to, so that nothing in it can change any more. There is
no address, no user agent and no name in it; a license and a computer are pseudonyms (PS-33).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, MINUTE, day_of, to_datetime, to_text
from chalicelib.licenses.store import SHARDS, license_pk
from chalicelib.observability import count, failure
from chalicelib.storage.dynamo import ABSENT, ConditionFailed
from chalicelib.usage.rules import months_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.core.clock import Clock
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.storage.dynamo import Item
    from chalicelib.storage.objects import Bucket

PREFIX = "usage"
MARK = "WATERMARK#LOG"
EVERY = 60 * MINUTE
# No license is begun with less time left than this, in milliseconds.
RESERVE = 20_000
STRETCH = DAY  # the shortest that is written: one object a license and day at most


class LogIncomplete(Exception):
    """Some licenses failed; the others are written, and the next run tries all again."""


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a license is counted, how far its log is written, and the stretch under way."""

    counted: int
    written: int | None
    announced: int | None


class EventLog:
    def __init__(self, store: LicenseStore, bucket: Bucket, clock: Clock) -> None:
        self.store, self.bucket, self.clock = store, bucket, clock
        self.usage = store.usage

    def run(self, time_left: Callable[[], int]) -> dict[str, int]:
        """Writes what is due for every license; LogIncomplete at the end where one failed.

        `time_left` is what the function may still use, in milliseconds.
        """
        done = {"objects": 0, "events": 0, "failed": 0}
        for license_id in self._everyone():
            if time_left() < RESERVE:
                count("log_behind")
                break
            self._write_one(license_id, done)
        for name, value in done.items():
            count(f"log_{name}", value)
        if done["failed"]:
            raise LogIncomplete(f"{done['failed']} licenses failed")
        return done

    def _everyone(self) -> Iterator[str]:
        """Each run starts at another shard: one that is cut short starves nobody for long."""
        first = self.clock() // EVERY % SHARDS
        for shard in range(first, first + SHARDS):
            for key in self.store.nominated(shard % SHARDS):
                yield key.pk.removeprefix("LICENSE#")

    def _write_one(self, license_id: str, done: dict[str, int]) -> None:
        try:
            events = self.license(license_id)
        except Exception as error:  # noqa: BLE001 - one license must not stop the others' log
            failure("log_failed", error, license=license_id)
            done["failed"] += 1
            return
        done["events"] += events
        done["objects"] += bool(events)

    def license(self, license_id: str) -> int:
        """Writes one license's stretch, if one is due; how many events it holds."""
        marks = self._marks(license_id)
        if marks is None:
            return 0
        start = marks.written if marks.written is not None else self._granted_at(license_id)
        end = marks.announced or marks.counted
        due = marks.announced is not None or (
            end - start >= STRETCH and self._announce(license_id, marks, start, end)
        )
        return self._write(license_id, start, end) if due else 0

    def _write(self, license_id: str, start: int, end: int) -> int:
        events = list(self._events(license_id, start, end))
        if events:
            name = object_name(events[0]["vendor"], license_id, start, end)
            self.bucket.write(name, packed(events), content_type="application/gzip")
        self._move(license_id, end)
        return len(events)

    # the marks

    def _marks(self, license_id: str) -> Marks | None:
        found = self.usage.query(license_pk(license_id), between=("WATERMARK", "WATERMARK~"))
        rows = {item["sk"]: item for item in found}
        if "WATERMARK" not in rows:
            return None
        log = rows.get(MARK, {})
        return Marks(rows["WATERMARK"]["reached"], log.get("written"), log.get("announced"))

    def _granted_at(self, license_id: str) -> int:
        head = self.store.head(license_id)
        return head.granted_at if head else 0

    def _announce(self, license_id: str, marks: Marks, start: int, end: int) -> bool:
        """False where another run was first: it writes, or its crash leaves it to the next one."""
        row = {
            "pk": license_pk(license_id), "sk": MARK, "type": "log_mark", "v": 1,
            "written": start, "announced": end,
        }  # fmt: skip
        condition, values = ABSENT, {}
        if marks.written is not None:
            condition = "written = :start AND attribute_not_exists(announced)"
            values = {":start": start}
        try:
            self.usage.apply(self.usage.put(row, condition, values))
        except ConditionFailed:
            return False
        return True

    def _move(self, license_id: str, end: int) -> None:
        try:
            self.usage.apply(
                self.usage.update(
                    license_pk(license_id), MARK, "SET written = announced REMOVE announced",
                    {":end": end}, condition="announced = :end",
                )
            )  # fmt: skip
        except ConditionFailed:
            return  # another run wrote the same object, and moved the mark

    # what happened

    def _events(self, license_id: str, start: int, end: int) -> Iterator[dict[str, Any]]:
        """Leases that started in the stretch and refusals in it, in the order of their instants."""
        found = []
        for month in months_between(start, end - 1):
            pk = f"{license_pk(license_id)}#{month}"
            rows = self.usage.query(pk, between=(f"{start:013d}", f"{end:013d}"))
            found += [of_lease(item) for item in rows]
            days = (f"DENIED#{day_of(start)}", f"DENIED#{day_of(end)}~")
            denied = self.usage.query(pk, between=days)
            found += [of_denied(item) for item in denied if start <= item["denied_at"] < end]
        yield from sorted(found, key=lambda event: (event["at"], event["launch"], event["segment"]))


def of_lease(item: Item) -> dict[str, Any]:
    """One segment of a launch, from the row that its bill is made of."""
    return {
        "event": "lease", "at": to_text(item["started_at"]),
        "ended_at": to_text(item["ended_at"]),
        "milliseconds": item["ended_at"] - item["started_at"], "ended_by": item["by"],
        "lease": item["lease"], **common(item),
    }  # fmt: skip


def of_denied(item: Item) -> dict[str, Any]:
    return {
        "event": "denied", "at": to_text(item["denied_at"]), "code": item["code"], **common(item),
    }  # fmt: skip


def common(item: Item) -> dict[str, Any]:
    return {
        "license": item["license"], "vendor": item["vendor"], "application": item["application"],
        "launch": item["launch_id"], "segment": item["segment_no"],
        "computer": item.get("computer"), "release": item.get("release"),
    }  # fmt: skip


def packed(events: list[dict[str, Any]]) -> bytes:
    """Compressed JSON lines; the same events always give the same bytes."""
    lines = (json.dumps(event, sort_keys=True, separators=(",", ":")) for event in events)
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)


def object_name(vendor: str, license_id: str, start: int, end: int) -> str:
    """By vendor and by day, so that a day or a vendor can be read without the others."""
    day = to_datetime(start).strftime("%Y/%m/%d")
    return f"{PREFIX}/{vendor}/{day}/{license_id}-{start}-{end}.jsonl.gz"
