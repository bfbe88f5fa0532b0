"""Bars as numbers that a template draws: no script, no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT, BOTTOM = 640, 212, 40


@dataclass(frozen=True, slots=True)
class Bar:
    """`number` is None where it may not be shown."""

    name: str
    number: int | None
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """`top` is what the full height stands for; the margin at the left holds its label."""

    bars: tuple[Bar, ...]
    top: int
    left: int
    base: int = HEIGHT - BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def stand(numbers: Sequence[tuple[str, int | None]], *, top: int, left: int) -> Bars:
    """Zero baseline, one axis; many bars stand close, a few apart, and a little is a hairline."""
    room, base = (WIDTH - left) / len(numbers), HEIGHT - BOTTOM
    gap = min(3.0, room / 5)
    made = []
    for place, (name, number) in enumerate(numbers):
        height = max(1.0, round((number or 0) * (base - 8) / top, 1)) if number else 0.0
        x = round(left + place * room + gap / 2, 1)
        made.append(Bar(name, number, x, round(base - height, 1), round(room - gap, 1), height))
    return Bars(tuple(made), top, left)
