"""A bar a day, as numbers that a template draws: no script, no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import HOUR, MINUTE, SECOND
from chalicelib.usage.rules import day_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The margins hold labels at the size that they need on a phone, where all of it is half as large.
WIDTH, HEIGHT, LEFT, BOTTOM, GAP = 640, 212, 88, 40, 3
# The scale ends at a length that people think in.
STEPS = (
    10 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR,
    12 * HOUR, 24 * HOUR,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    day: int
    milliseconds: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """`top` is what the full height stands for, in milliseconds."""

    bars: tuple[Bar, ...]
    top: int
    base: int = HEIGHT - BOTTOM
    left: int = LEFT
    width: int = WIDTH
    height: int = HEIGHT


def chart(days: Sequence[str], used: Mapping[str, int]) -> Chart:
    """Zero baseline, one axis; a day with any use at all is at least a hairline."""
    most = max((used.get(day, 0) for day in days), default=0)
    top = scale(most)
    room, base = (WIDTH - LEFT) / len(days), HEIGHT - BOTTOM
    bars = []
    for number, day in enumerate(days):
        length = used.get(day, 0)
        height = max(1.0, round(length * (base - 8) / top, 1)) if length else 0.0
        x = round(LEFT + number * room + GAP / 2, 1)
        start = day_start(day)
        bars.append(Bar(start, length, x, round(base - height, 1), round(room - GAP, 1), height))
    return Chart(tuple(bars), top)


def scale(most: int) -> int:
    """The next round length; beyond a day, whole days, since several computers add up."""
    day = STEPS[-1]
    return next((step for step in STEPS if step >= most), -(-most // day) * day)
