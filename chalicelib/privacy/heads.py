"""Heads: each hour, what the last row of every chain that moved was; signed, and locked away.

A head is put into a bucket that nobody empties before its time, and is named by its number: the
next is put if absent, so heads cannot fork, and each holds the hash of the one before it. From then
on a row cut off at the end of a chain, or written into an hour that is over, contradicts a head
that cannot be taken back (infra/verify_ledger.py finds it).

A lock keeps what was put, but does not keep it in sight: a deletion that names no version lays a
marker over a head, and then another can be put. So of all that was ever put under a head's name the
first is the head, and whatever came later is a finding.

A head covers the hours since the one before it: one hour, and after an outage all that were missed.
An hour in which nothing moved has a head too, so that a missing one is seen. The first head covers
all that this program ever wrote, however late it is made: what is dated before it was dated back.
A row that is dated ahead, by a clock that was wrong, is covered once it is seen and not when its
day has come: one of the next days within the hour, one of five years within a day, and from then on
hour by hour.

Each head also names the versions of the policy that bind without a row of their own, by their ids,
which hold the hash of the text: whoever alters text and pin together contradicts the heads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.observability import count
from chalicelib.privacy.rules import FIRST
from chalicelib.privacy.seals import SealInvalid, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chalicelib.core.clock import Clock
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.seals import Seals
    from chalicelib.storage.dynamo import Item, Table
    from chalicelib.storage.objects import Bucket, Version

KIND = "ledger head"
PREFIX = "heads/"
NAME = re.compile(rf"{PREFIX}(\d{{10}})\.json")
CURSOR = "CURSOR#ledger_heads"
SETTLED = 5 * MINUTE
"""How long after its end an hour is left alone: writes under way, and the index, have come by."""
OLDEST = 1_767_225_600_000  # 2026-01-01: no ledger is older than the program
LOOK_BACK = 800 * DAY  # of the first head at least, for a machine whose clock is behind
SOON, FAR = 8 * DAY, 1826 * DAY
"""How far ahead each head looks for rows, and how far the heads of a day do together."""
LONGEST = 2 * HOUR
"""A head that covers more than this came late: what it covers lay unsigned for as long."""

Chain = tuple[str, int, str]
"""A subject, the number of its last row before the head's end, and the hash of that row."""


class HeadGone(Exception):
    """The head that was put last, or the first of any, is not in the bucket: nothing is built."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stood in the ledger at `until`, of every chain that moved since `start`.

    `ahead` are the subjects among them whose last row was dated after `made_at`, `policies` the ids
    of the versions that hold without having been published. Heads of earlier releases have none of
    these; `digest` is of the body that was read, also where it says more.
    """

    number: int
    start: int
    until: int
    previous: str
    chains: tuple[Chain, ...]
    made_at: int | None = None
    ahead: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    digest: str = field(default="", compare=False)

    @property
    def hash(self) -> str:
        return self.digest or digest(to_body(self))

    @property
    def came_late(self) -> bool:
        """Whether what it covers lay unsigned for long; the first head covers all there was."""
        return self.number > 1 and self.until - self.start > LONGEST


def to_body(head: Head) -> dict[str, Any]:
    body: dict[str, Any] = {
        "number": head.number, "from": head.start, "until": head.until, "previous": head.previous,
        "chains": [list(chain) for chain in head.chains],
    }  # fmt: skip
    if head.made_at is not None:
        body |= {"made_at": head.made_at, "ahead": list(head.ahead)}
    if head.policies:
        body["policies"] = list(head.policies)
    return body


def from_body(body: dict[str, Any]) -> Head:
    chains = tuple((subject, number, found) for subject, number, found in body["chains"])
    return Head(
        body["number"], body["from"], body["until"], body["previous"], chains,
        body.get("made_at"), tuple(body.get("ahead", ())), tuple(body.get("policies", ())),
        digest(body),
    )  # fmt: skip


def key_of(number: int) -> str:
    return f"{PREFIX}{number:010d}.json"


def last_end(now: int) -> int:
    """The end of the last hour that has settled."""
    return (now - SETTLED) // HOUR * HOUR


@dataclass(frozen=True, slots=True)
class Held:
    """All that was ever put under a head's name: what came first is the head."""

    put: tuple[Version, ...]
    markers: tuple[Version, ...]

    @property
    def first(self) -> Version | None:
        return self.put[0] if self.put else None

    @property
    def again(self) -> tuple[Version, ...]:
        return self.put[1:]


def held(versions: Iterable[Version]) -> dict[int, Held]:
    """By number, from versions of which those of one name come newest first."""
    put: dict[int, list[Version]] = {}
    markers: dict[int, list[Version]] = {}
    for version in versions:
        if name := NAME.fullmatch(version.key):
            kind = markers if version.is_marker else put
            kind.setdefault(int(name[1]), []).insert(0, version)
    return {
        number: Held(tuple(put.get(number, ())), tuple(markers.get(number, ())))
        for number in sorted(put.keys() | markers.keys())
    }


