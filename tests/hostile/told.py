"""What a cloud's dump holds, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.storage.wire import from_wire

if TYPE_CHECKING:
    from infra.local.front.client import Control

Json = dict[str, Any]


def rows(control: Control, kind: str | None = None) -> list[Json]:
    """Every item of every table, or of one type."""
    tables = control.dump()["tables"].values()
    found = [plain(item) for table in tables for item in table["items"]]
    return [row for row in found if kind in (None, row["type"])]


def plain(item: Json) -> Json:
    """Bytes stay the text that they are told as."""
    return {name: value_of(value) for name, value in item.items()}


def value_of(told: Json) -> Any:
    ((kind, raw),) = told.items()
    if kind == "M":
        return plain(raw)
    if kind == "L":
        return [value_of(one) for one in raw]
    return raw if kind == "B" else from_wire(told)


def account_of(control: Control, order: str) -> str:
    (pointer,) = (r for r in rows(control, "order_pointer") if r["pk"] == f"ORDER#{order}")
    return str(pointer["account_id"])
