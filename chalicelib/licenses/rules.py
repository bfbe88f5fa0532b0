"""Who may run what now, what it may cost and where it ends. No I/O; the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.catalog.rules import METERED, PASS, SUBSCRIPTION, TRIAL
from chalicelib.core import money
from chalicelib.core.clock import SECOND, month_of
from chalicelib.core.errors import Conflict, InvalidInput, Unauthorized
from chalicelib.core.ids import derived_id
from chalicelib.core.keyed import same
from chalicelib.licenses.verdicts import Code, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.catalog.rules import Plan
    from chalicelib.licenses.values import Head, Interval, Launch, Lease, Room, View

ACTIVE, SUSPENDED, REVOKED, PAYMENT_DUE = "active", "suspended", "revoked", "payment_due"
BARRED = {
    REVOKED: Code.REVOKED,
    SUSPENDED: Code.SUSPENDED,
    PAYMENT_DUE: Code.PAYMENT_DUE,
}
# A verdict that says that the launch is held under this very license.
SETTLED = frozenset({Code.LEASE_EXPIRED, Code.LEASE_ENDED, Code.LEASE_SUPERSEDED})
BY_END, BY_EXPIRY = "end", "expiry"
MAX_SEATS = 200
MAX_SEGMENT = 9_999
# Which license a launch tries first: what is paid already goes before what is yet to be billed.
TURNS = (SUBSCRIPTION, TRIAL, PASS, METERED)
LEAST_LEASE = SECOND  # the shortest that a pass with less than a full lease left still gives


class WrongKey(Unauthorized):
    """No license has this key; whether the license exists does not show."""

    code = "license_key_invalid"
    title = "This license key is not valid"
    detail = "The license key is mistyped, or was replaced by a newer one."


class OtherLaunch(Conflict):
    """The launch_id belongs to another computer, application, release or license."""

    code = "other_launch"
    title = "This launch id was used for something else"
    detail = "This launch_id was used with another computer, application, release or license."


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks about what.

    The caller is a person's pseudonym or a license key's hash; `own` are the licenses that the
    credential names, and `by_key` says that the credential is the key itself.
    """

    application: str
    person: str | None = None
    key_hash: str | None = field(default=None, repr=False)
    by_key: bool = False
    own: tuple[str, ...] = ()
    license_id: str | None = None
    release: str | None = None
    computer: str | None = None
    launch_id: str = ""
    segment: int = 0

    @property
    def candidates(self) -> tuple[str, ...]:
        return (self.license_id,) if self.license_id else self.own


def turn(kind: str | None) -> int:
    """Where a license of this kind of plan stands in the order of launches; unknown ones last."""
    return TURNS.index(kind) if kind in TURNS else len(TURNS)


def lease_id(license_id: str, launch_id: str) -> str:
    return derived_id("lea", license_id, launch_id)


def key_fits(head: Head | None, ask: Ask) -> bool:
    return bool(head and ask.key_hash and head.key_hash and same(ask.key_hash, head.key_hash))


def key_mark(key_hash: str | None) -> str | None:
    """Enough of a key's hash to tell a replaced key's leases from those of the present one."""
    return key_hash[:16] if key_hash else None


def require_key(head: Head | None, ask: Ask) -> None:
    """WrongKey where the credential is a license key, and not this license's."""
    if ask.by_key and not key_fits(head, ask):
        raise WrongKey


def may_speak_of(head: Head | None, ask: Ask) -> bool:
    """Foreign looks like unknown: another customer's, vendor's or application's (G7).

    An application may be named by its id or its short name.
    """
    if head is None or ask.application not in {head.application, head.slug}:
        return False
    return is_of(head, ask)


def is_of(head: Head | None, ask: Ask) -> bool:
    """Whether the caller is one of its people, or holds its key."""
    return head is not None and (ask.person in head.people or key_fits(head, ask))


