"""Heartbeats and ends. The signed lease carries what they need: the common case reads nothing.

A heartbeat never revives, never shortens, and is harmless when late, lost or repeated. An end is
the interval row and the freed place in one transaction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.core.errors import Unavailable
from chalicelib.licenses import items, rules
from chalicelib.licenses.launching import TRIES, ending, expiry
from chalicelib.licenses.verdicts import Code, Verdict
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Interval, Lease
    from chalicelib.storage.dynamo import Item

INTERVAL = 1  # the position of its row among the writes that close


class Renewing:
    def __init__(self, store: LicenseStore, clock: Clock) -> None:
        self.store, self.clock = store, clock

    # heartbeats

    def heartbeat(self, signed: Lease, seq: int, *, shown: bool) -> Verdict:
        """Renews the lease that was signed; an equal `seq` gets the stored lease again."""
        lease = signed
        for _ in range(TRIES):
            now = self.clock()
            lease = self._with_its_end(lease, now)
            if rules.over(lease, now):
                return Verdict(Code.EXPIRED)
            try:
                return self._renew(lease, seq, rules.next_end(lease, now), now, shown=shown)
            except ConditionFailed as refusal:
                if not refusal.at(0):
                    if found := self._out_of_room(lease, seq, now, shown=shown):
                        return found
                    continue
                # An engine that does not tell what stood in the way is asked.
                item = refusal.items.get(0) or self.store.item(lease)
            verdict = self._why(lease, item, seq, now, shown=shown)
            if isinstance(verdict, Verdict):
                return verdict
            lease = verdict
        raise Unavailable

    def _with_its_end(self, lease: Lease, now: int) -> Lease:
        """Near its license's end the license is asked whether it still ends there."""
        if not rules.may_have_moved(lease, now):
            return lease
        head = self.store.head(lease.license)
        return replace(lease, ends_at=head.ends_at) if head else lease

    def _renew(self, lease: Lease, seq: int, until: int, now: int, *, shown: bool) -> Verdict:
        renew = self.store.renew(lease, seq=seq, until=until, now=now, shown=shown)
        over = lease.over
        need = rules.extension(lease, until)
        if lease.capped and need:
            self.store.usage.transact(renew, self.store.reserve(lease.license, need))
        else:
            written = self.store.usage.apply(renew) or {}
            over = written.get("seat_over", False)
        renewed = replace(lease, seq=seq, expires_at=until, seen=now, over=over)
        return Verdict(allowed(renewed), lease=renewed)

    def _out_of_room(self, lease: Lease, seq: int, now: int, *, shown: bool) -> Verdict | None:
        """What expired gives back comes first; then a pass gives what it has left.

        Where nothing is left the heartbeat still counts: what runs was seen, and is billed to its
        end. None to try again.
        """
        if self.settle_expired(lease.license):
            return None
        room = self.store.room(lease.license) if lease.prepaid else None
        until = rules.last_end(lease, room, now) if room else lease.expires_at
        try:
            found = self._renew(lease, seq, until, now, shown=shown)
        except ConditionFailed:
            return None
        if until > lease.expires_at:
            return found
        return Verdict(Code.PASS_USED_UP if lease.prepaid else Code.CAP_REACHED)

    def _why(
        self, lease: Lease, item: Item | None, seq: int, now: int, *, shown: bool
    ) -> Verdict | Lease:
        """Why the renewal was refused, or the lease as it must be renewed instead."""
        if item is None or item.get("closed") or not is_same(lease, item):
            return self._gone(lease)
        if item["epoch"] != lease.epoch:
            return self._stopped(lease, item)
        stored = as_stored(lease, item)
        if item["seq"] == seq and stored.live(now):
            return Verdict(allowed(stored), lease=stored)
        if code := passed_over(stored, seq, now, shown=shown):
            return Verdict(code)
        # The signed lease is older than the stored one, or this server's clock is slower.
        return replace(lease, expires_at=stored.expires_at)

    def _stopped(self, lease: Lease, item: Item) -> Verdict | Lease:
        """Stopped, unless the license stands and this person is still one of its people.

        What a key opened stops once another key took its place.
        Then its new epoch holds.
        """
        head = self.store.head(lease.license)
        person = item.get("person") or lease.person
        if head is None or (person is not None and person not in head.people):
            return Verdict(Code.UNKNOWN)
        if person is None and item.get("key") != rules.key_mark(head.key_hash):
            return Verdict(Code.UNKNOWN)
        barred = list(rules.right_barred(head, self.clock()))
        if barred:
            return Verdict(barred[0], tuple(barred[1:]))
        return replace(lease, epoch=item["epoch"], ends_at=head.ends_at)

    def _gone(self, lease: Lease) -> Verdict | Lease:
        """Moved, ended or let to another: the launch row and the interval tell which."""
        known = self.store.launch(lease.license, lease.launch_id)
        if known is None:
            return Verdict(Code.UNKNOWN)
        if known.segment > lease.segment:
            return Verdict(Code.LEASE_SUPERSEDED)
        past = self.store.interval(lease, lease.id)
        if past is None:
            return lease
        ended = rules.ended_for_good(known, past)
        return Verdict(Code.LEASE_ENDED if ended else Code.LEASE_EXPIRED, interval=past)

    # ends

    def end(self, signed: Lease) -> Verdict:
        """Closes at now, or at the lease's own end if that has passed; again: the same receipt."""
        lease = signed
        for _ in range(TRIES):
            # A slower clock never makes a negative interval.
            now = max(self.clock(), lease.started_at)
            interval = ending(lease, min(now, lease.expires_at))
            try:
                self._close(lease, interval, now)
            except ConditionFailed:
                found = self._after_refusal(lease)
            else:
                return Verdict(Code.VALID, lease=lease, interval=interval)
            if isinstance(found, Verdict):
                return found
            lease = found
        raise Unavailable

    def _close(self, lease: Lease, interval: Interval, now: int) -> None:
        """Where the lease runs and no cap needs its exact end, any later end is closed as well."""
        running = lease.expires_at > now and not lease.capped
        writes = self.store.close(lease, interval, at_least=now if running else None)
        self.store.usage.transact(*writes)

    def _after_refusal(self, lease: Lease) -> Verdict | Lease:
        """The receipt of what is closed already, or the lease as it really stands."""
        past = self.store.interval(lease, lease.id)
        if past is not None:
            if past.by != rules.BY_END:
                self.store.forbid_resuming(lease)
            return Verdict(Code.VALID, lease=lease, interval=past)
        item = self.store.item(lease)
        if item is None or item.get("closed") or not is_same(lease, item):
            known = self.store.launch(lease.license, lease.launch_id)
            return Verdict(Code.UNKNOWN) if known is None else lease
        return as_stored(lease, item)

    # expiry

    def settle_expired(self, license_id: str) -> bool:
        """Closes what has expired and holds room; False where there was nothing to close."""
        found, now = self.store.everything(license_id), self.clock()
        head = items.head_among(found)
        leases = [items.lease(item, head) for item in items.open_leases(found)] if head else []
        closed = [self.close_expired(lease) for lease in leases if lease.expires_at <= now]
        return any(closed)

    def close_expired(self, lease: Lease) -> bool:
        """Closes at its own end a lease that nobody ended; False where another call was first."""
        interval = expiry(lease)
        try:
            self.store.usage.transact(*self.store.close(lease, interval))
        except ConditionFailed as refusal:
            return refusal.failed == {INTERVAL} and self._free_again(lease, interval)
        return True

    def _free_again(self, lease: Lease, interval: Interval) -> bool:
        """Only the interval stood in the way: the segment was closed and settled once already.

        A restore of the table has brought back the row that was deleted then.
        """
        try:
            self.store.usage.apply(self.store.free(lease, interval))
        except ConditionFailed:
            return False
        return True


def allowed(lease: Lease) -> Code:
    return Code.SEATS_OVER if lease.over else Code.VALID


def passed_over(stored: Lease, seq: int, now: int, *, shown: bool) -> Code | None:
    if stored.expires_at <= now:
        return Code.LEASE_EXPIRED
    if stored.seq > seq:
        return Code.LEASE_SUPERSEDED
    return None if shown or stored.shown else Code.SCREEN_REQUIRED


def is_same(lease: Lease, item: Item) -> bool:
    return (item.get("lease"), item.get("segment_no")) == (lease.id, lease.segment)


def as_stored(lease: Lease, item: Item) -> Lease:
    """The signed lease, with what heartbeats have changed since."""
    return replace(lease, **items.changed(item))