class Heads:
    """The bucket's heads by number; the cursor only says where to look first."""

    def __init__(self, bucket: Bucket, table: Table, seals: Seals) -> None:
        self.bucket, self.table, self.seals = bucket, table, seals

    def head(self, number: int) -> Head | None:
        """SealInvalid where it was not signed as it stands, or stands in another's place."""
        found = held(self.bucket.versions(key_of(number))).get(number)
        return self.read(found.first) if found and found.first else None

    def read(self, version: Version) -> Head:
        """The head that was put as this version; SealInvalid as above."""
        found = from_body(self.seals.read(KIND, self.bucket.read_version(version)))
        if key_of(found.number) != version.key:
            raise SealInvalid(KIND)
        return found

    def last(self) -> Head | None:
        """The newest head, None where there never was one; a cursor that is behind costs time.

        HeadGone where the cursor points nowhere, or where without a cursor the first is missing.
        """
        item = self.table.get(CURSOR, "CURSOR")
        number = int(item["read_until"]) if item else 0
        found = self.head(number) if number else None
        if number and found is None:
            raise HeadGone(number)
        while following := self.head(found.number + 1 if found else 1):
            found = following
        if found is None and any(each.first for each in self.all().values()):
            raise HeadGone(1)
        return found

    def put(self, head: Head) -> bool:
        """False where another run has put a head of this number."""
        document = self.seals.sign(KIND, to_body(head))
        if not self.bucket.create(key_of(head.number), document, content_type="application/json"):
            return False
        item: Item = {"pk": CURSOR, "sk": "CURSOR", "type": "cursor", "v": 1}
        self.table.apply(self.table.put({**item, "read_until": head.number}))
        return True

    def all(self) -> dict[int, Held]:
        """All that was ever put, by number."""
        return held(self.bucket.versions(PREFIX))


class HeadMaker:
    """The hourly job; again, late, or twice at once, it makes one chain of heads."""

    def __init__(
        self, heads: Heads, ledger: Ledger, policies: tuple[str, ...], clock: Clock
    ) -> None:
        self.heads, self.ledger, self.policies, self.clock = heads, ledger, policies, clock

    def run(self) -> dict[str, int]:
        """HeadGone, and no head, where the last one is not where it was put."""
        now, last = self.clock(), self.heads.last()
        until = last_end(now)
        start = last.until if last else min(OLDEST, until - LOOK_BACK)
        if start >= until:
            return {"heads": 0, "chains": 0}
        chains, ahead = self._chains(last, start, until, now)
        number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
        made = self.heads.put(
            Head(number, start, until, previous, chains, now, ahead, self.policies)
        )
        count("ledger_heads", int(made))
        return {"heads": int(made), "chains": len(chains) if made else 0}

    def _chains(
        self, last: Head | None, start: int, until: int, now: int
    ) -> tuple[tuple[Chain, ...], tuple[str, ...]]:
        """The last row of each chain that moved, or is dated ahead; and the subjects of the latter.

        The index says which chains; the chains themselves, read strongly, say how far.
        """
        chains, ahead = [], []
        for subject, first in sorted(self._moved(last, start, until, now).items()):
            rows = self.ledger.rows(subject, since=first)
            covered = (row for row in rows if row.at < until or is_ahead(row.at, now))
            if newest := max(covered, key=lambda row: row.number, default=None):
                chains.append((subject, newest.number, newest.hash))
                ahead += [subject] if is_ahead(newest.at, now) else []
        return tuple(chains), tuple(ahead)

    def _moved(self, last: Head | None, start: int, until: int, now: int) -> dict[str, int]:
        """By subject, the first row to look at."""
        firsts: dict[str, int] = {}
        if last:
            firsts = {
                subject: number for subject, number, _ in last.chains if subject in last.ahead
            }
        for first, end in ((start, until), *days_ahead(now)):
            for subject, number in self.ledger.moved(first, end):
                firsts[subject] = min(number, firsts.get(subject, number))
        return firsts


def is_ahead(at: int, now: int) -> bool:
    """Whether an instant is later than the clocks of two good machines may differ."""
    return at > now + SETTLED


def days_ahead(now: int) -> Iterator[tuple[int, int]]:
    """Where rows that are dated ahead are looked for: the next days, and the turn of later ones.

    Each later day has its turn at one hour of every day.
    """
    yield now + SETTLED, now + SOON
    turn = now // HOUR % 24
    for day in range(now + SOON, now + FAR, DAY):
        if day // DAY % 24 == turn:
            yield day // DAY * DAY, (day // DAY + 1) * DAY