def right_barred(head: Head, now: int) -> Iterator[Code]:
    """Is the right alive?"""
    if head.standing in BARRED:
        yield BARRED[head.standing]
    if head.holds and head.standing != PAYMENT_DUE:
        yield Code.PAYMENT_DUE
    if head.starts_at is not None and now < head.starts_at:
        yield Code.NOT_STARTED
    if head.ends_at is not None and now >= head.ends_at:
        yield Code.EXPIRED


def end_of(plan: Plan, bought_at: int, grace: int) -> int | None:
    """Where a license that is bought now ends; None for never."""
    ends_at = plan.ends_at(bought_at)
    return None if ends_at is None else ends_at + grace


def usable(view: View, now: int) -> bool:
    """Not over for good: neither revoked nor ended, and a pass has time left."""
    head = view.head
    if head is None or head.standing == REVOKED:
        return False
    if head.ends_at is not None and now >= head.ends_at:
        return False
    return not (head.prepaid and view.room and used_up(view.room, head.terms.rate))


def use_barred(view: View, ask: Ask, fact: str | None) -> Iterator[Code]:
    """Is this the right use of it? `fact` is what the catalog says of the release asked for."""
    computer = view.computers.get(ask.computer or "")
    if computer and computer.blocked:
        yield Code.COMPUTER_BLOCKED
    if ask.release is not None and fact is None:
        yield Code.RELEASE_UNKNOWN
    if ask.release is not None and fact == "withdrawn":
        yield Code.RELEASE_WITHDRAWN


def space_barred(view: View, head: Head, now: int) -> Iterator[Code]:
    """Is there room for one more lease?"""
    if head.slots is not None and not view.free(now):
        yield Code.SEATS_FULL
    if view.room and view.room.room < reserve(least_lease(head), head.terms.rate):
        yield Code.PASS_USED_UP if head.prepaid else Code.CAP_REACHED


def room_is_short(view: View, head: Head) -> bool:
    """Is a full lease more than the room: is it worth a look at what has expired?"""
    need = reserve(head.terms.lease_ms, head.terms.rate)
    return view.room is not None and view.room.room < need


def judge(view: View, ask: Ask, now: int, fact: str | None) -> Verdict:
    """The verdict of a check: the first code that holds, and the others as notices."""
    head = view.head
    if head is None or not may_speak_of(head, ask):
        return Verdict(Code.UNKNOWN)
    found = [
        *right_barred(head, now),
        *use_barred(view, ask, fact),
        *space_barred(view, head, now),
    ]
    if found:
        return refuse(found, view, now)
    return Verdict(Code.VALID, head=head, room=view.room)


def refuse(found: list[Code], view: View, now: int) -> Verdict:
    retry_at = None
    if found[0] is Code.SEATS_FULL:
        retry_at = min((lease.expires_at for lease in view.live(now)), default=None)
    return Verdict(found[0], tuple(found[1:]), retry_at, view.head)


def require_same(launch: Launch, ask: Ask) -> None:
    """OtherLaunch where this launch was started by or for something else.

    The application needs no look: the license is one application's.

    A later segment may run another release, since a program may be updated while it sleeps.
    """
    if launch.computer != ask.computer or (
        launch.segment == ask.segment and launch.release != ask.release
    ):
        raise OtherLaunch


def holds(lease: Lease, launch: Launch) -> bool:
    """Is this the open item of the launch's last segment?"""
    identity = lease_id(launch.license, launch.launch_id)
    return (lease.id, lease.segment, lease.closed) == (identity, launch.segment, False)


def may_resume(head: Head, held_until: int, now: int) -> bool:
    """A next segment opens from the end of the last until the grace is over."""
    return held_until <= now < held_until + head.terms.resume_grace_ms


def spare_seats(view: View, slots: frozenset[int]) -> list[int]:
    """Seat numbers to add: none that is in use, and none where a lease still runs out."""
    numbers = set(range(1, 2 * MAX_SEATS + 1)) - slots
    running = {seat for seat, lease in view.slots.items() if not lease.closed}
    return sorted(numbers - running)


def leaving_first(view: View, slots: frozenset[int]) -> list[int]:
    """In which order seats are taken out: empty ones, closed ones, then those still held."""

    def reluctance(seat: int) -> tuple[int, int]:
        lease = view.slots.get(seat)
        if lease is None or lease.closed:
            return (0 if lease is None else 1, -seat)
        return (2, lease.expires_at)

    return sorted(slots, key=reluctance)


