"""A bar a day or month, in milliseconds: the scale ends at a round length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.bars import Bars, stand
from chalicelib.core.clock import HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The margin holds labels at the size that they need on a phone, where all is half as large.
LEFT = 88
# The scale ends at a length that people think in.
STEPS = (
    10 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR,
    12 * HOUR, 24 * HOUR,
)  # fmt: skip


def chart(days: Sequence[str], used: Mapping[str, int]) -> Bars:
    """A day with any use at all is at least a hairline."""
    top = scale(max((used.get(day, 0) for day in days), default=0))
    return stand([(day, used.get(day, 0)) for day in days], top=top, left=LEFT)


def scale(most: int) -> int:
    """The next round length; beyond a day, whole days, since several computers add up."""
    day = STEPS[-1]
    return next((step for step in STEPS if step >= most), -(-most // day) * day)
