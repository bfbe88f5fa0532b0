"""Totals by day in `usage`, each interval counted once by its marker.

| item | pk | sk |
|---|---|---|
| marker of what is counted | LICENSE#<id>#<yyyy-mm> | COUNTED#<interval>#<day> |
| total of a license and day | TOTALS#<license> | <day> |
| the same by computer | TOTALS#<license>#COMPUTERS | <day>#<thumbprint> |
| the same for the vendor | TOTALS#<vendor> | <day>#<application>#<license> |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.storage.dynamo import ABSENT, ConditionFailed
from chalicelib.usage.rules import UsageRow, Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chalicelib.storage.dynamo import Item, Table, Write
    from chalicelib.usage.rules import Piece

STEP = 48  # parts in one transaction: a marker each, a computer's total each, and two totals


class UsageStore:
    def __init__(self, usage: Table) -> None:
        self.usage = usage

    def counted(self, partition: str, since: int) -> set[str]:
        """The markers of intervals that started at `since` or later."""
        low = f"COUNTED#{since:013d}"
        return {item["sk"] for item in self.usage.query(partition, between=(low, "COUNTED~"))}

    def add(self, license_id: str, application: str, vendor: str, pieces: Sequence[Piece]) -> int:
        """Counts the pieces of one day that nobody counted before; how many that were."""
        waiting, done = list(pieces), 0
        while waiting:
            batch = waiting[:STEP]
            markers = [self._marker(piece) for piece in batch]
            totals = self._totals(application, license_id, vendor, batch)
            try:
                self.usage.transact(*markers, *totals)
            except ConditionFailed as refusal:
                # Another sweep was first with these.
                known = {batch[position].marker for position in refusal.failed}
                waiting = [piece for piece in waiting if piece.marker not in known]
                continue
            done, waiting = done + len(batch), waiting[STEP:]
        return done

    def _marker(self, piece: Piece) -> Write:
        item = {"pk": piece.partition, "sk": piece.marker, "type": "counted", "v": 1}
        return self.usage.put({**item, "milliseconds": piece.milliseconds}, ABSENT)

    def _totals(
        self, application: str, license_id: str, vendor: str, batch: Sequence[Piece]
    ) -> Iterator[Write]:
        """The day's total twice, and that of each computer: in one transaction, so they agree."""
        day, total = batch[0].day, sum(piece.milliseconds for piece in batch)
        row = UsageRow(application, license_id, day, total)
        yield self._add(f"TOTALS#{license_id}", day, row)
        yield self._add(f"TOTALS#{vendor}", f"{day}#{application}#{license_id}", row)
        for computer in sorted({piece.computer for piece in batch}):
            part = sum(piece.milliseconds for piece in batch if piece.computer == computer)
            use = Use(application, license_id, day, computer, part)
            yield self._add(f"TOTALS#{license_id}#COMPUTERS", f"{day}#{computer}", use)

    def _add(self, pk: str, sk: str, row: UsageRow | Use) -> Write:
        values = {
            ":license": row.license, ":application": row.application, ":day": row.day,
            ":ms": row.milliseconds, ":type": "total", ":one": 1,
        }  # fmt: skip
        update = (
            "SET license = :license, application = :application, usage_day = :day,"
            " #type = :type, v = :one"
        )
        if isinstance(row, Use):
            update, values[":computer"] = f"{update}, computer = :computer", row.computer
        return self.usage.update(
            pk, sk, f"{update} ADD milliseconds :ms", values,
            condition="attribute_not_exists(license) OR license = :license",
            names={"#type": "type"},
        )  # fmt: skip

    def of_license(self, license_id: str, after_day: str = "") -> Iterator[UsageRow]:
        """Its days in order, from behind `after_day`."""
        return rows(self.usage.query(f"TOTALS#{license_id}", above=after_day or "0"))

    def of_days(self, license_id: str, first: str, last: str) -> Iterator[UsageRow]:
        """Its days from `first` to `last`, or to any of a month that `last` names."""
        return rows(self.usage.query(f"TOTALS#{license_id}", between=(first, f"{last}~")))

    def of_computers(self, license_id: str, first: str, last: str) -> Iterator[Use]:
        """The same by computer; days that were counted before computers were told apart lack it."""
        pk = f"TOTALS#{license_id}#COMPUTERS"
        for item in self.usage.query(pk, between=(first, f"{last}~")):
            row = row_of(item)
            yield Use(row.application, row.license, row.day, item["computer"], row.milliseconds)

    def of_vendor(self, vendor_id: str, after: str | None) -> Iterator[tuple[str, UsageRow]]:
        """Rows by day, application and license, each with its key."""
        for item in self.usage.query(f"TOTALS#{vendor_id}", above=after or "0", limit=200):
            yield item["sk"], row_of(item)


def rows(found: Iterable[Item]) -> Iterator[UsageRow]:
    return (row_of(item) for item in found)


def row_of(item: Item) -> UsageRow:
    return UsageRow(item["application"], item["license"], item["usage_day"], item["milliseconds"])
