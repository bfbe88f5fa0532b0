"""What payments do to a license: writes for the transaction that says why.

A hold stops new launches while a bank decides about a payment; what runs goes on. Holds are a set,
since two payments of one license may be asked back. An earlier end is told to what runs: `tell`
does it at once, and where a crash keeps it from that, the work row does (G12).

The head is pinned as it was read, and its epoch raised, so that a launch which read the license
before cannot commit after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.licenses import rules
from chalicelib.licenses.standing import Standing
from chalicelib.licenses.store import license_pk
from chalicelib.storage.dynamo import ABSENT

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Head
    from chalicelib.storage.dynamo import Item, Write


class LicensePayments:
    def __init__(self, store: LicenseStore, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.standing = Standing(store)

    def head(self, license_id: str) -> Head | None:
        return self.store.head(license_id)

    def payable(self, head: Head) -> bool:
        """May the customer be charged for more of it? Not while it is stopped or asked back."""
        return not head.holds and head.standing not in rules.BARRED

    def over(self, head: Head) -> bool:
        """Ended or revoked for good."""
        ended = head.ends_at is not None and head.ends_at <= self.clock()
        return ended or head.standing == rules.REVOKED

    def change(
        self, head: Head, *, hold: str = "", release: str = "", ends_at: int | None = None
    ) -> list[Write]:
        """Holds it for a payment, releases it, moves its end: all in one write of the head."""
        update, values = "SET epoch = :next", self._pinned(head)
        if ends_at is not None:
            update, values[":to"] = f"{update}, ends_at = :to", ends_at
        if hold:
            update, values[":payment"] = f"{update} ADD holds :payment", {hold}
        elif release:
            update, values[":payment"] = f"{update} DELETE holds :payment", {release}
        condition = "epoch = :epoch AND attribute_not_exists(ends_at)"
        if head.ends_at is not None:
            condition = "epoch = :epoch AND ends_at = :end"
        pk = license_pk(head.license)
        changed = self.store.usage.update(pk, "HEAD", update, values, condition=condition)
        return [changed, *self._work(head, ends_at)]

    def _pinned(self, head: Head) -> Item:
        pinned: Item = {":epoch": head.epoch, ":next": head.epoch + 1}
        return pinned if head.ends_at is None else {**pinned, ":end": head.ends_at}

    def _work(self, head: Head, ends_at: int | None) -> list[Write]:
        """An earlier end is to be told; at a later one a lease looks again by itself."""
        if ends_at is None or (head.ends_at is not None and ends_at >= head.ends_at):
            return []
        epoch = head.epoch + 1
        row = {"pk": license_pk(head.license), "sk": f"WORK#{epoch:06d}", "type": "work", "v": 1}
        return [self.store.usage.put({**row, "epoch": epoch}, ABSENT)]

    def tell(self, license_id: str) -> None:
        """Has what runs look at an earlier end; again: no change."""
        self.standing.finish(license_id)
