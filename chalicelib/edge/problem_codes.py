"""Every code that an error of ours can carry, for the pages that explain them."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

import chalicelib
from chalicelib.core.errors import CetrusError

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def codes() -> dict[str, type[CetrusError]]:
    """By code; where several errors share one, the one that defines it explains it."""
    for module in pkgutil.walk_packages(chalicelib.__path__, f"{chalicelib.__name__}."):
        importlib.import_module(module.name)
    found: dict[str, type[CetrusError]] = {}
    for error in family(CetrusError):
        found.setdefault(error.code, error)
    return dict(sorted(found.items()))


def family(error: type[CetrusError]) -> Iterator[type[CetrusError]]:
    """The class and all that derive from it, the general before the special."""
    yield error
    for special in error.__subclasses__():
        yield from family(special)
