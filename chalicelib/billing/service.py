"""The books: who moves money posts it in the transaction that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.billing import rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.billing.rules import Entry
    from chalicelib.billing.store import BooksStore
    from chalicelib.storage.dynamo import Write


class Books:
    def __init__(self, store: BooksStore) -> None:
        self.store = store

    def post(
        self,
        fact: tuple[str | int, ...],
        postings: Mapping[str, int],
        currency: str,
        at: int,
        about: Mapping[str, str],
    ) -> Write:
        """The write that records it; Unbalanced where the postings do not sum to zero."""
        return self.store.put(rules.entry(fact, postings, currency, at, about))

    def month(self, month: str) -> Iterator[Entry]:
        """The entries of one calendar month (UTC), `yyyy-mm`, in the order of their instants."""
        return self.store.month(month)

    def balances(self, month: str) -> dict[str, dict[str, int]]:
        """Per currency, what each account moved in the month."""
        return rules.balances(self.store.month(month))
