"""What may be written: item types, their attributes and their places, handed in by the wiring.

This package knows no feature. A write of anything that was not declared is refused before it is
sent: a programming error that no test can overlook (PS-02).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.storage.dynamo import Key, Write

CLAUSE = re.compile(r"\b(SET|ADD|REMOVE|DELETE)\b")
WHERE = "declare it in chalicelib/privacy/inventory.py"


class Undeclared(TypeError):
    """The inventory does not name what a write would store."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One table: the attributes and places of each type, and the attributes of each place.

    `name:*` among attributes stands for all that begin so; a place is `<pk>/<sk>`, each up to its
    first #, where a sort key that begins with a digit is `0` and `*` is any.
    """

    types: Mapping[str, frozenset[str]]
    homes: Mapping[str, frozenset[str]]
    places: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[frozenset[str], frozenset[str]]]) -> Declared:
        """From the attributes and places of each type."""
        places: dict[str, frozenset[str]] = {}
        for known, where in shapes.values():
            for each in where:
                places[each] = places.get(each, frozenset()) | known
        return cls(
            {name: known for name, (known, _) in shapes.items()},
            {name: where for name, (_, where) in shapes.items()},
            places,
        )

    def check(self, write: Write) -> None:
        """Undeclared where the write would store what nobody declared."""
        if write.item is not None:
            self._check_item(write.item)
        elif write.update is not None and write.key is not None:
            self._check_update(write, write.key)

    def _check_item(self, item: Mapping[str, Any]) -> None:
        kind = str(item.get("type"))
        known = self.types.get(kind)
        if known is None:
            raise Undeclared(f"item type {kind!r}: {WHERE}")
        for name, value in item.items():
            if value is not None and not names(known, name):
                raise Undeclared(f"attribute {name!r} of {kind!r}: {WHERE}")
        if not homes(item["pk"], item["sk"]) & self.homes[kind]:
            raise Undeclared(f"{kind!r} at {homes(item['pk'], item['sk'])}: {WHERE}")

    def _check_update(self, write: Write, key: Key) -> None:
        where = homes(key.pk, key.sk)
        known = frozenset[str]().union(*(self.places.get(each, frozenset()) for each in where))
        if not known:
            raise Undeclared(f"no item type at {sorted(where)}: {WHERE}")
        for token, value in assigned(write.update or ""):
            name = write.names.get(token, token)
            if not names(known, name):
                raise Undeclared(f"attribute {name!r} at {sorted(where)}: {WHERE}")
            if name == "type" and write.values.get(value) not in self.types:
                raise Undeclared(f"item type {write.values.get(value)!r}: {WHERE}")


def names(known: frozenset[str], name: str) -> bool:
    return name in known or f"{name.partition(':')[0]}:*" in known


def homes(pk: str, sk: str) -> frozenset[str]:
    """The places that an item with this key may belong to."""
    partition, sort = pk.partition("#")[0], sk.partition("#")[0]
    sort = "0" if sort[:1].isdigit() else sort
    return frozenset({f"{partition}/{sort}", f"{partition}/*"})


@lru_cache(maxsize=512)
def assigned(update: str) -> tuple[tuple[str, str], ...]:
    """What an update expression sets or adds to: the attribute's token, and the value's."""
    parts = CLAUSE.split(update)
    found = []
    for clause, text in zip(parts[1::2], parts[2::2], strict=True):
        if clause in {"SET", "ADD"}:
            for action in actions(text):
                path, _, value = action.partition("=" if clause == "SET" else " ")
                found.append((path.strip().partition(".")[0].partition("[")[0], value.strip()))
    return tuple(found)


def actions(text: str) -> list[str]:
    """The parts between commas that stand in no parentheses."""
    found, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            found.append(text[start:at].strip())
            start = at + 1
    return [part for part in [*found, text[start:].strip()] if part]
