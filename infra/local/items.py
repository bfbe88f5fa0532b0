"""Items as moto holds them: read as DynamoDB's JSON, put in place, and put back."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Change:
    """One key of one table before and after a call, in DynamoDB's JSON; None where absent."""

    table: str
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(slots=True)
class Slot:
    """A key that a call may write, and the item moto held there before."""

    table: Any
    hash_key: Any
    range_key: Any
    item: Any
    before: dict[str, Any] | None

    @classmethod
    def of(cls, backend: Any, name: str, key: dict[str, Any]) -> Slot:
        table = backend.get_table(name)
        hash_key, range_key = backend.get_keys_value(table, key)
        held = copy.deepcopy(_held(table, hash_key, range_key))
        return cls(table, hash_key, range_key, held, attributes(held))

    def now(self) -> dict[str, Any] | None:
        return attributes(_held(self.table, self.hash_key, self.range_key))

    def name(self) -> str:
        """The key as one text."""
        parts = (self.hash_key, self.range_key) if self.table.has_range_key else (self.hash_key,)
        return json.dumps([part.to_json() for part in parts])

    def put_back(self) -> None:
        _place(self.table, self.hash_key, self.range_key, self.item)


def attributes(item: Any) -> dict[str, Any] | None:
    """A moto item as DynamoDB's JSON."""
    return None if item is None else {name: _plain(value) for name, value in item.attrs.items()}


def _plain(value: Any) -> Any:
    """A DynamoType as typed JSON of its own; binary values as bytes."""
    if not hasattr(value, "cast_value"):
        return value
    held = value.value
    if isinstance(held, dict):
        held = {name: _plain(entry) for name, entry in held.items()}
    elif isinstance(held, list):
        held = [_plain(entry) for entry in held]
    elif value.type == "B" and isinstance(held, str):
        held = base64.b64decode(held)
    return {value.type: held}


def items(table: Any) -> Iterator[Any]:
    """Every item of a moto table, in no order."""
    for part in list(table.items.values()):
        yield from list(part.values()) if table.has_range_key else (part,)


def load(table: Any, item: dict[str, Any]) -> None:
    """Put an item where a restart finds it, judging nothing."""
    from moto.dynamodb.models.dynamo_type import DynamoType, Item

    hash_key = DynamoType(item[table.hash_key_attr])
    range_key = DynamoType(item[table.range_key_attr]) if table.has_range_key else None
    _place(table, hash_key, range_key, Item(hash_key, range_key, item))


def _held(table: Any, hash_key: Any, range_key: Any) -> Any:
    if not table.has_range_key:
        return table.items.get(hash_key)
    part = table.items.get(hash_key)
    return part.get(range_key) if part else None


def _place(table: Any, hash_key: Any, range_key: Any, item: Any) -> None:
    """Make a key hold exactly this; an emptied partition disappears with its last item."""
    if not table.has_range_key:
        if item is None:
            table.items.pop(hash_key, None)
        else:
            table.items[hash_key] = item
    elif item is not None:
        table.items[hash_key][range_key] = item
    elif hash_key in table.items:
        table.items[hash_key].pop(range_key, None)
        if not table.items[hash_key]:
            del table.items[hash_key]
