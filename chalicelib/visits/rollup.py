"""The roll-up: each file of the visitor logs exactly once into the day's counters, then away.

A file is one transaction, because it brings at most four days with a dozen items each: its marker
and its counters are written together or not at all. So a file that comes again, late, or to two
roll-ups at once adds nothing twice, and what died half-way is done by the next run (G12).

No metric and no log line says how much was counted: so few minutes may be one person's visit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.observability import count, failure
from chalicelib.visits.lines import Unreadable, lines_of
from chalicelib.visits.rules import admitted, open_days, rolled
from chalicelib.visits.store import log_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.clock import Clock
    from chalicelib.storage.objects import Bucket, Stored
    from chalicelib.visits.rules import Counts
    from chalicelib.visits.store import LogFile, VisitStore

    Known = dict[tuple[str, int], dict[str, set[str]]]
    Done = dict[str, int]

FOLDER = "visits/"
# So many times may a function die over a file before the file is held to be the cause.
MOST_TRIES = 4
# No file is begun with less time left than this, in milliseconds.
RESERVE = 20_000


class RollupIncomplete(Exception):
    """Some files failed; the others were counted, and the next run tries all again."""


class Rollup:
    """`own` is the host of our own pages, which nobody comes from."""

    def __init__(self, bucket: Bucket, store: VisitStore, own: str, clock: Clock) -> None:
        self.bucket, self.store, self.own, self.clock = bucket, store, own, clock

    def run(self, time_left: Callable[[], int]) -> Done:
        """Every file that is there; RollupIncomplete at the end where one of them failed.

        `time_left` is what the function may still use, in milliseconds.
        """
        done = dict.fromkeys(("counted", "again", "unreadable", "failed"), 0)
        known: Known = {}
        for stored in self.bucket.listed(FOLDER):
            if time_left() < RESERVE:
                count("visit_rollup_behind")
                break
            if outcome := self._take(stored, known):
                done[outcome] += 1
        if done["failed"]:
            raise RollupIncomplete(f"{done['failed']} files failed")
        return done

    def _take(self, stored: Stored, known: Known) -> str | None:
        """One file; None where there was nothing to do about it."""
        file = log_file(stored)
        try:
            return self._begin(file, stored, known)
        except Exception as error:  # noqa: BLE001 - one file must not stop the others
            failure("visit_file_failed", error, file=file.key)
            return "failed"

    def _begin(self, file: LogFile, stored: Stored, known: Known) -> str | None:
        standing = self.store.begin(file)
        if standing.counted:
            self.bucket.delete(file.key)
            return "again"
        if standing.unreadable:
            self.store.give_back(file)  # other rules find it with all its tries
            return None
        if standing.tries > MOST_TRIES:
            return self._set_aside(file)
        try:
            return self._count(file, stored, known)
        except Unreadable:
            return self._set_aside(file)
        except Exception:
            self.store.give_back(file)
            raise

    def _count(self, file: LogFile, stored: Stored, known: Known) -> str | None:
        chunks = self.bucket.stream(stored)
        if chunks is None:
            return None
        counts = rolled(lines_of(chunks), own=self.own, days=open_days(self.clock()))
        if counts.strange:
            raise Unreadable
        fresh = self.store.count(file, self._admitted(file, counts, known))
        self.bucket.delete(file.key)
        for name in ("unreadable", "misdated"):
            if getattr(counts, name):
                count(f"visit_lines_{name}")
        return "counted" if fresh else "again"

    def _admitted(
        self, file: LogFile, counts: Counts, known: Known
    ) -> dict[str, dict[str, dict[str, int]]]:
        """What is added, with names beyond a day's room among the others."""
        days: dict[str, dict[str, dict[str, int]]] = {}
        for day, families in counts.days.items():
            if (day, file.shard) not in known:
                known[day, file.shard] = self.store.known(day, file.shard)
            names = known[day, file.shard]
            days[day] = {
                family: admitted(found, names.get(family, ())) for family, found in families.items()
            }
            for family, found in days[day].items():
                names.setdefault(family, set()).update(found)
        return days

    def _set_aside(self, file: LogFile) -> str:
        """Not looked at again under these rules; the sweep deletes it with the rest, in time."""
        self.store.set_aside(file)
        count("visit_files_unreadable")
        return "unreadable"
