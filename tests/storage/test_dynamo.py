"""Items in and out, conditions, transactions and conflicts, on both engines where it matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.storage.dynamo import (
    ABSENT,
    TRIES,
    ConditionFailed,
    Contended,
    Database,
    Table,
)
from chalicelib.storage.wire import from_wire_item, to_wire, to_wire_item

if TYPE_CHECKING:
    from tests.conftest import Tables

SCALARS = st.one_of(
    st.text(max_size=5), st.integers(-(10**30), 10**30), st.booleans(), st.binary(max_size=5),
    st.none(), st.sets(st.text(min_size=1, max_size=3), min_size=1, max_size=3),
    st.sets(st.integers(), min_size=1, max_size=3),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


class TestValues:
    @given(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=4))
    def test_an_item_reads_back_as_it_was_without_what_is_none(self, item: dict[str, Any]) -> None:
        assert from_wire_item(to_wire_item(item)) == {
            name: value for name, value in item.items() if value is not None
        }

    @pytest.mark.parametrize("value", [1.5, set(), object()])
    def test_what_dynamodb_cannot_hold_exactly_is_refused(self, value: Any) -> None:
        with pytest.raises(TypeError):
            to_wire(value)


class TestConditions:
    def test_a_refused_put_changes_nothing(self, tables: Tables) -> None:
        table = tables.usage
        table.apply(table.put({"pk": "A", "sk": "A", "n": 1}, ABSENT))
        with pytest.raises(ConditionFailed):
            table.apply(table.put({"pk": "A", "sk": "A", "n": 2}, ABSENT))
        assert table.get("A", "A") == {"pk": "A", "sk": "A", "n": 1}

    def test_a_transaction_names_the_positions_that_refused(self, tables: Tables) -> None:
        table = tables.usage
        table.apply(table.put({"pk": "B", "sk": "B"}, ABSENT))
        with pytest.raises(ConditionFailed) as refusal:
            table.transact(
                table.put({"pk": "A", "sk": "A"}, ABSENT),
                table.put({"pk": "B", "sk": "B"}, ABSENT),
                table.check("C", "C", "attribute_exists(pk)"),
            )
        assert refusal.value.failed == {1, 2}
        assert not refusal.value.at(0)
        assert table.get("A", "A") is None

    def test_a_refusal_shows_what_stood_there_to_whom_asked(self, tables: Tables) -> None:
        table = tables.usage
        table.apply(table.put({"pk": "A", "sk": "A", "n": 1}, ABSENT))
        with pytest.raises(ConditionFailed) as refusal:
            table.transact(table.update("A", "A", "SET n = n", condition=ABSENT, old=True))
        assert refusal.value.items == {0: {"pk": "A", "sk": "A", "n": 1}}

    def test_an_update_answers_the_item_as_it_is_afterwards(self, tables: Tables) -> None:
        table = tables.usage
        table.apply(table.put({"pk": "A", "sk": "A", "n": 1}, ABSENT))
        update = table.update("A", "A", "ADD n :one", {":one": 1}, condition="n = :one")
        assert table.apply(update) == {"pk": "A", "sk": "A", "n": 2}

    def test_more_than_a_transaction_holds_is_a_mistake_of_ours(self, tables: Tables) -> None:
        writes = [tables.usage.put({"pk": str(n), "sk": "A"}) for n in range(101)]
        with pytest.raises(ValueError, match="100"):
            tables.usage.transact(*writes)


class TestReading:
    def test_a_query_goes_on_over_its_pages(self, tables: Tables) -> None:
        table = tables.usage
        for n in range(7):
            table.apply(table.put({"pk": "A", "sk": f"K#{n}"}))
        assert [i["sk"] for i in table.query("A", prefix="K#", limit=2)] == [
            f"K#{n}" for n in range(7)
        ]
        assert [i["sk"] for i in table.query("A", below="K#2")] == ["K#0", "K#1"]
        assert [i["sk"] for i in table.query("A", above="K#5")] == ["K#6"]
        assert [i["sk"] for i in table.query("A", between=("K#2", "K#3"), forward=False)] == [
            "K#3",
            "K#2",
        ]

    def test_an_index_nominates_what_is_in_its_list_and_due(self, tables: Tables) -> None:
        table = tables.accounts
        for n in (1, 2, 3):
            table.apply(
                table.put({"pk": f"M{n}", "sk": "M", "gsi1pk": "DUE", "gsi1sk": f"{n:03d}"})
            )
        table.apply(table.put({"pk": "other", "sk": "M"}))
        found = table.index("gsi1", "gsi1pk", "DUE", range_name="gsi1sk", up_to="002")
        assert [key.pk for key in found] == ["M1", "M2"]


class Conflicting:
    """A client that answers with conflicts before it lets a call through."""

    def __init__(self, client: Any, conflicts: int) -> None:
        self.client, self.left = client, conflicts

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            if self.left and name in {"transact_write_items", "put_item"}:
                self.left -= 1
                raise ClientError(conflict(name), name)
            return getattr(self.client, name)(**request)

        return call


def conflict(name: str) -> Any:
    if name == "put_item":
        return {"Error": {"Code": "TransactionConflictException", "Message": ""}}
    return {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    }


class TestConflicts:
    """moto and DynamoDB Local never raise a conflict, so it is injected."""

    @pytest.mark.parametrize("alone", [True, False])
    def test_a_conflict_is_tried_again(self, tables: Tables, alone: bool) -> None:
        database = Database(Conflicting(tables.database.client, TRIES - 1))
        table = Table(database, "usage")
        write = table.put({"pk": "A", "sk": "A"}, ABSENT)
        if alone:
            table.apply(write)
        else:
            table.transact(write)
        assert tables.usage.get("A", "A") is not None

    @pytest.mark.parametrize("alone", [True, False])
    def test_endless_conflicts_end_in_an_error_that_says_so(
        self, tables: Tables, alone: bool
    ) -> None:
        table = Table(Database(Conflicting(tables.database.client, TRIES)), "usage")
        write = table.put({"pk": "A", "sk": "A"}, ABSENT)
        with pytest.raises(Contended):
            table.apply(write) if alone else table.transact(write)
        assert tables.usage.get("A", "A") is None
