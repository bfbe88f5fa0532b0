"""What is not declared is not written: items, attributes, places, and what updates set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.storage.declared import Declared, Undeclared, assigned
from chalicelib.storage.dynamo import Database, Table

if TYPE_CHECKING:
    from tests.conftest import Tables

KEY = frozenset({"pk", "sk", "type", "v"})
DECLARED = Declared.of(
    {
        "boat": (KEY | {"name", "berth"}, frozenset({"BOAT/BOAT"})),
        "tide": (KEY | {"height", "n:*"}, frozenset({"TIDE/0", "TIDE/*"})),
    }
)
BOAT = {"pk": "BOAT#1", "sk": "BOAT", "type": "boat", "v": 1}


@pytest.fixture
def table(tables: Tables) -> Table:
    return Table(Database(tables.database.client, {"usage": DECLARED}), "usage")


def held(table: Table, pk: str, sk: str) -> Any:
    return table.get(pk, sk)


@pytest.mark.promise("PS-02")
class TestItems:
    def test_what_is_declared_is_written(self, table: Table) -> None:
        table.apply(table.put({**BOAT, "name": "Ida"}))
        assert held(table, "BOAT#1", "BOAT")["name"] == "Ida"

    @pytest.mark.parametrize(
        ("item", "said"),
        [
            ({**BOAT, "owner": "x"}, "attribute 'owner' of 'boat'"),
            ({**BOAT, "type": "ship"}, "item type 'ship'"),
            ({"pk": "BOAT#1", "sk": "BOAT"}, "item type 'None'"),
            ({**BOAT, "pk": "SHED#1"}, "'boat' at"),
        ],
    )
    def test_what_is_not_is_refused_and_says_where_to_declare_it(
        self, table: Table, item: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(Undeclared, match=said) as refusal:
            table.apply(table.put(item))
        with pytest.raises(Undeclared):
            table.transact(table.put(BOAT), table.put(item))
        assert "chalicelib/privacy/inventory.py" in str(refusal.value)
        assert held(table, "BOAT#1", "BOAT") is None

    def test_an_attribute_that_is_none_is_not_written_and_needs_no_declaration(
        self, table: Table
    ) -> None:
        table.apply(table.put({**BOAT, "owner": None}))
        assert "owner" not in held(table, "BOAT#1", "BOAT")

    def test_a_table_that_nobody_declared_takes_nothing(self, tables: Tables) -> None:
        other = Table(Database(tables.database.client, {"usage": DECLARED}), "accounts")
        with pytest.raises(Undeclared, match="table 'accounts'"):
            other.apply(other.put(BOAT))


@pytest.mark.promise("PS-02")
class TestUpdates:
    @pytest.mark.parametrize(
        "update",
        [
            "SET owner = :x", "SET #a = :x", "ADD owner :x", "SET name = :x, #a = :x",
            "SET name = if_not_exists(name, :x), owner = :x", "REMOVE berth SET owner = :x",
            "SET owner.street = :x", "SET owner[0] = :x",
        ],
    )  # fmt: skip
    def test_an_update_sets_nothing_undeclared(self, table: Table, update: str) -> None:
        write = table.update(
            "BOAT#1", "BOAT", update, {":x": "x"}, condition="attribute_exists(pk)",
            names={"#a": "owner"},
        )  # fmt: skip
        with pytest.raises(Undeclared, match="owner"):
            table.apply(write)

    def test_an_update_makes_no_item_of_an_undeclared_type(self, table: Table) -> None:
        write = table.update(
            "BOAT#1", "BOAT", "SET #t = :t", {":t": "ship"}, condition="attribute_not_exists(pk)",
            names={"#t": "type"},
        )  # fmt: skip
        with pytest.raises(Undeclared, match="ship"):
            table.apply(write)

    def test_an_update_of_a_place_that_nothing_lives_at_is_refused(self, table: Table) -> None:
        write = table.update("SHED#1", "SHED", "SET name = :x", {":x": 1}, condition="v = :x")
        with pytest.raises(Undeclared, match="SHED/SHED"):
            table.apply(write)

    def test_names_of_many_are_declared_by_how_they_begin(self, table: Table) -> None:
        table.apply(
            table.update(
                "TIDE#1", "a1", "SET #t = :t ADD #n :one", {":t": "tide", ":one": 1},
                condition="attribute_not_exists(pk)", names={"#t": "type", "#n": "n:high"},
            )
        )  # fmt: skip
        assert held(table, "TIDE#1", "a1")["n:high"] == 1


@pytest.mark.parametrize(
    ("update", "found"),
    [
        ("SET a = :a", [("a", ":a")]),
        ("SET a = list_append(if_not_exists(a, :n), :o), b = :b ADD c :c REMOVE d",
         [("a", "list_append(if_not_exists(a, :n), :o)"), ("b", ":b"), ("c", ":c")]),
        ("REMOVE a, b", []),
        ("DELETE a :a", []),
    ],
)  # fmt: skip
def test_what_an_expression_assigns_is_read_whole(
    update: str, found: list[tuple[str, str]]
) -> None:
    assert list(assigned(update)) == found
