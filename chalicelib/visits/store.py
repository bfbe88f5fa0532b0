"""Keys and conditions of visits, all of them in `usage`.

| pk | sk | holds |
|---|---|---|
| `VISITS#FILES#<day>` | `<file>` | how far a file came; the day is that in its name |
| `VISITS#<yyyy-mm>#<shard>` | `<day>#<family>` | counters of a day, one attribute a name |
| `VISITS#HOURS#<day>` | `<shard>` | clicks by hour, for a week |
| `EXITS#<yyyy-mm>` | `<day>` | clicks that led to other sites, one attribute a site |
| `LOOKED#VISITS` | `LOOKED` | what a day's look at all of these came to |

No item says when it was written: an instant finer than the day would tie a visit to an account
(G9). A day's shard is chosen by the file, so that several roll-ups do not wait for one item.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, day_of, purge_at
from chalicelib.storage.dynamo import ConditionFailed
from chalicelib.visits.rules import (
    FAMILIES,
    RULES,
    counters_end,
    day_start,
    hours_end,
    months,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from chalicelib.storage.dynamo import Item, Table, Write
    from chalicelib.storage.objects import Stored

    Names = Mapping[str, int]

VERSION = 1
SHARDS = 4
NAME = "n:"  # before each counted name, which a visitor may have chosen, in the item
IN_KEY = re.compile(r"/([0-9]{4})/([0-9]{2})/([0-9]{2})/")
# A file is deleted within a day; a delivery of the same file again is known for three more.
REMEMBERED = 4 * DAY
FACTS = "#t = :t, v = :v, purge_at = :purge"
OWN = "attribute_not_exists(pk) OR #t = :t"


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file by its key and content; `id` says nothing of either."""

    key: str
    etag: str
    arrived_at: int

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.key}\0{self.etag}".encode()).hexdigest()[:32]

    @property
    def shard(self) -> int:
        return int(self.id[:8], 16) % SHARDS

    @property
    def day(self) -> str:
        """Always the same for the same key, so that a file that comes again is known again."""
        match = IN_KEY.search(self.key)
        return "-".join(match.groups()) if match else day_of(self.arrived_at)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a file came: `tries` were begun, this one included."""

    tries: int
    counted: bool
    unreadable: bool


def log_file(stored: Stored) -> LogFile:
    return LogFile(stored.key, stored.etag, stored.arrived_at)


def counter_key(day: str, family: str, shard: int) -> tuple[str, str]:
    if family == "hour":
        return f"VISITS#HOURS#{day}", str(shard)
    return f"VISITS#{day[:7]}#{shard}", f"{day}#{family}"


def names_of(item: Item) -> dict[str, int]:
    return {
        name.removeprefix(NAME): number for name, number in item.items() if name.startswith(NAME)
    }


class VisitStore:
    def __init__(self, usage: Table) -> None:
        self.usage = usage

    # files

    def begin(self, file: LogFile) -> Standing:
        """Note that the file is taken in hand, before anything can go wrong with it."""
        item = self.usage.apply(self._mark(file, " ADD tries :one", {":one": 1})) or {}
        return Standing(item["tries"], item.get("counted", False), item.get("unreadable") == RULES)

    def give_back(self, file: LogFile) -> None:
        """That try does not count: it ended, and not by the file's fault."""
        self.usage.apply(self._mark(file, " ADD tries :one", {":one": -1}))

    def set_aside(self, file: LogFile) -> None:
        """Under these rules the file cannot be read; other rules have all tries again."""
        values = {":rules": RULES, ":none": 0}
        self.usage.apply(self._mark(file, ", unreadable = :rules, tries = :none", values))

    def count(self, file: LogFile, days: Mapping[str, Mapping[str, Names]]) -> bool:
        """The file's marker and its counters in one transaction; False where it was counted."""
        writes = [
            self._add(file.shard, day, family, names)
            for day, families in days.items()
            for family, names in families.items()
            if names
        ]
        marker = self._mark(
            file, ", counted = :yes", {":yes": True}, "attribute_not_exists(counted)"
        )
        try:
            self.usage.transact(marker, *writes)
        except ConditionFailed as refusal:
            if not refusal.at(0):
                raise
            return False
        return True

    def known(self, day: str, shard: int) -> dict[str, set[str]]:
        """The names that the day's counters hold already, by family."""
        found = self.usage.query(f"VISITS#{day[:7]}#{shard}", prefix=f"{day}#")
        return {item["sk"].partition("#")[2]: set(names_of(item)) for item in found}

    def note_look(self, day: str, found: Mapping[str, int]) -> None:
        """What the day's look came to, in place of the day's before."""
        self.usage.apply(
            self.usage.put(
                {"pk": "LOOKED#VISITS", "sk": "LOOKED", "type": "looked", "v": VERSION, "day": day,
                 "looked_at": found["looked_at"], "findings": found["findings"]}
            )
        )  # fmt: skip

    def looked(self) -> dict[str, Any]:
        """The day, how many items were looked at and what was found; nothing before the first."""
        item = self.usage.get("LOOKED#VISITS", "LOOKED") or {}
        return {name: item[name] for name in ("day", "looked_at", "findings") if name in item}

    def _mark(self, file: LogFile, more: str, values: Item, condition: str = OWN) -> Write:
        end = day_start(file.day) + REMEMBERED
        return self.usage.update(
            f"VISITS#FILES#{file.day}", file.id, f"SET {FACTS}{more}",
            {":t": "visitor_log", ":v": VERSION, ":purge": purge_at(end), **values},
            condition=condition, names={"#t": "type"},
        )  # fmt: skip

    def _add(self, shard: int, day: str, family: str, names: Names) -> Write:
        pk, sk = counter_key(day, family, shard)
        numbered = dict(enumerate(names))
        added = ", ".join(f"#{n} :{n}" for n in numbered)
        end = hours_end(day) if family == "hour" else counters_end(day)
        return self.usage.update(
            pk, sk, f"SET {FACTS} ADD {added}",
            {
                ":t": "visits", ":v": VERSION, ":purge": purge_at(end),
                **{f":{n}": names[name] for n, name in numbered.items()},
            },
            condition=OWN,
            names={"#t": "type", **{f"#{n}": NAME + name for n, name in numbered.items()}},
        )  # fmt: skip

    # what the counters say

    def counters(self, first: str, last: str) -> Iterator[tuple[str, str, dict[str, int]]]:
        """Day, family and names of every day from first to last, both included."""
        for month in months(first, last):
            for shard in range(SHARDS):
                found = self.usage.query(
                    f"VISITS#{month}#{shard}", between=(f"{first}#", f"{last}#~"), consistent=False
                )
                for item in found:
                    day, _, family = item["sk"].partition("#")
                    if family in FAMILIES:
                        yield day, family, names_of(item)

    def hours(self, day: str) -> Iterator[dict[str, int]]:
        return map(names_of, self.usage.query(f"VISITS#HOURS#{day}", consistent=False))

    def kept(self, months: Iterable[str], days: Iterable[str]) -> Iterator[Item]:
        """Whole, as they lie there: the counters of months, the hours and markers of days."""
        places = [f"VISITS#{month}#{n}" for month in months for n in range(SHARDS)]
        places += [f"EXITS#{month}" for month in months]
        places += [f"VISITS#{kind}#{day}" for day in days for kind in ("HOURS", "FILES")]
        for place in places:
            yield from self.usage.query(place, consistent=False)

    # clicks that lead to other sites

    def leave(self, day: str, site: str) -> None:
        self.usage.apply(
            self.usage.update(
                f"EXITS#{day[:7]}", day, f"SET {FACTS} ADD #n :one",
                {
                    ":t": "exits", ":v": VERSION, ":purge": purge_at(counters_end(day)), ":one": 1,
                },
                condition=OWN, names={"#t": "type", "#n": NAME + site},
            )
        )  # fmt: skip

    def left(self, first: str, last: str) -> Iterator[dict[str, int]]:
        for month in months(first, last):
            found = self.usage.query(f"EXITS#{month}", between=(first, last), consistent=False)
            yield from map(names_of, found)

    # ends

    def drop(self, pk: str, below: str | None = None) -> int:
        """Delete what a partition holds, up to a sort key; answers how much that was."""
        found = [item["sk"] for item in self.usage.query(pk, below=below)]
        for sk in found:
            self.usage.apply(self.usage.delete(pk, sk))
        return len(found)

    def drop_hours(self, day: str) -> int:
        return self.drop(f"VISITS#HOURS#{day}")

    def drop_files(self, day: str) -> int:
        return self.drop(f"VISITS#FILES#{day}")

    def drop_counters(self, month: str, last: str) -> int:
        """The days of a month up to one, that one included."""
        below = f"{last}~"
        counted = sum(self.drop(f"VISITS#{month}#{n}", below) for n in range(SHARDS))
        return counted + self.drop(f"EXITS#{month}", below)
