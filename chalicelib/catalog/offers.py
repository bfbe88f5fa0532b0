"""What may be offered: the terms of a plan of each kind, checked field by field."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, TypedDict

from chalicelib.catalog.rules import KINDS, METERED, PASS, SUBSCRIPTION, TRIAL, Terms, parse_rate
from chalicelib.core.clock import DAY, HOUR
from chalicelib.core.errors import InvalidInput
from chalicelib.core.money import CURRENCIES, HOUR_MS, MICRO, Money

AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
LONGEST_USE = 10_000 * HOUR
LONGEST = 3_660 * DAY
MOST_MONTHS = 36
# Which facts each kind needs and which it may have besides; any other is a flaw.
NEEDS = {
    METERED: {"price"},
    PASS: {"price", "prepaid_ms"},
    SUBSCRIPTION: {"price", "period_months"},
    TRIAL: {"valid_ms"},
}
MAY = {METERED: {"free_ms"}, PASS: {"valid_ms", "free_ms"}, SUBSCRIPTION: set(), TRIAL: set()}
# The least that the processor charges at once, in minor units. It names those of its main
# currencies; of the others, whatever comes to half a US dollar on the day, so ours leave room.
LEAST_CHARGE = {
    "AUD": 50, "CAD": 50, "CHF": 50, "EUR": 50, "GBP": 30, "NOK": 300, "SEK": 300, "USD": 50,
    "JPY": 50, "KRW": 1_000, "BHD": 300, "JOD": 500, "KWD": 300, "OMR": 300, "TND": 2_500,
}  # fmt: skip
WORDS = {
    "price": "A price such as 12.00, without a sign.",
    "prepaid_ms": "How much time is bought.",
    "valid_ms": "How long it lasts.",
    "period_months": "How many months a period has.",
    "free_ms": "A length of time.",
}


class Facts(TypedDict, total=False):
    """What an offer says besides its kind; what a kind does not have is left out or None.

    `price` is of an hour for a metered plan, of the whole for a pass, and of one seat and period
    for a subscription. Times are milliseconds.
    """

    price: str | None
    free_ms: int | None
    prepaid_ms: int | None
    valid_ms: int | None
    period_months: int | None


def terms_of(kind: str, currency: str, facts: Facts) -> Terms:
    """The first version of a plan's terms; InvalidInput names every field that does not fit."""
    given: dict[str, Any] = {name: value for name, value in facts.items() if value}
    if errors := flaws(kind, currency, given):
        raise InvalidInput(errors=errors)
    price = given.pop("price", "")
    if kind == METERED:
        return Terms(version=1, rate=parse_rate(price, currency), **given)
    paid = 0 if kind == TRIAL else parse_price(price, currency)
    rate = rate_of(paid, given["prepaid_ms"]) if kind == PASS else 0
    return Terms(version=1, rate=rate, price=paid, **given)


def chargeable(terms: Terms, currency: str) -> Terms:
    """The terms again; InvalidInput where a pass or a seat costs less than can be charged."""
    least = LEAST_CHARGE[currency]
    if 0 < terms.price < least:
        raise InvalidInput(
            errors={"price": f"At least {Money(least, currency)}, or no card pays it."}
        )
    return terms


def flaws(kind: str, currency: str, given: dict[str, Any]) -> dict[str, str]:
    errors = {}
    if currency not in CURRENCIES:
        errors["currency"] = "A currency we can charge, such as USD."
    if kind not in KINDS:
        return {**errors, "kind": f"One of {', '.join(KINDS)}."}
    for name in NEEDS[kind] - given.keys():
        errors[name] = WORDS[name]
    for name in given.keys() - NEEDS[kind] - MAY[kind]:
        errors[name] = f"A {kind} plan has none."
    return {**errors, **unfit(given)}


def unfit(given: dict[str, Any]) -> dict[str, str]:
    """Lengths outside their bounds; a pass must last for at least the time that it holds."""
    bounds = {
        "prepaid_ms": LONGEST_USE, "valid_ms": LONGEST, "free_ms": HOUR,
        "period_months": MOST_MONTHS,
    }  # fmt: skip
    errors = {
        name: f"More than 0, at most {most}."
        for name, most in bounds.items()
        if name in given and not 0 < given[name] <= most
    }
    if given.get("prepaid_ms", 0) > given.get("valid_ms", LONGEST):
        errors["valid_ms"] = "At least as long as the time that is bought."
    return errors


def parse_price(price: str, currency: str) -> int:
    """`12.00` in minor units, more than nothing; InvalidInput where it is finer than a coin."""
    if not AMOUNT.fullmatch(price):
        raise InvalidInput(errors={"price": WORDS["price"]})
    exact = Fraction(price) * Money.units(currency)
    if exact.denominator != 1 or exact <= 0:
        raise InvalidInput(errors={"price": "At least one of the smallest coin, and whole coins."})
    return exact.numerator


def rate_of(price: int, prepaid_ms: int) -> int:
    """The price of an hour of a pass, exactly; InvalidInput where it is finer than we reckon."""
    exact = Fraction(price * MICRO * HOUR_MS, prepaid_ms)
    if exact.denominator != 1:
        raise InvalidInput(
            errors={"price": "An hour of it must cost whole millionths of the smallest coin."}
        )
    return exact.numerator
