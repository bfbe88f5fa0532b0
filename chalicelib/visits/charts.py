"""Bars as numbers that a template draws: no script, no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 212, 64, 40
ROUND = (1, 2, 5)


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
    """`top` is what the full height stands for."""

    bars: tuple[Bar, ...]
    top: int
    base: int = HEIGHT - BOTTOM
    left: int = LEFT
    width: int = WIDTH
    height: int = HEIGHT


def bars(numbers: Sequence[tuple[str, int | None]]) -> Bars:
    """Zero baseline, one axis; many bars stand close, a few apart."""
    top = scale(max((number or 0 for _, number in numbers), default=0))
    room, base = (WIDTH - LEFT) / len(numbers), HEIGHT - BOTTOM
    gap = min(3.0, room / 5)
    made = []
    for place, (name, number) in enumerate(numbers):
        height = max(1.0, round((number or 0) * (base - 8) / top, 1)) if number else 0.0
        x = round(LEFT + place * room + gap / 2, 1)
        made.append(Bar(name, number, x, round(base - height, 1), round(room - gap, 1), height))
    return Bars(tuple(made), top)


def scale(most: int) -> int:
    """The next number that people think in: 1, 2 or 5 with zeros behind it."""
    power = 1
    while True:
        for step in ROUND:
            if step * power >= most:
                return step * power
        power *= 10
