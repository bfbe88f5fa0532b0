"""The license partition in `usage`: every key and condition of the feature.

| item | pk | sk |
|---|---|---|
| computer | LICENSE#<id> | COMPUTER#<thumbprint> |
| head | LICENSE#<id> | HEAD |
| room under a cap, or in a pass | LICENSE#<id> | ROOM |
| seat, open or closed | LICENSE#<id> | SLOT#<n> |
| open lease without seats | LICENSE#<id> | USE#<launch_id> |
| how far the totals are counted | LICENSE#<id> | WATERMARK |
| work left by a suspension | LICENSE#<id> | WORK#<epoch> |
| launch | LAUNCH#<id>#<launch_id> | LAUNCH |
| interval, immutable | LICENSE#<id>#<yyyy-mm of its start> | <start ms>#<lease>#<segment> |

All that a verdict needs sorts below `T`; open leases without seats and the sweep's own rows sort
above it, so that they never make a check dearer. The index `heads` holds the heads alone, and no
attribute that a heartbeat changes.

    start            seen        now              expires_at        + grace
      |---------------|-----------|-------------------|----------------|
      open: not closed, now < expires_at              | resume may open|
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from chalicelib.licenses import items, rules
from chalicelib.storage.dynamo import ABSENT, PRESENT, ConditionFailed, Item, Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.licenses.values import Head, Interval, Launch, Lease, Room, View
    from chalicelib.storage.dynamo import Key

HEADS = "heads"
SHARDS = 16
VERDICT_END = "T"  # sort keys below it are all that a verdict needs

# Named parts of conditions.
SAME = "lease = :lease AND segment_no = :segment"
OPEN = "attribute_not_exists(closed)"
AS_READ = f"{SAME} AND expires_at = :end"
STILL_OPEN = f"{SAME} AND {OPEN}"
ALIVE = "expires_at > :now"
NEWER = "seq < :seq"
NOT_SHORTENED = "expires_at <= :until"
SAME_EPOCH = "epoch = :epoch"
WAS_SHOWN = "attribute_exists(shown)"
ADMITTED = "(attribute_not_exists(blocked) OR NOT contains(blocked, :computer))"


def license_pk(license_id: str) -> str:
    return f"LICENSE#{license_id}"


def launch_pk(license_id: str, launch_id: str) -> str:
    return f"LAUNCH#{license_id}#{launch_id}"


def slot_sk(seat: int) -> str:
    return f"SLOT#{seat:03d}"


def use_sk(launch_id: str) -> str:
    return f"USE#{launch_id}"


def shard_of(license_id: str) -> str:
    return f"HEADS#{zlib.crc32(license_id.encode()) % SHARDS:02d}"


class LicenseStore:
    def __init__(self, usage: Table) -> None:
        self.usage = usage

    # reading

    def view(self, license_id: str) -> View:
        """All that a verdict needs, by one strong Query."""
        return items.view(self.usage.query(license_pk(license_id), below=VERDICT_END))

    def partition(self, license_id: str) -> list[Item]:
        """All of it, computers included; for pages."""
        return list(self.usage.query(license_pk(license_id)))

    def everything(self, license_id: str) -> list[Item]:
        """The partition from the head on: open leases of both kinds, work rows, the watermark."""
        return list(self.usage.query(license_pk(license_id), between=("HEAD", "WORK#~")))

    def head(self, license_id: str) -> Head | None:
        item = self.usage.get(license_pk(license_id), "HEAD")
        return items.head(item) if item else None

    def lease(self, head: Head, sk: str) -> Lease | None:
        """What stands in one place, closed or not."""
        item = self.usage.get(license_pk(head.license), sk)
        return items.lease(item, head) if item else None

    def room(self, license_id: str) -> Room | None:
        return items.room(self.usage.get(license_pk(license_id), "ROOM"))

    def item(self, lease: Lease) -> Item | None:
        """What stands where the lease was signed to be."""
        return self.usage.get(license_pk(lease.license), lease.sk)

    def launch(self, license_id: str, launch_id: str) -> Launch | None:
        item = self.usage.get(launch_pk(license_id, launch_id), "LAUNCH")
        return items.launch(item) if item else None

    def interval(self, started: Lease | Launch, lease_id: str) -> Interval | None:
        item = self.usage.get(*rules.interval_key(started, lease_id))
        return items.interval(item) if item else None

    def intervals(self, partition: str, since: int) -> list[Item]:
        """The interval rows of one month that started at `since` or later."""
        return list(self.usage.query(partition, between=(f"{since:013d}", "9~")))

    def move_mark(self, license_id: str, was: int | None, reached: int) -> None:
        """All that started before the mark is counted; another sweep may have moved it first."""
        mark = {"pk": license_pk(license_id), "sk": "WATERMARK", "type": "watermark", "v": 1}
        condition, values = (ABSENT, {}) if was is None else ("reached = :was", {":was": was})
        try:
            self.usage.apply(self.usage.put({**mark, "reached": reached}, condition, values))
        except ConditionFailed:
            return

    def nominated(self, shard: int, after: str = "") -> Iterator[Key]:
        """Licenses that the index knows; eventually consistent, so the sweep only starts there.

        By id, from behind `after` where it is given.
        """
        above = license_pk(after) if after else None
        name = f"HEADS#{shard:02d}"
        return self.usage.index(HEADS, "head_shard", name, range_name="pk", above=above)

    # granting and changing the right

    def new_license(self, head: Head, cap: int | None) -> list[Write]:
        writes = [self.usage.put(items.from_head(head, shard_of(head.license)), ABSENT)]
        if cap is not None:
            room = {"pk": license_pk(head.license), "sk": "ROOM", "type": "room", "v": 1}
            writes.append(self.usage.put({**room, "cap": cap, "room": cap, "spent": 0}, ABSENT))
        return writes

    def stop(self, head: Head, standing: str) -> None:
        """The head first, and with it the row of the work that follows from it."""
        epoch = head.epoch + 1
        self.usage.transact(
            self.usage.update(
                license_pk(head.license), "HEAD", "SET standing = :to, epoch = :epoch",
                {":from": head.standing, ":was": head.epoch, ":to": standing, ":epoch": epoch},
                condition="standing = :from AND epoch = :was",
            ),
            self._work(head.license, epoch),
        )  # fmt: skip

    def reinstate(self, head: Head) -> None:
        self.usage.apply(
            self.usage.update(
                license_pk(head.license), "HEAD", "SET standing = :to",
                {":from": head.standing, ":was": head.epoch, ":to": rules.ACTIVE},
                condition="standing = :from AND epoch = :was",
            )
        )  # fmt: skip

    def move_end(self, license_id: str, ends_from: int, ends_to: int) -> Write:
        """ConditionFailed unless the license ends at `ends_from`."""
        return self.usage.update(
            license_pk(license_id), "HEAD", "SET ends_at = :to",
            {":from": ends_from, ":to": ends_to}, condition="ends_at = :from",
        )  # fmt: skip

    def end_at(self, head: Head, ends_at: int | None) -> None:
        """Another end, and a new epoch so that what runs looks at it, with the row of that work."""
        epoch, pk = head.epoch + 1, license_pk(head.license)
        update, values = "SET epoch = :epoch REMOVE ends_at", {":was": head.epoch, ":epoch": epoch}
        if ends_at is not None:
            update, values[":to"] = "SET epoch = :epoch, ends_at = :to", ends_at
        condition = "epoch = :was AND attribute_not_exists(ends_at)"
        if head.ends_at is not None:
            condition, values[":from"] = "epoch = :was AND ends_at = :from", head.ends_at
        self.usage.transact(
            self.usage.update(pk, "HEAD", update, values, condition=condition),
            self._work(head.license, epoch),
        )

    def _work(self, license_id: str, epoch: int) -> Write:
        """What a stop leaves to do: to tell the open leases of its epoch."""
        sk = f"WORK#{epoch:06d}"
        row = {"pk": license_pk(license_id), "sk": sk, "type": "work", "v": 1, "epoch": epoch}
        return self.usage.put(row, ABSENT)

    def raise_epoch(self, license_id: str, item: Item, epoch: int) -> None:
        """Tells an open lease of the stop; one that ended or knows a later stop stays as it is."""
        try:
            self.usage.apply(
                self.usage.update(
                    license_pk(license_id), item["sk"], "SET epoch = :epoch",
                    {
                        ":epoch": epoch, ":lease": item["lease"], ":segment": item["segment_no"],
                    },
                    condition=f"{STILL_OPEN} AND epoch < :epoch",
                )
            )  # fmt: skip
        except ConditionFailed:
            return  # ended meanwhile; nothing was opened since the head was written

    def work(self, license_id: str) -> list[Item]:
        """What a stop has left to do."""
        return list(self.usage.query(license_pk(license_id), prefix="WORK#"))

    def work_done(self, license_id: str, sk: str) -> None:
        self.usage.apply(self.usage.delete(license_pk(license_id), sk))

    def resize(
        self, head: Head, slots: frozenset[int], leaving: list[tuple[int, Lease | None]]
    ) -> None:
        """The new set of seats, with each seat that leaves checked as it was read."""
        pk = license_pk(head.license)
        writes = [
            self.usage.update(
                pk, "HEAD", "SET slots = :to", {":to": set(slots), ":from": set(head.slots or ())},
                condition="slots = :from",
            )
        ]  # fmt: skip
        for seat, lease in leaving:
            if lease is None:
                writes.append(self.usage.check(pk, slot_sk(seat), ABSENT))
            elif lease.closed:
                values = {**same(lease), ":yes": True}
                writes.append(self.usage.check(pk, lease.sk, f"{SAME} AND closed = :yes", values))
            else:
                values = {**same(lease), ":yes": True}
                update = "SET seat_over = :yes"
                writes.append(self.usage.update(pk, lease.sk, update, values, condition=STILL_OPEN))
        self.usage.transact(*writes)

    def set_key_hash(self, head: Head, key_hash: str) -> None:
        """Another key, and a new epoch so that what the one before opened stops; with its work.

        ConditionFailed where the license was revoked, or its epoch moved since it was read.
        """
        epoch = head.epoch + 1
        self.usage.transact(
            self.usage.update(
                license_pk(head.license), "HEAD", "SET key_hash = :hash, epoch = :epoch",
                {":hash": key_hash, ":over": rules.REVOKED, ":was": head.epoch, ":epoch": epoch},
                condition="standing <> :over AND epoch = :was",
            ),
            self._work(head.license, epoch),
        )  # fmt: skip

    # parts of a launch's transaction

    def put_launch(self, launch: Launch) -> Write:
        """Unique by its key; a next segment only from the one before, and never after an end."""
        item = items.from_launch(launch)
        if launch.segment == 0:
            return self.usage.put(item, ABSENT)
        return self.usage.put(
            item, "segment_no = :before AND attribute_not_exists(ended)",
            {":before": launch.segment - 1},
        )  # fmt: skip

    def no_launch(self, license_id: str, launch_id: str) -> Write:
        return self.usage.check(launch_pk(license_id, launch_id), "LAUNCH", ABSENT)

    def take(self, lease: Lease, old: Lease | None) -> Write:
        """The lease in its place: an empty one, or exactly what was read there, over by now."""
        item = items.from_lease(lease)
        if old is None:
            return self.usage.put(item, ABSENT)
        values = {":now": lease.started_at, ":end": old.expires_at}
        return self.usage.put(item, f"{AS_READ} AND expires_at <= :now", {**values, **same(old)})

    def head_unchanged(self, head: Head, lease: Lease) -> Write:
        """Active, of the epoch that was read, the computer not blocked, the seat still a seat."""
        condition = f"standing = :active AND epoch = :epoch AND {ADMITTED}"
        values: Item = {
            ":active": rules.ACTIVE, ":epoch": head.epoch, ":computer": lease.computer,
        }  # fmt: skip
        if lease.seat is not None:
            condition, values[":seat"] = f"{condition} AND contains(slots, :seat)", lease.seat
        return self.usage.check(license_pk(head.license), "HEAD", condition, values)

    def add_computer(self, license_id: str, computer: str, now: int) -> Write:
        item = {"pk": license_pk(license_id), "sk": f"COMPUTER#{computer}", "type": "computer"}
        return self.usage.put({**item, "v": 1, "added_at": now}, ABSENT)

    # heartbeats

    def renew(self, lease: Lease, *, seq: int, until: int, now: int, shown: bool) -> Write:
        """One conditional write; it neither shortens nor revives, and pins the end under a cap."""
        bounds = "expires_at = :end" if lease.capped else NOT_SHORTENED
        condition = f"{STILL_OPEN} AND {SAME_EPOCH} AND {NEWER} AND {ALIVE} AND {bounds}"
        values = {
            **same(lease), ":epoch": lease.epoch, ":seq": seq, ":now": now, ":until": until,
        }  # fmt: skip
        update = "SET seq = :seq, expires_at = :until, seen = :now"
        if lease.capped:
            values[":end"] = lease.expires_at
        if shown:
            update, values[":yes"] = f"{update}, shown = :yes", True
        else:
            condition = f"{condition} AND {WAS_SHOWN}"
        return self.usage.update(
            license_pk(lease.license), lease.sk, update, values, condition=condition, old=True
        )

    def reserve(self, license_id: str, need: int, old: Lease | None = None) -> Write:
        """Moves `need` out of the room, if there is that much once `old` is settled."""
        used = rules.spent(old, rules.billed_to(old)) if old else 0
        short = need - (rules.held(old) - used if old else 0)
        return self.usage.update(
            license_pk(license_id), "ROOM", "ADD room :less, spent :spent",
            {":short": short, ":less": -short, ":spent": used}, condition="room >= :short",
        )  # fmt: skip

    def settle(self, lease: Lease, ended_at: int) -> Write:
        """Turns what a lease held into what it spent, and gives the rest back."""
        used = rules.spent(lease, ended_at)
        return self.usage.update(
            license_pk(lease.license), "ROOM", "ADD room :back, spent :spent",
            {":back": rules.held(lease) - used, ":spent": used}, condition=PRESENT,
        )  # fmt: skip

    # closing

    def close(
        self, lease: Lease, interval: Interval, *, at_least: int | None = None
    ) -> list[Write]:
        """The freed place, the interval row and the settled room: the writes of one transaction.

        The end is pinned as it was read or signed; `at_least` says instead that it is known only
        to lie behind that instant.
        """
        writes = [self.free(lease, interval, at_least), self.interval_row(lease, interval)]
        if lease.capped:
            writes.append(self.settle(lease, interval.ended_at))
        return writes

    def free(self, lease: Lease, interval: Interval, at_least: int | None = None) -> Write:
        pk = license_pk(lease.license)
        condition, values = f"{AS_READ} AND {OPEN}", {**same(lease), ":end": lease.expires_at}
        if at_least is not None:
            condition, values = f"{STILL_OPEN} AND {ALIVE}", {**same(lease), ":now": at_least}
        if lease.seat is None:
            return self.usage.delete(pk, lease.sk, condition, values)
        # A seat stays, closed: the next start is never before the instant it is free from.
        values |= {":yes": True, ":free": interval.held_until}
        update = "SET closed = :yes, expires_at = :free"
        return self.usage.update(pk, lease.sk, update, values, condition=condition)

    def interval_row(self, lease: Lease, interval: Interval) -> Write:
        return self.usage.put(items.from_interval(lease, interval), ABSENT)

    def forbid_resuming(self, lease: Lease) -> None:
        """Marks a launch as ended whose last segment had expired before its end came."""
        try:
            self.usage.apply(
                self.usage.update(
                    launch_pk(lease.license, lease.launch_id), "LAUNCH", "SET ended = :yes",
                    {":yes": True, ":segment": lease.segment}, condition="segment_no = :segment",
                )
            )  # fmt: skip
        except ConditionFailed:
            return  # a later segment is open: this end was of an older one


def same(lease: Lease) -> Item:
    return {":lease": lease.id, ":segment": lease.segment}
