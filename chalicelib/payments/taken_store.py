"""Payments that were taken, in `accounts`.

| item | pk | sk |
|---|---|---|
| payment | ACCOUNT#<id> | PAYMENT#<payment> |
| pointer to a payment | PAYMENT#<payment> | PAYMENT |
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from chalicelib.payments.taken import Payment
from chalicelib.storage.dynamo import ABSENT, Item, Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterable


class TakenStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def payment(self, account_id: str, payment_id: str) -> Payment | None:
        item = self.table.get(f"ACCOUNT#{account_id}", f"PAYMENT#{payment_id}")
        return to_payment(item) if item else None

    def owner(self, payment_id: str) -> str | None:
        item = self.table.get(f"PAYMENT#{payment_id}", "PAYMENT")
        return str(item["account_id"]) if item else None

    def of_account(self, account_id: str) -> Iterable[Payment]:
        return map(to_payment, self.table.query(f"ACCOUNT#{account_id}", prefix="PAYMENT#"))

    def take(self, payment: Payment) -> list[Write]:
        """Once and for ever, with the pointer that its id is looked up by."""
        pointer: Item = {"pk": f"PAYMENT#{payment.id}", "sk": "PAYMENT", "v": 1}
        return [
            self.table.put(to_item(payment), ABSENT),
            self.table.put(
                {**pointer, "type": "payment_pointer", "account_id": payment.account_id}, ABSENT
            ),
        ]

    def change(self, after: Payment) -> Write:
        """ConditionFailed unless it stands as it was read, one version before."""
        return self.table.put(to_item(after), "version = :was", {":was": after.version - 1})


def to_item(payment: Payment) -> Item:
    sk = f"PAYMENT#{payment.id}"
    head: Item = {"pk": f"ACCOUNT#{payment.account_id}", "sk": sk, "type": "payment", "v": 1}
    return {**head, **asdict(payment)}


def to_payment(item: Item) -> Payment:
    known = {name: item[name] for name in Payment.__slots__ if name in item}
    return Payment(**{"license_id": None, **known})
