"""Between stored items and values. Readers are tolerant: what an older item lacks has a default."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib.catalog.rules import Terms
from chalicelib.licenses import rules
from chalicelib.licenses.values import Computer, Head, Interval, Launch, Lease, Room, View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.storage.dynamo import Item

HEAD_SAME = (
    "license", "application", "application_name", "slug", "vendor", "plan", "plan_name", "currency",
    "account", "standing", "epoch", "granted_at",
)  # fmt: skip
HEAD_MAYBE = ("starts_at", "ends_at", "key_hash")
# What only the head knows of a lease, and what both know under one name.
OF_HEAD = ("vendor", "application", "currency", "capped", "prepaid", "ends_at")
LEASE_SAME = (
    "license", "sk", "launch_id", "started_at", "expires_at", "seq", "seen", "epoch", "rate",
    "terms", "free_ms", "lease_ms", "computer", "release", "screen", "person", "key",
)  # fmt: skip
LAUNCH_SAME = (
    "license", "launch_id", "started_at", "held_in", "application", "computer", "release",
    "screen_title", "screen_body",
)  # fmt: skip
INTERVAL_SAME = ("lease", "launch_id", "started_at", "ended_at", "held_until", "by")
# What a closer without a read knows of a lease, because the signed lease says it.
BILLED_BY = (
    "license", "vendor", "application", "rate", "currency", "terms", "free_ms", "prepaid",
    "computer", "release", "screen", "person",
)  # fmt: skip


def from_head(head: Head, shard: str) -> Item:
    return {
        "pk": f"LICENSE#{head.license}", "sk": "HEAD", "type": "license", "v": 1,
        "head_shard": shard, **{name: getattr(head, name) for name in HEAD_SAME + HEAD_MAYBE},
        "people": set(head.people), "slots": set(head.slots) if head.slots else None,
        "capped": head.capped, "terms": present(asdict(head.terms)),
    }  # fmt: skip


def some(item: Item, names: tuple[str, ...]) -> Item:
    """These of its attributes; what an older item lacks is None."""
    return {name: item.get(name) for name in names}


def present(facts: Item) -> Item:
    return {name: value for name, value in facts.items() if value is not None}


def head(item: Item) -> Head:
    return Head(
        **{name: item[name] for name in HEAD_SAME}, **some(item, HEAD_MAYBE),
        people=frozenset(item["people"]), capped=item.get("capped", False),
        slots=frozenset(item["slots"]) if item.get("slots") else None,
        terms=read_terms(item["terms"]), holds=frozenset(item.get("holds") or ()),
        blocked=frozenset(item.get("blocked") or ()),
    )  # fmt: skip


def head_among(found: Iterable[Item]) -> Head | None:
    return next((head(item) for item in found if item["sk"] == "HEAD"), None)


def read_terms(given: Item) -> Terms:
    return Terms(**{n: given[n] for n in Terms.__slots__ if given.get(n) is not None})


def from_lease(lease: Lease) -> Item:
    return {
        "pk": f"LICENSE#{lease.license}", "type": "lease", "v": 1, "lease": lease.id,
        "segment_no": lease.segment, **{name: getattr(lease, name) for name in LEASE_SAME},
    }  # fmt: skip


def lease(item: Item, of: Head) -> Lease:
    return Lease(
        id=item["lease"], segment=item["segment_no"],
        **some(item, LEASE_SAME),
        **{name: getattr(of, name) for name in OF_HEAD},
        closed=item.get("closed", False), shown=item.get("shown", False),
        over=item.get("seat_over", False),
    )  # fmt: skip


def changed(item: Item) -> Item:
    """What a heartbeat or a stop changes in an open lease."""
    facts = {name: item[name] for name in ("expires_at", "seq", "seen", "epoch")}
    flags = {"shown": item.get("shown", False), "over": item.get("seat_over", False)}
    return {**facts, **flags}


def from_launch(launch: Launch) -> Item:
    return {
        "pk": f"LAUNCH#{launch.license}#{launch.launch_id}", "sk": "LAUNCH", "type": "launch",
        "v": 1, "segment_no": launch.segment,
        **{name: getattr(launch, name) for name in LAUNCH_SAME},
    }  # fmt: skip


def launch(item: Item) -> Launch:
    ended = item.get("ended", False)
    return Launch(segment=item["segment_no"], ended=ended, **some(item, LAUNCH_SAME))


def from_interval(lease: Lease, interval: Interval) -> Item:
    pk, sk = rules.interval_key(lease, lease.id)
    return {
        "pk": pk, "sk": sk, "type": "interval", "v": 1, "segment_no": interval.segment,
        **{name: getattr(interval, name) for name in INTERVAL_SAME},
        **{name: getattr(lease, name) for name in BILLED_BY},
    }  # fmt: skip


def interval(item: Item) -> Interval:
    facts = {name: item[name] for name in INTERVAL_SAME}
    return Interval(segment=item["segment_no"], computer=item.get("computer"), **facts)


def view(found: Iterable[Item]) -> View:
    by_key = {item["sk"]: item for item in found}
    if "HEAD" not in by_key:
        return View()
    of = head(by_key["HEAD"])
    slots = (lease(item, of) for sk, item in by_key.items() if sk.startswith("SLOT#"))
    return View(
        of, room(by_key.get("ROOM")), {found.seat or 0: found for found in slots},
        {sk.removeprefix("COMPUTER#"): computer(item, of) for sk, item in by_key.items()
         if sk.startswith("COMPUTER#")},
    )  # fmt: skip


def room(item: Item | None) -> Room | None:
    return Room(item["cap"], item["room"], item["spent"]) if item else None


def computer(item: Item, of: Head) -> Computer:
    name = item["sk"].removeprefix("COMPUTER#")
    return Computer(name, item["added_at"], name in of.blocked, item.get("seen_at"))


def open_leases(found: Iterable[Item]) -> list[dict[str, Any]]:
    """The items of leases that nobody closed, expired or not."""
    return [i for i in found if i["sk"].startswith(("SLOT#", "USE#")) and not i.get("closed")]
