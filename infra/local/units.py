"""Capacity units by item-size arithmetic, as DynamoDB counts them; moto's own figures are wrong.

A write unit is 1 KB, a read unit 4 KB, rounded up per item (a Query or Scan: once for all it read).
A strong read costs one unit, an eventual one half; transactions cost double; each index that a
write changes adds its own. A failed condition costs what the write would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

Attributes = Mapping[str, Mapping[str, Any]]  # an item in DynamoDB's JSON

KB = 1024


def size(attributes: Attributes | None) -> int:
    """Bytes of an item: names and values in UTF-8, numbers packed two digits a byte."""
    if attributes is None:
        return 0
    return sum(len(name.encode()) + _value(value) for name, value in attributes.items())


def _value(typed: Mapping[str, Any]) -> int:
    kind, value = next(iter(typed.items()))
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if kind in {"SS", "NS", "BS"}:
        return sum(_value({kind[0]: one}) for one in value)
    if kind == "L":
        return 3 + sum(1 + _value(one) for one in value)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _value(one) for name, one in value.items())
    return 1  # BOOL and NULL


def _number(text: str) -> int:
    digits = Decimal(text).normalize().as_tuple()
    return (len(digits.digits) + 1) // 2 + 1 + digits.sign


def _binary(value: Any) -> int:
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    return len(value) * 3 // 4 - str(value)[-2:].count("=")


_SCALARS: Mapping[str, Callable[[Any], int]] = {
    "S": lambda text: len(text.encode()),
    "N": _number,
    "B": _binary,
}


def blocks(length: int, block: int) -> int:
    return max(1, -(-length // block))


def read_units(sizes: Iterable[int], *, strong: bool) -> float:
    """Of one GetItem, or of all that one Query or Scan looked at."""
    return blocks(sum(sizes), 4 * KB) * (1.0 if strong else 0.5)


def write_units(before: Attributes | None, after: Attributes | None) -> float:
    return float(blocks(max(size(before), size(after)), KB))


def index_units(
    before: Attributes | None,
    after: Attributes | None,
    keys: Sequence[str],
    kept: Sequence[str] | None,
) -> float:
    """What one write costs in one index: `keys` make an item belong, `kept` is what it projects."""
    old, new = (_projected(item, keys, kept) for item in (before, after))
    if old == new:
        return 0.0
    moved = old is not None and new is not None and any(old[k] != new[k] for k in keys)
    parts = [old, new] if moved else [max(old, new, key=size)]
    return float(sum(blocks(size(part), KB) for part in parts))


def _projected(
    item: Attributes | None, keys: Sequence[str], kept: Sequence[str] | None
) -> Attributes | None:
    if item is None or any(key not in item for key in keys):
        return None
    return item if kept is None else {name: item[name] for name in kept if name in item}
