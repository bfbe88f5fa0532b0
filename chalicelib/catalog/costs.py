"""What some use costs under each plan: exact fractions, rounded once, as an invoice line is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from chalicelib.catalog.rules import KINDS, METERED, PASS, TRIAL
from chalicelib.core.clock import HOUR
from chalicelib.core.errors import InvalidInput
from chalicelib.core.money import Money, rate_exactly, round_once
from chalicelib.core.spans import counted, lasting, length, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.catalog.rules import Plan, Terms

HOURS = re.compile(r"[0-9]{1,3}([.,][0-9]{1,2})?")
COMPUTERS = re.compile(r"[0-9]{1,3}")
LONGEST_MONTH = 744  # hours of a month of 31 days
MOST_COMPUTERS = 200
YEAR = 12
FIELDS = ("hours", "computers")


@dataclass(frozen=True, slots=True)
class Use:
    """Milliseconds a month on each of so many computers, which run at the same time."""

    each_ms: int
    computers: int

    @property
    def total_ms(self) -> int:
        return self.each_ms * self.computers


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a month of this use costs under a plan, in minor units, and how that comes about."""

    plan: Plan
    minor: int
    how: str
    cheapest: bool = False


def read_use(given: Mapping[str, str]) -> Use:
    """The use that was typed; InvalidInput names the field that does not fit."""
    hours, computers = (given.get(name, "").strip() for name in FIELDS)
    errors = {}
    exact = Fraction(hours.replace(",", ".")) if HOURS.fullmatch(hours) else Fraction(0)
    if not 0 < exact <= LONGEST_MONTH:
        errors["hours"] = f"A number of hours up to {LONGEST_MONTH}, such as 20 or 7.5."
    count = int(computers) if COMPUTERS.fullmatch(computers) else 0
    if not 1 <= count <= MOST_COMPUTERS:
        errors["computers"] = f"A whole number from 1 to {MOST_COMPUTERS}."
    if errors:
        raise InvalidInput(errors=errors)
    return Use(int(exact * HOUR), count)


def estimates(plans: Iterable[Plan], use: Use) -> list[Estimate]:
    """One a plan that goes on, trials left out, the cheapest marked.

    No plan is called the cheapest where they are priced in several currencies, or all the same.
    """
    found = [estimate(plan, use) for plan in plans if plan.kind != TRIAL]
    least = min((each.minor for each in found), default=0)
    comparable = len({each.plan.currency for each in found}) == 1 < len(found)
    return [replace(each, cheapest=comparable and each.minor == least) for each in found]


def estimate(plan: Plan, use: Use) -> Estimate:
    terms = plan.terms
    if plan.kind == METERED:
        exact = rate_exactly(use.total_ms, terms.rate)
        return Estimate(plan, round_once(exact), f"{spoken(use.total_ms)} at {plan.hourly} an hour")
    if plan.kind == PASS:
        return passes(plan, use, terms.prepaid_ms or 1)
    exact = Fraction(terms.price * use.computers, terms.period_months or 1)
    seats = counted(use.computers, "seat")
    return Estimate(
        plan, round_once(exact), f"{seats} at {Money(terms.price, plan.currency)} {per(terms)}"
    )


def passes(plan: Plan, use: Use, holds: int) -> Estimate:
    """Whole passes, since no part of one is sold; what is over is left for the next month."""
    count = -(-use.total_ms // holds)
    over = count * holds - use.total_ms
    how = f"{'1 pass' if count == 1 else f'{count} passes'} of {length(holds)}"
    left = f"{spoken(over)} left over" if over else "nothing left over"
    return Estimate(plan, count * plan.terms.price, f"{how}, {left}")


# in words


def amount(plan: Plan) -> str:
    """`0.90 USD`, or `Free`."""
    if plan.kind == METERED:
        return plan.hourly.strip()
    return str(Money(plan.terms.price, plan.currency)) if plan.terms.price else "Free"


def basis(plan: Plan) -> str:
    """What the amount is for: `an hour of use`, `for 20 hours of use`, `a seat each month`."""
    terms = plan.terms
    if plan.kind == METERED:
        return "an hour of use"
    if plan.kind == PASS:
        return f"for {length(terms.prepaid_ms or 0)} of use"
    return f"for {lasting(terms.valid_ms or 0)}" if plan.kind == TRIAL else f"a seat {each(terms)}"


def period(terms: Terms) -> str:
    """`month`, `3 months`, `year`."""
    months = terms.period_months or 1
    if months % YEAR == 0:
        return "year" if months == YEAR else counted(months // YEAR, "year")
    return "month" if months == 1 else counted(months, "month")


def each(terms: Terms) -> str:
    """`each month`, `every 3 months`."""
    said = period(terms)
    return f"every {said}" if said[0].isdigit() else f"each {said}"


def per(terms: Terms) -> str:
    return f"for {period(terms)}" if period(terms)[0].isdigit() else f"a {period(terms)}"


def in_order(plans: Iterable[Plan]) -> list[Plan]:
    """As a page lists them: by kind, the cheaper first."""
    return sorted(plans, key=lambda p: (KINDS.index(p.kind), p.terms.price or p.terms.rate, p.name))


def starting(plans: Iterable[Plan]) -> list[str]:
    """The lowest price of each kind in words, for a list: `0.90 USD an hour of use`."""
    lowest = {plan.kind: plan for plan in reversed(in_order(plans))}
    return [f"{amount(lowest[kind])} {basis(lowest[kind])}" for kind in KINDS if kind in lowest]
