"""When a count of people may be told: one rule, inside and on public pages."""

from __future__ import annotations

SHOWN_FROM = 11
"""A count below this could tell of somebody."""
FEW = f"fewer than {SHOWN_FROM}"


def shown_count(number: int) -> int | None:
    """The number of people; None where it is so small that it could tell of somebody (PS-77)."""
    return number if number >= SHOWN_FROM else None


def told_count(number: int) -> int | str:
    """As a page or file tells it to anybody: none, few, or how many."""
    return (shown_count(number) or FEW) if number else 0
