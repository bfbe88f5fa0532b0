"""What use costs under each plan: exact, rounded once, the cheapest named."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.catalog.costs import (
    Use,
    amount,
    basis,
    estimate,
    estimates,
    in_order,
    read_use,
    starting,
)
from chalicelib.catalog.offers import terms_of
from chalicelib.catalog.rules import Plan
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.errors import InvalidInput


def plan(kind: str, currency: str = "USD", **facts: Any) -> Plan:
    terms = terms_of(kind, currency, facts)  # type: ignore[arg-type]  # facts by name
    return Plan(f"pln_{kind}", "vnd_1", "app_1", kind, kind.title(), currency, terms)


METERED = plan("metered", price="0.90")
PASS = plan("pass", price="15.00", prepaid_ms=20 * HOUR, valid_ms=365 * DAY)
SEATS = plan("subscription", price="29.00", period_months=1)
YEARLY = plan("subscription", price="290.00", period_months=12)
TRIAL = plan("trial", valid_ms=14 * DAY)
ALL = (TRIAL, SEATS, PASS, METERED)
USES = st.builds(Use, st.integers(1, 74_400).map(lambda n: n * 36_000), st.integers(1, 200))


def cheapest(hours: int, computers: int = 1) -> set[str]:
    found = estimates(ALL, Use(hours * HOUR, computers))
    return {each.plan.kind for each in found if each.cheapest}


class TestEstimates:
    def test_each_kind_is_reckoned_as_it_is_billed(self) -> None:
        use = Use(25 * HOUR, 2)
        found = {each.plan.kind: (each.minor, each.how) for each in estimates(ALL, use)}
        assert found == {
            "metered": (4_500, "50 hours at 0.90 USD an hour"),
            "pass": (4_500, "3 passes of 20 hours, 10 hours left over"),
            "subscription": (5_800, "2 seats at 29.00 USD a month"),
        }

    @pytest.mark.parametrize(
        ("hours", "kinds"), [(1, {"metered"}), (20, {"pass"}), (50, {"subscription"})]
    )
    def test_which_is_cheapest_depends_on_the_use(self, hours: int, kinds: set[str]) -> None:
        assert cheapest(hours) == kinds

    def test_equal_prices_are_cheapest_together(self) -> None:
        assert cheapest(25, 2) == {"metered", "pass"}

    @given(USES)
    def test_the_cheapest_is_never_dearer_than_another(self, use: Use) -> None:
        found = estimates([METERED, PASS, SEATS, YEARLY], use)
        least = min(each.minor for each in found)
        assert {each.minor for each in found if each.cheapest} == {least}

    @given(USES)
    def test_metered_use_is_the_exact_product_rounded_once(self, use: Use) -> None:
        hours = Fraction(use.each_ms * use.computers, HOUR)
        assert estimate(METERED, use).minor == round(hours * 90)

    @given(USES)
    def test_passes_are_the_fewest_that_hold_the_use(self, use: Use) -> None:
        count = estimate(PASS, use).minor // 1_500
        assert (count - 1) * 20 * HOUR < use.total_ms <= count * 20 * HOUR

    def test_a_longer_period_is_reckoned_by_the_month_and_said_as_it_is_paid(self) -> None:
        found = estimate(YEARLY, Use(HOUR, 3))
        assert (found.minor, found.how) == (7_250, "3 seats at 290.00 USD a year")

    def test_small_amounts_are_not_rounded_before_they_are_added_up(self) -> None:
        cheap = plan("metered", price="0.0001")
        assert estimate(cheap, Use(100 * HOUR, 1)).minor == 1

    def test_trials_are_left_out(self) -> None:
        assert estimates([TRIAL], Use(HOUR, 1)) == []

    def test_one_plan_alone_and_several_currencies_have_no_cheapest(self) -> None:
        euros = plan("metered", "EUR", price="0.10")
        for plans in ([METERED], [METERED, euros]):
            assert not any(each.cheapest for each in estimates(plans, Use(HOUR, 1)))


class TestReading:
    @pytest.mark.parametrize(
        ("hours", "milliseconds"), [("20", 20 * HOUR), (" 7,5 ", 450 * MINUTE), ("0.01", 36_000)]
    )
    def test_hours_are_read_exactly(self, hours: str, milliseconds: int) -> None:
        assert read_use({"hours": hours, "computers": "2"}) == Use(milliseconds, 2)

    @pytest.mark.parametrize("hours", ["", "0", "0.00", "-1", "744.01", "1e3", "٣", "1.234", "x"])
    def test_what_no_month_has_is_refused(self, hours: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            read_use({"hours": hours, "computers": "1"})
        assert set(refusal.value.errors) == {"hours"}

    @pytest.mark.parametrize("computers", ["", "0", "201", "1.5", "-1", "٣"])
    def test_computers_are_a_whole_number_in_bounds(self, computers: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            read_use({"hours": "1", "computers": computers})
        assert set(refusal.value.errors) == {"computers"}

    def test_every_flaw_is_named_at_once(self) -> None:
        with pytest.raises(InvalidInput) as refusal:
            read_use({})
        assert set(refusal.value.errors) == {"hours", "computers"}


class TestWords:
    @pytest.mark.parametrize(
        ("offered", "words"),
        [
            (METERED, "0.90 USD an hour of use"),
            (PASS, "15.00 USD for 20 hours of use"),
            (SEATS, "29.00 USD a seat each month"),
            (YEARLY, "290.00 USD a seat each year"),
            (
                plan("subscription", price="80.00", period_months=3),
                "80.00 USD a seat every 3 months",
            ),
            (TRIAL, "Free for 14 days"),
            (plan("trial", valid_ms=90 * MINUTE), "Free for 90 minutes"),
            (plan("metered", "JPY", price="120"), "120 JPY an hour of use"),
        ],
    )
    def test_a_price_is_said_with_what_it_is_for(self, offered: Plan, words: str) -> None:
        assert f"{amount(offered)} {basis(offered)}" == words

    def test_a_list_says_the_lowest_of_each_kind(self) -> None:
        dear = plan("metered", price="1.90")
        assert starting([dear, *ALL, YEARLY]) == [
            "0.90 USD an hour of use", "15.00 USD for 20 hours of use",
            "29.00 USD a seat each month", "Free for 14 days",
        ]  # fmt: skip

    def test_plans_are_listed_by_kind_the_cheaper_first(self) -> None:
        assert in_order([*ALL, YEARLY]) == [METERED, PASS, SEATS, YEARLY, TRIAL]
