"""The bodies of the vendors' calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import from_text
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.bodies import MAX_BODY, build, read_object, text, whole
from chalicelib.licenses.rules import MAX_SEATS

if TYPE_CHECKING:
    from chalicelib.edge.request import Request

RFC_3339 = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"
EARLIEST, LATEST = from_text("2000-01-01T00:00:00Z"), from_text("9999-12-30T00:00:00Z")
NO_TIME = "A time such as 2026-12-31T00:00:00Z, or null for no end."


@dataclass(frozen=True, slots=True)
class LicenseChange:
    """What is left out stays as it is; `ends_at` null takes the end away."""

    seats: int | None = whole(least=1, most=MAX_SEATS, optional=True)
    ends_at: str | None = text(longest=40, pattern=RFC_3339, optional=True)


def read_change(request: Request) -> dict[str, Any]:
    """`seats` and `ends_at`, in milliseconds or None, as far as they were given."""
    given = read_object(request.body(MAX_BODY))
    change = build(LicenseChange, given)
    found: dict[str, Any] = {"seats": change.seats} if change.seats is not None else {}
    if "ends_at" in given:
        found["ends_at"] = None if change.ends_at is None else instant(change.ends_at)
    if not found:
        raise InvalidInput(errors={"body": "Name seats, ends_at, or both."})
    return found


def instant(moment: str) -> int:
    """InvalidInput where it is no time, or outside of what every page can show in any zone."""
    try:
        found = from_text(moment.upper())
    except (ValueError, OverflowError):
        raise InvalidInput(errors={"ends_at": NO_TIME}) from None
    if not EARLIEST <= found <= LATEST:
        raise InvalidInput(errors={"ends_at": NO_TIME})
    return found
