"""What was used: counted from the intervals by the sweep, read by pages, vendors and programs."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING

from chalicelib.usage.rules import Piece, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.values import Head
    from chalicelib.storage.dynamo import Item
    from chalicelib.usage.rules import UsageRow
    from chalicelib.usage.store import UsageStore


class Usage:
    def __init__(self, store: UsageStore, licenses: Licenses) -> None:
        self.store, self.licenses = store, licenses

    # counting

    def count(self, head: Head, partition: str, intervals: Iterable[Item], since: int) -> int:
        """Adds to the totals what no sweep has added yet; any number of times, at any crash."""
        known = self.store.counted(partition, since)
        found = [piece for item in intervals for piece in pieces(item)]
        missing = sorted(
            (piece for piece in found if piece.marker not in known), key=lambda piece: piece.day
        )
        return sum(
            self.store.add(head.license, head.application, head.vendor, list(of_day))
            for _, of_day in groupby(missing, key=lambda piece: piece.day)
        )

    # reading

    def of_account(self, account_id: str) -> list[UsageRow]:
        """Every day of every license, by day."""
        owned = self.licenses.of_account(account_id)
        found = [row for each in owned for row in self.store.of_license(each.license)]
        return sorted(found, key=lambda row: (row.day, row.application, row.license))

    def of_vendor(
        self, vendor_id: str, *, after: str | None, limit: int
    ) -> tuple[list[UsageRow], str | None]:
        """A page of rows, and the key that the next one goes on behind."""
        return page(self.store.of_vendor(vendor_id, after), limit)

    def of_licenses(
        self, license_ids: Iterable[str], *, after: str | None, limit: int
    ) -> tuple[list[UsageRow], str | None]:
        """The same for the licenses that a program speaks for."""
        return page(self._by_license(sorted(license_ids), after or ""), limit)

    def _by_license(self, license_ids: list[str], after: str) -> Iterator[tuple[str, UsageRow]]:
        last, _, day = after.partition("#")
        for license_id in license_ids:
            if license_id >= last:
                behind = day if license_id == last else ""
                for row in self.store.of_license(license_id, behind):
                    yield f"{license_id}#{row.day}", row


def page(found: Iterator[tuple[str, UsageRow]], limit: int) -> tuple[list[UsageRow], str | None]:
    taken = list(islice(found, limit + 1))
    last = taken[limit - 1][0] if len(taken) > limit else None
    return [row for _, row in taken[:limit]], last


def pieces(item: Item) -> Iterator[Piece]:
    for day, milliseconds in split(item["started_at"], item["ended_at"]):
        yield Piece(item["pk"], item["sk"], day, milliseconds)
