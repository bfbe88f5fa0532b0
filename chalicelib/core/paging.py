"""Keyset pages: a limit, and a cursor that says behind which key to go on."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

Entry = TypeVar("Entry")


def first(found: Iterable[Entry], limit: int) -> list[Entry]:
    """The first `limit`; what comes later is not read."""
    return list(islice(found, limit))
