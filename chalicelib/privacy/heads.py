"""Heads: each hour, what the last row of every chain that moved was; signed, and locked away.

A head is put into a bucket that nobody empties before its time, and is named by its number: the
next is put if absent, so heads cannot fork, and each holds the hash of the one before it. From then
on a row cut off at the end of a chain, or written into an hour that is over, contradicts a head
that cannot be taken back (infra/verify_ledger.py finds it).

A head covers the hours since the one before it: one hour, and after an outage all that were missed.
An hour in which nothing moved has a head too, so that a missing one is seen. The first head covers
all that this program ever wrote, however late it is made: what is dated before it was dated back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.observability import count
from chalicelib.privacy.rules import FIRST
from chalicelib.privacy.seals import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.core.clock import Clock
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.seals import Seals
    from chalicelib.storage.dynamo import Item, Table
    from chalicelib.storage.objects import Bucket

KIND = "ledger head"
PREFIX = "heads/"
CURSOR = "CURSOR#ledger_heads"
SETTLED = 5 * MINUTE
"""How long after its end an hour is left alone: writes under way, and the index, have come by."""
OLDEST = 1_767_225_600_000  # 2026-01-01: no ledger is older than the program
LOOK_BACK = 800 * DAY  # of the first head at least, for a machine whose clock is behind

Chain = tuple[str, int, str]
"""A subject, the number of its last row before the head's end, and the hash of that row."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stood in the ledger at `until`, of every chain that moved since `start`."""

    number: int
    start: int
    until: int
    previous: str
    chains: tuple[Chain, ...]

    @property
    def hash(self) -> str:
        return digest(to_body(self))


def to_body(head: Head) -> dict[str, Any]:
    return {
        "number": head.number, "from": head.start, "until": head.until, "previous": head.previous,
        "chains": [list(chain) for chain in head.chains],
    }  # fmt: skip


def from_body(body: dict[str, Any]) -> Head:
    chains = tuple((subject, number, found) for subject, number, found in body["chains"])
    return Head(body["number"], body["from"], body["until"], body["previous"], chains)


def key_of(number: int) -> str:
    return f"{PREFIX}{number:010d}.json"


def last_end(now: int) -> int:
    """The end of the last hour that has settled."""
    return (now - SETTLED) // HOUR * HOUR


class Heads:
    """The bucket's heads by number; the cursor only says where to look first."""

    def __init__(self, bucket: Bucket, table: Table, seals: Seals) -> None:
        self.bucket, self.table, self.seals = bucket, table, seals

    def head(self, number: int) -> Head | None:
        """SealInvalid where it was not signed as it stands, or stands in another's place."""
        document = self.bucket.find(key_of(number)) if number else None
        return from_body(self.seals.read(KIND, document)) if document is not None else None

    def last(self) -> Head | None:
        """The newest head; a cursor that is behind, or that points nowhere, costs time alone."""
        item = self.table.get(CURSOR, "CURSOR")
        found = self.head(int(item["read_until"]) if item else 0)
        while following := self.head(found.number + 1 if found else 1):
            found = following
        return found

    def put(self, head: Head) -> bool:
        """False where another run has put a head of this number."""
        document = self.seals.sign(KIND, to_body(head))
        if not self.bucket.create(key_of(head.number), document, content_type="application/json"):
            return False
        item: Item = {"pk": CURSOR, "sk": "CURSOR", "type": "cursor", "v": 1}
        self.table.apply(self.table.put({**item, "read_until": head.number}))
        return True

    def numbers(self) -> list[int]:
        """Of every head that there is."""
        names = (found.key.removeprefix(PREFIX) for found in self.bucket.listed(PREFIX))
        return sorted(int(name.removesuffix(".json")) for name in names)


class HeadMaker:
    """The hourly job; again, late, or twice at once, it makes one chain of heads."""

    def __init__(self, heads: Heads, ledger: Ledger, clock: Clock) -> None:
        self.heads, self.ledger, self.clock = heads, ledger, clock

    def run(self) -> dict[str, int]:
        until, last = last_end(self.clock()), self.heads.last()
        start = last.until if last else min(OLDEST, until - LOOK_BACK)
        if start >= until:
            return {"heads": 0, "chains": 0}
        chains = tuple(sorted(self._moved(start, until)))
        number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
        made = self.heads.put(Head(number, start, until, previous, chains))
        count("ledger_heads", int(made))
        return {"heads": int(made), "chains": len(chains) if made else 0}

    def _moved(self, start: int, until: int) -> Iterator[Chain]:
        """The index says which chains; the chains themselves, read strongly, say how far."""
        firsts: dict[str, int] = {}
        for subject, number in self.ledger.moved(start, until):
            firsts[subject] = min(number, firsts.get(subject, number))
        for subject, first in firsts.items():
            rows = (row for row in self.ledger.rows(subject, since=first) if row.at < until)
            if last := max(rows, key=lambda row: row.number, default=None):
                yield subject, last.number, last.hash
