"""Money: integer minor units with a currency; exact fractions while rating; rounded once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MICRO = 1_000_000
HOUR_MS = 3_600_000

# ISO 4217 exponents that are not 2, among the currencies that a plan may be priced in.
EXPONENTS = {"JPY": 0, "KRW": 0, "BHD": 3, "JOD": 3, "KWD": 3, "OMR": 3, "TND": 3}
CURRENCIES = frozenset({"AUD", "CAD", "CHF", "EUR", "GBP", "NOK", "SEK", "USD", *EXPONENTS})


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units, never without its currency."""

    minor: int
    currency: str

    @staticmethod
    def units(currency: str) -> int:
        """How many minor units one unit of the currency has."""
        return int(10 ** EXPONENTS.get(currency, 2))

    def __str__(self) -> str:
        digits = EXPONENTS.get(self.currency, 2)
        sign, whole = ("-" if self.minor < 0 else ""), abs(self.minor)
        if not digits:
            return f"{sign}{whole} {self.currency}"
        units, rest = divmod(whole, 10**digits)
        return f"{sign}{units}.{rest:0{digits}d} {self.currency}"


def rate_exactly(milliseconds: int, micros_per_hour: int) -> Fraction:
    """The exact price in minor units of a length of time at a rate in 10⁻⁶ minor units an hour."""
    return Fraction(milliseconds * micros_per_hour, HOUR_MS * MICRO)


def round_once(amount: Fraction) -> int:
    """Half to even, once a line."""
    return round(amount)


def reserve(milliseconds: int, micros_per_hour: int) -> int:
    """What the time could cost at most, in 10⁻⁶ minor units, rounded up."""
    return -(-milliseconds * micros_per_hour // HOUR_MS)
