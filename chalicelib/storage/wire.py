"""Plain values as DynamoDB writes them down, and back.

Plain values are str, int, bool, bytes, None, list, dict and sets of str or int; numbers are
integers only. An attribute that is None is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def to_wire(value: Any) -> dict[str, Any]:  # noqa: C901, PLR0911 - one case a DynamoDB type
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case list() | tuple():
            return {"L": [to_wire(entry) for entry in value]}
        case dict():
            return {"M": {name: to_wire(entry) for name, entry in value.items()}}
        case set() | frozenset() if value:
            texts = all(isinstance(entry, str) for entry in value)
            return {"SS": sorted(value)} if texts else {"NS": [str(n) for n in sorted(value)]}
    raise TypeError(f"DynamoDB cannot hold {type(value).__name__} here")


def from_wire(value: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one case a DynamoDB type
    ((kind, raw),) = value.items()
    match kind:
        case "N":
            return int(raw)
        case "NS":
            return {int(number) for number in raw}
        case "SS":
            return set(raw)
        case "L":
            return [from_wire(entry) for entry in raw]
        case "M":
            return from_wire_item(raw)
        case "NULL":
            return None
        case "B":
            return bytes(raw)
    return raw


def to_wire_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_wire(value) for name, value in item.items() if value is not None}


def from_wire_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_wire(value) for name, value in item.items()}
