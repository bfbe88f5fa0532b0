"""The sweep: nothing of visits outlives its term, counted or not (PS-32).

It deletes raw files at twenty hours, so that even an hour's delay keeps them under the day that was
promised, and tells somebody that it had to. It drops hours after a week and counters after
25 months. Once a day it looks at what is left: more often would tell of minutes. All of it may be
repeated, interrupted or run twice at once.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, HOUR, day_of
from chalicelib.observability import count
from chalicelib.visits.rules import HOURS_KEPT, last_gone, months, moved
from chalicelib.visits.shapes import look
from chalicelib.visits.store import REMEMBERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.core.clock import Clock
    from chalicelib.storage.objects import Bucket
    from chalicelib.visits.store import VisitStore

LIMIT = 20 * HOUR
# How far it looks back for what an outage left; beyond that the tables' own broom sweeps.
LOOK_BACK = 14
LOOK_BACK_MONTHS = 2


class VisitSweep:
    def __init__(self, bucket: Bucket, store: VisitStore, clock: Clock) -> None:
        self.bucket, self.store, self.clock = bucket, store, clock

    def run(self) -> dict[str, int]:
        """Raw files first: theirs is the promise in hours."""
        done = {"files": self.files()}
        if done["files"]:
            count("visitor_logs_late", done["files"])
        now = self.clock()
        done["hours"] = sum(map(self.store.drop_hours, days_before(now - HOURS_KEPT)))
        done["markers"] = sum(map(self.store.drop_files, days_before(now - REMEMBERED)))
        last = last_gone(now)
        first = moved(date.fromisoformat(last), -LOOK_BACK_MONTHS, 1).isoformat()
        done["counters"] = sum(self.store.drop_counters(m, last) for m in months(first, last))
        self.look(now)
        return done

    def look(self, now: int) -> None:
        """Whether what is kept says no more than was promised, for the nightly check to tell."""
        if self.store.looked().get("day") != day_of(now):
            self.store.note_look(day_of(now), look(self.store, now))

    def files(self) -> int:
        """Delete every object of the bucket that is too old, whatever it is called."""
        limit, late = self.clock() - LIMIT, 0
        for stored in self.bucket.listed():
            if stored.arrived_at <= limit:
                self.bucket.delete(stored.key)
                late += 1
        return late


def days_before(instant: int) -> Iterator[str]:
    """The days that were over at an instant, the latest first."""
    return (day_of(instant - back * DAY) for back in range(1, LOOK_BACK + 1))
