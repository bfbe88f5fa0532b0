"""What was used: counted from the intervals by the sweep, read by pages, vendors and programs."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeVar

from chalicelib.usage.rules import UNKNOWN, Piece, UsageRow, months_between, split, told_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from chalicelib.licenses.service import Licenses, Ownership
    from chalicelib.licenses.values import Head
    from chalicelib.storage.dynamo import Item
    from chalicelib.usage.rules import Use
    from chalicelib.usage.store import UsageStore

Row = TypeVar("Row")
EVER = ("0", "9")  # days before and after all others


class Usage:
    def __init__(self, store: UsageStore, licenses: Licenses) -> None:
        self.store, self.licenses = store, licenses

    # counting

    def uncounted(self, license_id: str, since: int, now: int) -> list[Piece]:
        """What ended and no sweep has added yet, of what started at `since` or later."""
        found: list[Piece] = []
        for month in months_between(since, now):
            rows = self.licenses.intervals(license_id, month, since)
            if rows:
                known = self.store.counted(rows[0]["pk"], since)
                pieces = (piece for item in rows for piece in self._pieces(license_id, item))
                found += [piece for piece in pieces if piece.marker not in known]
        return found

    def count(self, head: Head, pieces: Iterable[Piece]) -> int:
        """Adds to the totals what no sweep has added yet; any number of times, at any crash."""
        waiting = sorted(pieces, key=lambda piece: (piece.partition, piece.day, piece.row))
        return sum(
            self.store.add(head.license, head.application, head.vendor, list(of_day))
            for _, of_day in groupby(waiting, key=lambda piece: (piece.partition, piece.day))
        )

    def _pieces(self, license_id: str, item: Item) -> Iterator[Piece]:
        computer = self._computer(license_id, item)
        for day, milliseconds in split(item["started_at"], item["ended_at"]):
            yield Piece(item["pk"], item["sk"], day, computer, milliseconds, item["ended_at"])

    def _computer(self, license_id: str, item: Item) -> str:
        """Where an interval ran; where its row does not say, its launch's row may."""
        named = item.get("computer") or self.licenses.launched_on(license_id, item["launch_id"])
        return named or UNKNOWN

    # reading

    def of_account(self, account_id: str) -> list[UsageRow]:
        """Every day of every license, by day."""
        return self.days(self.licenses.of_account(account_id))

    def days(self, owned: Iterable[Ownership]) -> list[UsageRow]:
        """Every day of these licenses, by day."""
        found = [row for each in owned for row in self.store.of_license(each.license)]
        return sorted(found, key=lambda row: (row.day, row.application, row.license))

    def of_person(self, license_id: str, person: str, since: int, now: int) -> list[UsageRow]:
        """What one of its people used, by day, of what has ended; from the intervals themselves."""
        days: dict[str, UsageRow] = {}
        for month in months_between(since, now):
            for item in self.licenses.intervals(license_id, month, since):
                if item.get("person") == person:
                    for day, part in split(item["started_at"], item["ended_at"]):
                        before = days[day].milliseconds if day in days else 0
                        days[day] = UsageRow(item["application"], license_id, day, before + part)
        return [days[day] for day in sorted(days)]

    def between(self, license_id: str, first: str, last: str) -> int:
        """Milliseconds of the days from `first` to `last`, as far as they are counted."""
        return sum(row.milliseconds for row in self.store.of_days(license_id, first, last))

    def uses(self, owned: Iterable[Ownership], month: str = "") -> list[Use]:
        """The days of these licenses, of one `yyyy-mm` or all, with the computers told apart."""
        span = (month or EVER[0], month or EVER[1])
        found = [use for each in owned for use in self._uses(each.license, *span)]
        return sorted(found, key=lambda use: (use.day, use.application, use.license, use.computer))

    def intervals(self, owned: Iterable[Ownership], month: str, computer: str = "") -> list[Item]:
        """The interval rows of these licenses that started in a month, oldest first."""
        found = [
            {**item, "computer": self._computer(each.license, item)}
            for each in owned for item in self.licenses.intervals(each.license, month)
        ]  # fmt: skip
        chosen = [item for item in found if computer in {"", item["computer"]}]
        return sorted(chosen, key=lambda item: (item["started_at"], item["lease"]))

    def _uses(self, license_id: str, first: str, last: str) -> list[Use]:
        # Days after computers: what is counted in between shows as unknown, and never as negative.
        computers = list(self.store.of_computers(license_id, first, last))
        return told_apart(self.store.of_days(license_id, first, last), computers)

    def of_vendor(
        self, vendor_id: str, *, after: str | None, limit: int
    ) -> tuple[list[UsageRow], str | None]:
        """A page of rows, and the key that the next one goes on behind."""
        return page(self.store.of_vendor(vendor_id, after), limit)

    def of_licenses(
        self, license_ids: Iterable[str], *, after: str | None, limit: int,
        shared: Mapping[str, list[UsageRow]] | None = None,
    ) -> tuple[list[UsageRow], str | None]:  # fmt: skip
        """The same for the licenses that a program speaks for, `shared` ones with given rows."""
        shared = shared or {}
        return page(self._by_license(sorted({*license_ids, *shared}), shared, after or ""), limit)

    def by_computer(
        self, license_ids: Iterable[str], *, after: str | None, limit: int
    ) -> tuple[list[Use], str | None]:
        """The same with the computers told apart."""
        return page(self._by_computer(sorted(license_ids), after or ""), limit)

    def _by_license(
        self, license_ids: list[str], shared: Mapping[str, list[UsageRow]], after: str
    ) -> Iterator[tuple[str, UsageRow]]:
        last, _, day = after.partition("#")
        for license_id in license_ids:
            if license_id >= last:
                behind = day if license_id == last else ""
                given = shared.get(license_id)
                rows = self.store.of_license(license_id, behind) if given is None else given
                for row in rows:
                    if row.day > behind:
                        yield f"{license_id}#{row.day}", row

    def _by_computer(self, license_ids: list[str], after: str) -> Iterator[tuple[str, Use]]:
        last, _, behind = after.partition("#")
        for license_id in license_ids:
            if license_id >= last:
                first = behind.partition("#")[0] if license_id == last else EVER[0]
                for use in self._uses(license_id, first or EVER[0], EVER[1]):
                    key = f"{license_id}#{use.day}#{use.computer}"
                    if key > after:
                        yield key, use


def page(found: Iterator[tuple[str, Row]], limit: int) -> tuple[list[Row], str | None]:
    taken = list(islice(found, limit + 1))
    last = taken[limit - 1][0] if len(taken) > limit else None
    return [row for _, row in taken[:limit]], last
