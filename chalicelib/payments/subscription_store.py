"""Subscriptions and the tries to charge them, in `accounts`.

| item | pk | sk | gsi1 |
|---|---|---|---|
| subscription | ACCOUNT#<id> | SUBSCRIPTION#<license> | RENEWAL_DUE / due, until it has ended |
| try to charge a period | ACCOUNT#<id> | ATTEMPT#<license>#<period>#<number> | |
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib.payments.periods import Attempt, Subscription
from chalicelib.storage.dynamo import ABSENT, ConditionFailed, Item, Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

RENEWAL_DUE = "RENEWAL_DUE"


class SubscriptionStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def subscription(self, account_id: str, license_id: str) -> Subscription | None:
        item = self.table.get(f"ACCOUNT#{account_id}", f"SUBSCRIPTION#{license_id}")
        return to_subscription(item) if item else None

    def of_account(self, account_id: str) -> list[Subscription]:
        """Newest first."""
        found = self.table.query(f"ACCOUNT#{account_id}", prefix="SUBSCRIPTION#")
        return sorted(map(to_subscription, found), key=lambda one: -one.anchor)

    def begin(self, of: Subscription) -> Write:
        return self.table.put(to_item(of), ABSENT)

    def change(self, after: Subscription) -> Write:
        """ConditionFailed unless it stands as it was read, one version before."""
        return self.table.put(to_item(after), "version = :was", {":was": after.version - 1})

    def due(self, up_to: int) -> Iterator[tuple[str, str]]:
        """Account and license of what the index says has something to be done by then."""
        keys = self.table.index(
            "gsi1", "gsi1pk", RENEWAL_DUE, range_name="gsi1sk", up_to=f"{up_to:013d}"
        )
        return ((key.pk.partition("#")[2], key.sk.partition("#")[2]) for key in keys)

    def look_later(self, account_id: str, license_id: str, now: int, due: int) -> None:
        """Behind all that is due by `due`, without reading it; nothing where it is not due now."""
        write = self.table.update(
            f"ACCOUNT#{account_id}",
            f"SUBSCRIPTION#{license_id}",
            "SET gsi1sk = :due",
            {":due": f"{due:013d}", ":now": f"{now:013d}"},
            condition="gsi1sk <= :now",
        )
        try:
            self.table.apply(write)
        except ConditionFailed:
            return  # somebody else took it further

    # tries

    def attempt(self, of: Subscription, number: int) -> Attempt | None:
        sk = attempt_sk(of.license_id, of.period + 1, number)
        item = self.table.get(f"ACCOUNT#{of.account_id}", sk)
        return to_attempt(item) if item else None

    def start(self, attempt: Attempt) -> Write:
        """Before the processor is asked; each number once."""
        return self.table.put(attempt_item(attempt), ABSENT)

    def finish(self, attempt: Attempt) -> Write:
        """started -> paid or failed."""
        return self.table.put(attempt_item(attempt), "outcome = :started", {":started": "started"})


def attempt_sk(license_id: str, period: int, number: int) -> str:
    return f"ATTEMPT#{license_id}#{period:05d}#{number:02d}"


def to_item(of: Subscription) -> Item:
    item: Item = {
        "pk": f"ACCOUNT#{of.account_id}",
        "sk": f"SUBSCRIPTION#{of.license_id}",
        "type": "subscription",
        "v": 1,
        **asdict(of),
        "next_charge": of.next_charge,
    }
    return item if of.due is None else {**item, "gsi1pk": RENEWAL_DUE, "gsi1sk": f"{of.due:013d}"}


def to_subscription(item: Item) -> Subscription:
    return Subscription(**known(item, Subscription))


def attempt_item(attempt: Attempt) -> Item:
    sk = attempt_sk(attempt.license_id, attempt.period, attempt.number)
    head: Item = {"pk": f"ACCOUNT#{attempt.account_id}", "sk": sk, "type": "attempt", "v": 1}
    return {**head, **asdict(attempt)}


def to_attempt(item: Item) -> Attempt:
    return Attempt(**known(item, Attempt))


def known(item: Item, of: type) -> dict[str, Any]:
    """The item's attributes that the value has; what is missing has its default."""
    names: tuple[str, ...] = of.__slots__  # type: ignore[attr-defined]  # every value has slots
    return {name: item[name] for name in names if name in item}
