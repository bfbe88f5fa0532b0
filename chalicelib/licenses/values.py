"""What the license partition holds, as frozen values; instants are milliseconds, half-open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.catalog.rules import PASS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.catalog.rules import Terms


@dataclass(frozen=True, slots=True)
class Head:
    """The license itself.

    `people` are the pseudonyms of its owner and members; `slots`, where seats are limited, the
    set of seats that may be taken; `blocked` the computers that may not launch under it.
    """

    license: str
    application: str
    application_name: str
    slug: str
    vendor: str
    plan: str
    plan_name: str
    currency: str
    account: str
    people: frozenset[str]
    standing: str
    epoch: int
    terms: Terms
    granted_at: int
    capped: bool = False
    slots: frozenset[int] | None = None
    starts_at: int | None = None
    ends_at: int | None = None
    key_hash: str | None = field(default=None, repr=False)
    holds: frozenset[str] = frozenset()  # payments that a bank has asked back and not decided on
    blocked: frozenset[str] = frozenset()

    @property
    def prepaid(self) -> bool:
        """Does it run on what a pass holds?"""
        return self.terms.kind == PASS


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be reserved under a cap or from a pass: `spent + held + room = cap`.

    In 10⁻⁶ minor units.
    """

    cap: int
    room: int
    spent: int


@dataclass(frozen=True, slots=True)
class Computer:
    """`seen_at` is where the last use that was counted ended, or None before there was one."""

    id: str
    added_at: int
    blocked: bool = False
    seen_at: int | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """One segment of a launch, as its item holds it or its signed lease says.

    A closed one was ended: its seat is free from `expires_at`. `over` means that its seat was
    taken out of the license while it ran. `ends_at` is when the license ends, as far as this
    lease has heard; no lease outlives that. `person` is the pseudonym of who launched, or None
    where a license key did; `key` is then the beginning of its hash, in the item alone.
    """

    license: str
    sk: str
    id: str
    launch_id: str
    segment: int
    started_at: int
    expires_at: int
    seq: int
    seen: int
    epoch: int
    rate: int
    currency: str
    terms: int
    free_ms: int
    lease_ms: int
    vendor: str
    application: str
    computer: str
    release: str | None
    screen: str
    capped: bool = False
    prepaid: bool = False
    ends_at: int | None = None
    closed: bool = False
    shown: bool = False
    over: bool = False
    person: str | None = None
    key: str | None = field(default=None, repr=False)

    def live(self, now: int) -> bool:
        return not self.closed and self.expires_at > now

    @property
    def seat(self) -> int | None:
        """The number of its seat, or None where seats are not limited."""
        return int(self.sk.removeprefix("SLOT#")) if self.sk.startswith("SLOT#") else None


@dataclass(frozen=True, slots=True)
class Interval:
    """How a segment ended: billed to `ended_at`, its seat held until `held_until`."""

    lease: str
    launch_id: str
    segment: int
    started_at: int
    ended_at: int
    held_until: int
    by: str
    computer: str | None = None

    @property
    def billed_ms(self) -> int:
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class Launch:
    """The row that makes a launch unique: where its last segment is held, and what asked for it."""

    license: str
    launch_id: str
    segment: int
    started_at: int
    held_in: str
    application: str
    computer: str
    release: str | None
    screen_title: str
    screen_body: str
    ended: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """All that a verdict needs, from one strong Query; no snapshot, so writes pin what they saw."""

    head: Head | None = None
    room: Room | None = None
    slots: Mapping[int, Lease] = field(default_factory=dict)
    computers: Mapping[str, Computer] = field(default_factory=dict)

    def live(self, now: int) -> list[Lease]:
        return [lease for lease in self.slots.values() if lease.live(now)]

    def free(self, now: int) -> list[int]:
        """Seats that may be taken now, those never used first."""
        usable = (self.head.slots if self.head else None) or frozenset()
        taken = {lease.seat for lease in self.live(now)}
        return sorted(usable - taken, key=lambda n: (n in self.slots, n))

    def at(self, sk: str) -> Lease | None:
        """What stands in the seat of this sort key."""
        return next((lease for lease in self.slots.values() if lease.sk == sk), None)

    def slot_of(self, lease_id: str) -> Lease | None:
        """The seat where this lease is open, expired or not."""
        found = (lease for lease in self.slots.values() if lease.id == lease_id)
        return next((lease for lease in found if not lease.closed), None)


@dataclass(frozen=True, slots=True)
class Screen:
    """What a person sees at a launch: `sha256` is over the canonical JSON of the other three."""

    id: str
    title: str
    body: str
    sha256: str
