"""Entries sum to zero, stand once, and never change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.billing import rules
from chalicelib.billing.rules import Unbalanced
from chalicelib.storage.dynamo import ConditionFailed
from tests.conftest import NOON

if TYPE_CHECKING:
    from tests.conftest import Tables

POSITIONS = st.dictionaries(st.sampled_from(rules.ACCOUNTS), st.integers(-(10**9), 10**9))


class TestEntries:
    @pytest.mark.parametrize(
        "postings", [{"processor": 1}, {"processor": 5, "sales": -4}, {"till": 5, "sales": -5}]
    )
    def test_what_does_not_add_up_is_no_entry(self, postings: dict[str, int]) -> None:
        with pytest.raises(Unbalanced):
            rules.entry(("x",), postings, "USD", NOON, {})

    def test_the_same_fact_is_the_same_entry(self) -> None:
        one, other = (
            rules.entry(("payment", name), {"processor": 5, "sales": -5}, "USD", NOON, {})
            for name in ("pi_1", "pi_2")
        )
        assert one.id != other.id
        assert one == rules.entry(
            ("payment", "pi_1"), {"processor": 5, "sales": -5, "losses": 0}, "USD", NOON, {}
        )

    @given(st.lists(POSITIONS, max_size=6))
    def test_the_differences_between_positions_lead_to_the_last(
        self, positions: list[dict[str, int]]
    ) -> None:
        at: dict[str, int] = {}
        held: dict[str, int] = dict.fromkeys(rules.ACCOUNTS, 0)
        for position in positions:
            for name, amount in rules.difference(position, at).items():
                held[name] += amount
            at = position
        assert held == {name: at.get(name, 0) for name in rules.ACCOUNTS}


class TestBooks:
    def test_a_month_has_its_entries_in_order_and_its_balances(self, tables: Tables) -> None:
        books = wiring.books()
        for number, amount in enumerate((900, 1_200)):
            postings = {"processor": amount, "sales": -amount}
            about = {"account": "acc_1"}
            tables.accounts.apply(
                books.post(("payment", number), postings, "USD", NOON + number, about)
            )
        assert [entry.postings["processor"] for entry in books.month("2026-11")] == [900, 1_200]
        assert books.balances("2026-11") == {"USD": {"processor": 2_100, "sales": -2_100}}
        assert books.balances("2026-12") == {}

    def test_an_entry_is_written_once(self, tables: Tables) -> None:
        postings = {"processor": 5, "sales": -5}
        write = wiring.books().post(("payment", "pi_1"), postings, "USD", NOON, {})
        tables.accounts.apply(write)
        with pytest.raises(ConditionFailed):
            tables.accounts.apply(write)
