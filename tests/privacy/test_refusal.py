"""The service's own tables refuse what the inventory does not name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.storage.declared import Undeclared

if TYPE_CHECKING:
    from tests.conftest import Tables


@pytest.mark.promise("PS-02")
def test_the_tables_of_the_service_take_nothing_undeclared(tables: Tables) -> None:
    for table in (tables.accounts, tables.usage, tables.keys):
        with pytest.raises(Undeclared):
            table.apply(table.put({"pk": "NOTE#1", "sk": "NOTE", "type": "note", "v": 1}))
    with pytest.raises(Undeclared, match="nickname"):
        tables.accounts.apply(
            tables.accounts.update(
                "ACCOUNT#a", "ACCOUNT", "SET nickname = :n", {":n": "x"}, condition="v = :n"
            )
        )
