"""Prices are exact, offers are checked, plans survive being stored."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.catalog.rules import Plan, Terms, check_slug, parse_rate, plan_from, price_text
from chalicelib.core.errors import InvalidInput
from chalicelib.core.money import CURRENCIES, MICRO, Money

PLAN = Plan("pln_1", "vnd_1", "app_1", "metered", "Metered", "USD", Terms(version=1, rate=1))


class TestPrices:
    @given(st.integers(0, 10**12), st.sampled_from(sorted(CURRENCIES)))
    def test_a_rate_is_written_so_that_reading_it_gives_the_rate_again(
        self, rate: int, currency: str
    ) -> None:
        amount, _, unit = price_text(rate, currency).partition(" ")
        assert unit == currency
        assert Fraction(amount) * MICRO * Money.units(currency) == rate

    def test_ninety_cents_an_hour(self) -> None:
        assert parse_rate("0.90", "USD") == 90 * MICRO
        assert price_text(90 * MICRO, "USD") == "0.90 USD"

    def test_fractions_of_a_cent_keep_their_decimals(self) -> None:
        assert price_text(parse_rate("0.00000037", "USD"), "USD") == "0.00000037 USD"

    def test_a_currency_without_minor_units_has_no_decimals(self) -> None:
        assert price_text(parse_rate("120", "JPY"), "JPY") == "120 JPY"

    @pytest.mark.parametrize("price", ["", "-1", "1,5", "1e3", "0x1", "NaN", "1.123456789", "٣"])
    def test_what_is_no_price_is_refused_by_field(self, price: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            parse_rate(price, "USD")
        assert set(refusal.value.errors) == {"price"}


class TestOffers:
    @pytest.mark.parametrize("slug", ["", "ab", "Halyard", "-a-", "a" * 41, "a/b", "ä-b-c"])
    def test_a_slug_that_no_address_should_have_is_refused(self, slug: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            check_slug(slug)
        assert set(refusal.value.errors) == {"slug"}

    def test_a_frozen_plan_reads_back_as_it_was_with_attributes_unknown_to_it_ignored(self) -> None:
        assert plan_from({**asdict(PLAN), "later": "attribute"}) == PLAN
