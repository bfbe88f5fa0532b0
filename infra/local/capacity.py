"""What a DynamoDB call cost, read off moto's tables before and after it; see `units`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from . import units
from .items import Slot, attributes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_local = threading.local()


def spend(amount: float) -> None:
    """State what the call that this thread is making costs."""
    _local.units = amount


def counted() -> float:
    """The units of the last DynamoDB call on this thread; asking clears them."""
    found: float = getattr(_local, "units", 0.0)
    _local.units = 0.0
    return found


def written(action: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(table, key attributes, kind) of each key that a call may write or check."""
    if action in {"PutItem", "UpdateItem", "DeleteItem"}:
        yield body["TableName"], body.get("Item") or body["Key"], action
    elif action == "TransactWriteItems":
        for entry in body["TransactItems"]:
            kind, item = next(iter(entry.items()))
            yield item["TableName"], item.get("Item") or item["Key"], kind
    elif action == "BatchWriteItem":
        for table, requests in body["RequestItems"].items():
            for request in requests:
                kind, item = next(iter(request.items()))
                yield table, item.get("Item") or item["Key"], kind


def count_read(table: Any, found: Sequence[Any], index: str | None, *, strong: bool) -> None:
    kept = _kept(table, index) if index else None
    plain = (attributes(item) or {} for item in found)
    sizes = [units.size(_only(item, kept)) for item in plain]
    spend(units.read_units(sizes, strong=strong))


def _only(item: dict[str, Any], kept: Sequence[str] | None) -> dict[str, Any]:
    return item if kept is None else {name: item[name] for name in kept if name in item}


def _kept(table: Any, index: str) -> list[str] | None:
    """The attributes an index projects; None for all."""
    found = next(entry for entry in table.all_indexes() if entry.name == index)
    kind = found.projection.get("ProjectionType", "ALL")
    if kind == "ALL":
        return None
    keys = [key["AttributeName"] for key in (*found.schema, *table.schema)]
    more = found.projection.get("NonKeyAttributes", []) if kind == "INCLUDE" else []
    return list(dict.fromkeys([*keys, *more]))


def write_cost(action: str, body: dict[str, Any], slots: list[Slot], answer: Any) -> float:
    times = 2 if action == "TransactWriteItems" else 1
    failed = answer[0] >= 400
    if failed and not _condition_failed(answer):
        return 0.0
    kinds = written(action, body)
    total = 0.0
    for slot, (_, key, kind) in zip(slots, kinds, strict=True):
        wanted = key if kind in {"PutItem", "Put", "PutRequest"} else slot.before
        after = wanted if failed else slot.now()
        total += times * units.write_units(slot.before, after)
        total += 0.0 if failed else _index_cost(slot, after)
    return total


def _condition_failed(answer: Any) -> bool:
    body = answer[2]
    text = body if isinstance(body, str) else body.decode()
    return "ConditionalCheckFailed" in text


def _index_cost(slot: Slot, after: dict[str, Any] | None) -> float:
    return sum(
        units.index_units(
            slot.before,
            after,
            [key["AttributeName"] for key in index.schema],
            _kept(slot.table, index.name),
        )
        for index in slot.table.all_indexes()
    )


def get_cost(action: str, handler: Any) -> float:
    body = handler.params
    if action == "GetItem":
        return _one_get(
            handler, body["TableName"], body["Key"], strong=bool(body.get("ConsistentRead"))
        )
    if action == "TransactGetItems":
        gets = [entry["Get"] for entry in body["TransactItems"]]
        return sum(2 * _one_get(handler, get["TableName"], get["Key"], strong=True) for get in gets)
    return sum(
        _one_get(handler, table, key, strong=bool(wanted.get("ConsistentRead")))
        for table, wanted in body["RequestItems"].items()
        for key in wanted["Keys"]
    )


def _one_get(handler: Any, name: str, key: dict[str, Any], *, strong: bool) -> float:
    slot = Slot.of(handler.dynamodb_backend, name, key)
    return units.read_units([units.size(slot.before)], strong=strong)