def seats_of(plan: Plan, seats: int | None) -> int | None:
    """How many seats a license of this plan starts with; InvalidInput outside the bounds."""
    if plan.kind != SUBSCRIPTION:
        return plan.terms.seats
    if not 1 <= (count := 1 if seats is None else seats) <= MAX_SEATS:
        raise InvalidInput(errors={"seats": f"From 1 to {MAX_SEATS}."})
    return count


# time and money


def reserve(milliseconds: int, rate: int) -> int:
    """What this time could cost, in 10⁻⁶ minor units, rounded up once on the whole segment."""
    return money.reserve(milliseconds, rate)


def used_up(room: Room, rate: int) -> bool:
    """A pass that could not give the shortest lease even when all that runs had ended."""
    return room.cap - room.spent < reserve(LEAST_LEASE, rate)


def least_lease(head: Head) -> int:
    """The last minutes of a pass were paid for: a lease may be as short as they are."""
    return LEAST_LEASE if head.prepaid else head.terms.lease_ms


def affordable(room: int, rate: int) -> int:
    """The longest time whose price fits into the room, in whole milliseconds."""
    return room * money.HOUR_MS // rate


def first_end(head: Head, room: Room | None, start: int) -> int:
    """Where a lease that starts now ends: by the terms, or sooner with the license or the pass."""
    length = head.terms.lease_ms
    if head.prepaid and room:
        length = min(length, affordable(room.room, head.terms.rate))
    return ends_with(head.ends_at, start + length)


def next_end(lease: Lease, now: int) -> int:
    """Where a renewal ends; a slower clock never shortens a lease that was signed already."""
    return max(ends_with(lease.ends_at, now + lease.lease_ms), lease.expires_at)


def last_end(lease: Lease, room: Room, now: int) -> int:
    """Where the renewal of a lease ends whose pass holds less than that."""
    most = lease.started_at + affordable(held(lease) + room.room, lease.rate)
    return max(min(next_end(lease, now), most), lease.expires_at)


def ends_with(ends_at: int | None, until: int) -> int:
    """No later than the license does."""
    return until if ends_at is None else min(until, ends_at)


def may_have_moved(lease: Lease, now: int) -> bool:
    """Does this renewal reach its license's end, which a payment may have moved since?"""
    return lease.ends_at is not None and now + lease.lease_ms > lease.ends_at


def over(lease: Lease, now: int) -> bool:
    """Has its license ended?"""
    return lease.ends_at is not None and now >= lease.ends_at


def held(lease: Lease) -> int:
    """What the cap holds for an open lease: its whole signed time."""
    return reserve(lease.expires_at - lease.started_at, lease.rate)


def spent(lease: Lease, ended_at: int) -> int:
    """What a closed segment costs: nothing, where a launch was closed within the free window."""
    length = ended_at - lease.started_at
    return 0 if lease.segment == 0 and length < lease.free_ms else reserve(length, lease.rate)


def extension(lease: Lease, until: int) -> int:
    """What a renewal reserves on top, so that no reservation is ever larger than its lease."""
    return reserve(until - lease.started_at, lease.rate) - held(lease)


def billed_to(lease: Lease) -> int:
    """Where an expired segment's bill ends.

    One that never sent a heartbeat may never have heard of its lease, so it is billed to the last
    instant that it was seen: its start.
    """
    return lease.expires_at if lease.seq else max(lease.seen, lease.started_at)


def interval_key(lease: Lease | Launch, segment_lease_id: str) -> tuple[str, str]:
    """Fixed when the segment opens, so that every closer names the same row."""
    month = month_of(lease.started_at)
    return (
        f"LICENSE#{lease.license}#{month}",
        f"{lease.started_at:013d}#{segment_lease_id}#{lease.segment:04d}",
    )


def ended_for_good(launch: Launch, interval: Interval | None) -> bool:
    return launch.ended or (interval is not None and interval.by == BY_END)
