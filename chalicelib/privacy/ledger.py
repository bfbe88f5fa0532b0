"""The ledger: who looked at whose data, for what, and when; one hash chain a subject.

The chain's head is its last row: the next is put if absent, so of two that write at once one
learns that the head has moved. A shard is a subject: two people never wait for each other, and a
person's history is one Query. Rows hold no personal data and outlive the person's keys; what a row
is about is known by a reference that only those keys can tell (`rules.because`). Rows of earlier
releases hold ids as they are, and stay.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, day_of
from chalicelib.core.errors import Unavailable
from chalicelib.privacy.rules import Entry, Event, Purpose, Row, follow, require_no_id
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chalicelib.storage.dynamo import Item, Table, Write

TRIES = 12
GONE = "gone"  # the chain of all whose accounts are nobody's any more: no pseudonym of anybody
PREFIX, ROW = "LEDGER#", "ROW#"
MOVED = "LEDGERDAY#"
"""In gsi1: the rows of a day, which tell the hourly head what chains have moved."""


class Ledger:
    def __init__(self, table: Table) -> None:
        self.table = table

    def rows(self, subject: str, since: int = 1) -> Iterator[Row]:
        """The subject's history from a row on, oldest first."""
        between = sort_key(since), f"{ROW}~"
        return map(from_item, self.table.query(f"{PREFIX}{subject}", between=between))

    def back(self, subject: str, before: int | None = None, size: int = 50) -> Iterator[Row]:
        """The history from its newest row on, or from the one below `before`; read by `size`."""
        below = sort_key(before) if before else None
        found = self.table.query(f"{PREFIX}{subject}", below=below, forward=False, limit=size)
        return map(from_item, found)

    def moved(self, start: int, end: int) -> Iterator[tuple[str, int]]:
        """Subject and number of each row dated from `start` and before `end`, as the index knows.

        Eventually consistent: ask about what has settled, and read the chains themselves.
        """
        between = f"{start:015d}", f"{end - 1:015d}~"
        for instant in range(start // DAY * DAY, end, DAY):
            keys = self.table.index(
                "gsi1", "gsi1pk", f"{MOVED}{day_of(instant)}",
                range_name="gsi1sk", between=between,
            )  # fmt: skip
            for key in keys:
                yield key.pk.removeprefix(PREFIX), int(key.sk.removeprefix(ROW))

    def begin(self, subject: str, entries: Sequence[Entry], now: int) -> list[Write]:
        """The first rows of a new subject: nothing is read, and nobody is in the way."""
        return self._chain(None, subject, entries, now)

    def append(self, subject: str, entries: Sequence[Entry], now: int) -> list[Write]:
        """The next rows, for a transaction that `moved` judges where it is refused."""
        return self._chain(self.head(subject), subject, entries, now)

    def after(
        self, head: Row | None, subject: str, entries: Sequence[Entry], now: int
    ) -> list[Write]:
        """The rows after a head that was read before whatever else they tell of."""
        return self._chain(head, subject, entries, now)

    def record(self, subject: str, entry: Entry, now: int) -> None:
        """Append one row now; Unavailable where the head would not stand still."""
        self.commit(lambda: self.append(subject, [entry], now))

    def commit(self, build: Callable[[], list[Write]]) -> list[Write]:
        """Transact what `build` makes, built anew while a head has moved; what was written."""
        for attempt in range(TRIES):
            if not (writes := build()):
                return []
            try:
                self.table.transact(*writes)
            except ConditionFailed as refusal:
                if not moved(refusal, writes):
                    raise
                time.sleep(random.random() * 0.005 * 2 ** min(attempt, 6))  # noqa: S311 - jitter
                continue
            return writes
        raise Unavailable

    def head(self, subject: str) -> Row | None:
        newest = self.table.query(f"{PREFIX}{subject}", forward=False, limit=1)
        return next(map(from_item, newest), None)

    def _chain(
        self, last: Row | None, subject: str, entries: Sequence[Entry], now: int
    ) -> list[Write]:
        writes = []
        for entry in entries:
            if subject != GONE:
                require_no_id(entry)
            last = follow(last, subject, entry, max(now, last.at if last else now))
            writes.append(self.table.put(to_item(last), ABSENT))
        return writes


def moved(refusal: ConditionFailed, writes: Sequence[Write]) -> bool:
    """Whether a ledger's head has moved: whatever else refused was read before, and is anew."""
    items = (writes[position].item for position in refusal.failed)
    return any(item is not None and item["pk"].startswith(PREFIX) for item in items)


def to_item(row: Row) -> Item:
    return {
        "pk": f"{PREFIX}{row.subject}",
        "sk": sort_key(row.number),
        "type": "ledger",
        "v": 1,
        "subject": row.subject,
        "number": row.number,
        "at": row.at,
        "event": row.entry.event,
        "purpose": row.entry.purpose,
        "policy": row.entry.policy,
        "reason": row.entry.reason,
        "previous": row.previous,
        "hash": row.hash,
        "gsi1pk": f"{MOVED}{day_of(row.at)}",
        "gsi1sk": f"{row.at:015d}#{row.subject}",
    }


def sort_key(number: int) -> str:
    return f"{ROW}{number:010d}"


def from_item(item: Item) -> Row:
    purpose = item.get("purpose")
    entry = Entry(
        Event(item["event"]), Purpose(purpose) if purpose else None,
        item.get("policy"), item.get("reason"),
    )  # fmt: skip
    return Row(item["subject"], item["number"], item["at"], entry, item["previous"], item["hash"])
