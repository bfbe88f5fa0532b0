"""The books in `accounts`: one partition a month of UTC, entries in the order of their instants.

| item | pk | sk |
|---|---|---|
| entry, immutable | BOOKS#<yyyy-mm> | <at>#<entry> |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.billing.rules import Entry
from chalicelib.core.clock import month_of
from chalicelib.storage.dynamo import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item, Table, Write


class BooksStore:
    def __init__(self, accounts: Table) -> None:
        self.accounts = accounts

    def put(self, entry: Entry) -> Write:
        item: Item = {
            "pk": f"BOOKS#{month_of(entry.at)}",
            "sk": f"{entry.at:013d}#{entry.id}",
            "type": "entry",
            "v": 1,
            "id": entry.id,
            "at": entry.at,
            "currency": entry.currency,
            "postings": dict(entry.postings),
            "about": dict(entry.about),
        }
        return self.accounts.put(item, ABSENT)

    def month(self, month: str) -> Iterator[Entry]:
        return (to_entry(item) for item in self.accounts.query(f"BOOKS#{month}"))


def to_entry(item: Item) -> Entry:
    return Entry(**{name: item[name] for name in Entry.__slots__})
