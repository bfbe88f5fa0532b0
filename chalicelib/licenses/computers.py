"""Computers under a license, as the customer rules over them: what runs there, and whether it may.

A block stands on the head, and every launch's transaction checks the head: a launch is either seen
by the reading that comes after the block, or refused by it. A row written with the block lets the
sweep finish what a crash left.

| item | pk | sk |
|---|---|---|
| computer | LICENSE#<id> | COMPUTER#<thumbprint> |
| leases that a block has yet to end | LICENSE#<id> | VACATE#<thumbprint> |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.errors import Conflict, NotFound
from chalicelib.licenses import items
from chalicelib.licenses.store import license_pk
from chalicelib.storage.dynamo import PRESENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.licenses.renewing import Renewing
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Computer, Interval, Lease
    from chalicelib.storage.dynamo import Item

# All of them are read with the head at every check, which stays within its one unit.
MOST_BLOCKED = 50
VACATE = "VACATE#"


class TooManyBlocked(Conflict):
    code = "too_many_blocked"
    title = "No more computers can be blocked"
    detail = f"At most {MOST_BLOCKED} computers can be blocked under one license. Unblock one."


class Computers:
    def __init__(self, store: LicenseStore, renewing: Renewing) -> None:
        self.store, self.renewing = store, renewing
        self.usage = store.usage

    # leases

    def end_lease(self, license_id: str, lease_id: str) -> Interval | None:
        """Ends what runs as its own program would; None where no such lease is open here."""
        return next(
            (self._end(lease) for lease in self._open(license_id) if lease.id == lease_id), None
        )

    def _open(self, license_id: str) -> list[Lease]:
        found = self.store.everything(license_id)
        head = next((items.head(item) for item in found if item["sk"] == "HEAD"), None)
        return [items.lease(item, head) for item in items.open_leases(found)] if head else []

    def _end(self, lease: Lease) -> Interval | None:
        """At this instant; one that had expired is billed as the sweep would, and not resumed."""
        if lease.live(self.renewing.clock()):
            return self.renewing.end(lease).interval
        self.renewing.close_expired(lease)
        self.store.forbid_resuming(lease)
        return self.store.interval(lease, lease.id)

    # blocking

    def known(self, license_id: str, computer: str) -> Computer:
        """NotFound where no launch under this license came from there."""
        item = self.usage.get(license_pk(license_id), f"COMPUTER#{computer}")
        head = self.store.head(license_id)
        if item is None or head is None:
            raise NotFound
        return items.computer(item, head)

    def block(self, license_id: str, computer: str) -> None:
        """No launch there from now on, and what runs there ends now; again: the same.

        NotFound where the computer was never seen under this license.
        """
        if not self.known(license_id, computer).blocked:
            self._block(license_id, computer)
        self.vacate(license_id, computer)

    def unblock(self, license_id: str, computer: str) -> None:
        """It may launch again; what was ended stays ended."""
        self.known(license_id, computer)
        pk = license_pk(license_id)
        update, values = "DELETE blocked :these", {":these": {computer}}
        self.usage.transact(
            self.usage.update(pk, "HEAD", update, values, condition=PRESENT),
            self.usage.delete(pk, f"{VACATE}{computer}"),
        )

    def vacate(self, license_id: str, computer: str) -> None:
        """Ends what ran there when the block came; what has expired is the sweep's to close.

        The head is read after the leases: still blocked, none of them can be newer than the block.
        """
        leases = [lease for lease in self._open(license_id) if lease.computer == computer]
        head = self.store.head(license_id)
        if head is None or computer not in head.blocked:
            return
        for lease in leases:
            if lease.live(self.renewing.clock()):
                self.renewing.end(lease)
        self.usage.apply(self.usage.delete(license_pk(license_id), f"{VACATE}{computer}"))

    def finish(self, license_id: str, found: Iterable[Item]) -> None:
        """Does what a crash left of a block, among the rows that were found."""
        for item in found:
            if item["sk"].startswith(VACATE):
                self.vacate(license_id, item["sk"].removeprefix(VACATE))

    def _block(self, license_id: str, computer: str) -> None:
        pk = license_pk(license_id)
        row = {"pk": pk, "sk": f"{VACATE}{computer}", "type": "vacate", "v": 1}
        update, values = "ADD blocked :these", {":these": {computer}, ":most": MOST_BLOCKED}
        condition = f"{PRESENT} AND (attribute_not_exists(blocked) OR size(blocked) < :most)"
        try:
            self.usage.transact(
                self.usage.update(pk, "HEAD", update, values, condition=condition),
                self.usage.put(row),
            )
        except ConditionFailed:
            raise TooManyBlocked from None

    # when it was last seen

    def saw(self, license_id: str, computer: str, at: int) -> None:
        """Use that ended at this instant; an earlier one changes nothing, nor does another name."""
        later = f"{PRESENT} AND (attribute_not_exists(seen_at) OR seen_at < :at)"
        pk, sk = license_pk(license_id), f"COMPUTER#{computer}"
        update = self.usage.update(pk, sk, "SET seen_at = :at", {":at": at}, condition=later)
        try:
            self.usage.apply(update)
        except ConditionFailed:
            return
