"""Counts what a use case asks of the database, however long each answer took."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chalicelib import wiring

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Calls by their name, while it is open."""
    found: Counter[str] = Counter()
    events = wiring.database().client.meta.events

    def seen(model: Any, **_: Any) -> None:
        found[model.name] += 1

    events.register("before-call.dynamodb", seen)
    try:
        yield found
    finally:
        events.unregister("before-call.dynamodb", seen)
