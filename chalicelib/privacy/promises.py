"""What the statement comes to, as data: each promise with what keeps it and what would break it.

The list is `promises.toml` beside this file. The gate (tests/gate.py) holds that all of it exists,
and that each promise in scope had a passing test and none that failed.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).with_name("promises.toml")
KINDS = frozenset({"feature", "control", "evidence"})


@dataclass(frozen=True, slots=True)
class Promise:
    """`control` and `template` name what keeps it; `mutants` are the sabotages that break it.

    `deferred` says plainly why it is not kept yet; `part_deferred` what of it is not.
    """

    id: str
    says: str
    kind: frozenset[str]
    control: tuple[str, ...]
    template: tuple[str, ...]
    mutants: tuple[str, ...]
    deferred: str
    part_deferred: str

    @property
    def in_scope(self) -> bool:
        return not self.deferred


@cache
def promises() -> Mapping[str, Promise]:
    """Every promise by its id, in the order of the statement."""
    found = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: made(name, entry) for name, entry in found.items()}


def made(name: str, entry: dict[str, Any]) -> Promise:
    kind = frozenset(entry["kind"])
    if not kind or kind - KINDS:
        raise ValueError(f"{name} is of no kind that we know")
    several = {field: tuple(entry.get(field, ())) for field in ("control", "template", "mutants")}
    return Promise(
        name, entry["says"], kind, several["control"], several["template"], several["mutants"],
        entry.get("deferred", ""), entry.get("part_deferred", ""),
    )  # fmt: skip
