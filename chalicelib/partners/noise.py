"""Exact discrete Laplace noise in whole numbers alone (Canonne, Kamath and Steinke, 2020).

P(x) is proportional to exp(-epsilon |x|). No floating point comes near it: rounding would leak.
`below(n)` draws a whole number from 0 to n - 1, each as likely; outside of tests it is the
operating system's.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = Callable[[int], int]


def noise(epsilon: Fraction, below: Draw) -> int:
    """One draw; ValueError where epsilon is not above 0."""
    if epsilon <= 0:
        raise ValueError("epsilon is above 0")
    over, under = epsilon.numerator, epsilon.denominator
    while True:
        rest = below(under)
        if not happens_exp(Fraction(rest, under), below):
            continue
        whole = 0
        while happens_exp(Fraction(1), below):
            whole += 1
        size = (rest + under * whole) // over
        negative = below(2) == 1
        if negative and size == 0:
            continue  # zero would come twice as often
        return -size if negative else size


def happens_exp(power: Fraction, below: Draw) -> bool:
    """True with the probability exp(-power), for a power from 0 to 1."""
    turn = 1
    while happens(power / turn, below):
        turn += 1
    return turn % 2 == 1


def happens(chance: Fraction, below: Draw) -> bool:
    return below(chance.denominator) < chance.numerator
