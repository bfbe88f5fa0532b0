"""Charts of counts: the scale ends at a round number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.bars import Bars, stand

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT = 64
ROUND = (1, 2, 5)


def bars(numbers: Sequence[tuple[str, int | None]]) -> Bars:
    top = scale(max((number or 0 for _, number in numbers), default=0))
    return stand(numbers, top=top, left=LEFT)


def scale(most: int) -> int:
    """The next number that people think in: 1, 2 or 5 with zeros behind it."""
    power = 1
    while True:
        for step in ROUND:
            if step * power >= most:
                return step * power
        power *= 10
