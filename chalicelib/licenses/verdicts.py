"""The codes of a verdict, in the order in which they are judged: the first that holds is told.

`valid` decides, the code explains. A code is never used again with another meaning, and a client
treats one that it does not know by `valid` alone (docs/verdicts.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.licenses.values import Head, Interval, Lease, Room, Screen


class Code(StrEnum):
    UNKNOWN = "UNKNOWN"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    PAYMENT_DUE = "PAYMENT_DUE"
    NOT_STARTED = "NOT_STARTED"
    EXPIRED = "EXPIRED"
    COMPUTER_BLOCKED = "COMPUTER_BLOCKED"
    RELEASE_UNKNOWN = "RELEASE_UNKNOWN"
    RELEASE_WITHDRAWN = "RELEASE_WITHDRAWN"
    LEASE_EXPIRED = "LEASE_EXPIRED"
    LEASE_ENDED = "LEASE_ENDED"
    LEASE_SUPERSEDED = "LEASE_SUPERSEDED"
    SCREEN_REQUIRED = "SCREEN_REQUIRED"
    SEATS_FULL = "SEATS_FULL"
    PASS_USED_UP = "PASS_USED_UP"  # noqa: S105 - a pass of time, not a password
    CAP_REACHED = "CAP_REACHED"
    SEATS_OVER = "SEATS_OVER"
    VALID = "VALID"


ORDER = tuple(Code)
ALLOWED = frozenset({Code.SEATS_OVER, Code.VALID})
DETAILS = {
    Code.UNKNOWN: "There is no such license or lease for this caller and application.",
    Code.REVOKED: "This license was ended for good.",
    Code.SUSPENDED: "This license is suspended; its vendor can say why and lift it.",
    Code.PAYMENT_DUE: "A payment for this license is due.",
    Code.NOT_STARTED: "This license has not started yet.",
    Code.EXPIRED: "This license has expired.",
    Code.COMPUTER_BLOCKED: "This computer was blocked for this license.",
    Code.RELEASE_UNKNOWN: "This release of the application was never published.",
    Code.RELEASE_WITHDRAWN: "This release was withdrawn; install a newer one.",
    Code.LEASE_EXPIRED: "The lease has expired; ask for the next segment of the launch.",
    Code.LEASE_ENDED: "The lease was ended before.",
    Code.LEASE_SUPERSEDED: "A newer segment or a later heartbeat of this launch came first.",
    Code.SCREEN_REQUIRED: "Show the launch screen, and send its receipt with the heartbeat.",
    Code.SEATS_FULL: "All seats of this license are taken.",
    Code.PASS_USED_UP: "The time of this pass is used up.",
    Code.CAP_REACHED: "The spend cap leaves no room for another lease.",
    Code.SEATS_OVER: "Valid; the license has fewer seats now, and this one is not let again.",
    Code.VALID: "Valid.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a check, launch, heartbeat or end; `lease` is what an allowed one holds now."""

    code: Code
    notices: tuple[Code, ...] = ()
    retry_at: int | None = None
    head: Head | None = None
    lease: Lease | None = None
    screen: Screen | None = None
    interval: Interval | None = None
    room: Room | None = None

    @property
    def valid(self) -> bool:
        return self.code in ALLOWED

    @property
    def detail(self) -> str:
        return DETAILS[self.code]


def closest(verdicts: list[Verdict]) -> Verdict:
    """Of several refusals the one that came furthest: it says best what stands in the way."""
    return max(
        verdicts, key=lambda verdict: ORDER.index(verdict.code), default=Verdict(Code.UNKNOWN)
    )
