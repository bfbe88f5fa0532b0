"""Leaving: what a deactivation and an erasure are, and how far one has come. No I/O.

    deactivation  running --licenses at rest--> done
    reactivation  running --licenses as before--> (gone)
    erasure       waiting --cooling-off is over--> running --nothing is left--> a tombstone
                     +-----stopped by its owner-----> (gone)

`running` is work that a later run of the sweep finishes, whatever a crash left of it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.clock import SECOND, to_datetime
from chalicelib.core.errors import Conflict

LONGEST_WAIT = 24  # hours of cooling-off at most
FISCAL_YEARS = 10  # after the year of the last payment
HOLD = "deactivated"  # what holds the licenses of an account that rests
FISCAL_PREFIX = "fis"


class Kind(StrEnum):
    DEACTIVATION = "deactivation"
    REACTIVATION = "reactivation"
    ERASURE = "erasure"


class Stage(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class LeavingAlready(Conflict):
    code = "leaving_already"
    title = "An erasure is planned already"
    detail = "This account is to be erased. Stop that first, if you want anything else."


class NothingToCool(Conflict):
    code = "erasure_only_at_once"
    title = "A deactivated account is erased at once or not at all"
    detail = "This account is deactivated: enter 0 hours to erase it, or come back first."


class NotPlanned(Conflict):
    code = "erasure_not_planned"
    title = "There is nothing to stop"
    detail = "No erasure of this account is planned, or it has begun."


@dataclass(frozen=True, slots=True)
class Leaving:
    """How far an account has come on its way out, or back; `due` is when there is more to do.

    `canceled` are the licenses whose subscriptions its deactivation canceled; `reason` is where it
    was asked for, as the ledger says it, also when the work is done hours later.
    """

    account: str
    kind: Kind
    stage: Stage
    asked_at: int
    due: int
    canceled: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def erasure_waits(self) -> bool:
        return self.kind is Kind.ERASURE and self.stage is Stage.WAITING


@dataclass(frozen=True, slots=True)
class Beside:
    """What a file to read says beside what programs get: an empty zone is UTC.

    `version` is of the statement in force.
    """

    zone: str
    version: int


def fiscal_end(last_payment: int) -> int:
    """Ten years from the end of the year of the last payment, in milliseconds UTC."""
    year = to_datetime(last_payment).year + 1 + FISCAL_YEARS
    return round(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * SECOND
