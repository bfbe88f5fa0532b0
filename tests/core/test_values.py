"""Ids, instants, money and keyed hashes: the laws that everything else leans on."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import clock, ids, money, spans
from chalicelib.core.keyed import KeyedHash
from chalicelib.core.money import CURRENCIES, HOUR_MS, MICRO, Money

INSTANTS = st.integers(0, 253_402_300_799_998)  # a millisecond short of the year 10000


class TestIds:
    def test_random_ids_differ_and_carry_their_prefix(self) -> None:
        made = {ids.new_id("acc") for _ in range(1000)}
        assert len(made) == 1000
        assert all(one.startswith("acc_") and len(one) == 29 for one in made)

    @given(st.lists(st.one_of(st.text(max_size=5), st.integers()), max_size=3))
    def test_the_same_facts_give_the_same_id(self, facts: list[str | int]) -> None:
        assert ids.derived_id("msg", *facts) == ids.derived_id("msg", *facts)

    def test_facts_cannot_be_shifted_into_one_another(self) -> None:
        made = {
            ids.derived_id("msg", "ab", "c"),
            ids.derived_id("msg", "a", "bc"),
            ids.derived_id("msg", "abc"),
            ids.derived_id("msg", "ab", "c", ""),
            ids.derived_id("msg", 1),
            ids.derived_id("msg", "1"),
        }
        assert len(made) == 6


class TestClock:
    @given(INSTANTS)
    def test_text_reads_back_as_the_instant(self, instant: int) -> None:
        assert clock.from_text(clock.to_text(instant)) == instant

    @given(INSTANTS)
    def test_text_sorts_as_the_instants_do(self, instant: int) -> None:
        assert clock.to_text(instant) <= clock.to_text(instant + 1)

    @pytest.mark.parametrize(
        ("instant", "day"),
        [
            (1_709_164_799_999, "2024-02-28"),
            (1_709_164_800_000, "2024-02-29"),
            (1_709_251_200_000, "2024-03-01"),
        ],
    )
    def test_days_are_those_of_utc(self, instant: int, day: str) -> None:
        assert clock.day_of(instant) == day
        assert clock.month_of(instant) == day[:7]

    def test_a_time_without_its_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="zone"):
            clock.from_text("2026-11-25T10:00:00")

    def test_now_is_milliseconds_utc(self) -> None:
        before = dt.datetime.now(dt.UTC)
        now = clock.to_datetime(clock.now_ms())
        assert abs((now - before).total_seconds()) < 5

    @given(INSTANTS)
    def test_the_broom_never_comes_before_the_end(self, instant: int) -> None:
        assert clock.purge_at(instant) * 1000 >= instant


class TestMoney:
    @given(st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 10**9))
    def test_splitting_a_time_does_not_change_its_price(
        self, first: int, second: int, rate: int
    ) -> None:
        whole = money.rate_exactly(first + second, rate)
        assert money.rate_exactly(first, rate) + money.rate_exactly(second, rate) == whole

    def test_a_day_of_twenty_second_beats_costs_its_day(self) -> None:
        rate = 37 * MICRO
        beats = [money.rate_exactly(20_000, rate)] * (24 * 180)
        assert money.round_once(sum(beats, Fraction())) == 888
        assert sum(money.round_once(beat) for beat in beats) == 0, "what rounding each would bill"

    @given(st.integers(0, 10**10), st.integers(0, 10**9))
    def test_a_reservation_is_enough_and_not_a_millionth_too_much(
        self, time: int, rate: int
    ) -> None:
        exact = money.rate_exactly(time, rate) * MICRO
        assert 0 <= money.reserve(time, rate) - exact < 1

    def test_halves_go_to_the_even_side(self) -> None:
        assert [money.round_once(Fraction(n, 2)) for n in (1, 3, 5, -1)] == [0, 2, 2, 0]

    @given(st.integers(-(10**9), 10**9), st.sampled_from(sorted(CURRENCIES)))
    def test_an_amount_is_never_without_its_currency(self, minor: int, currency: str) -> None:
        text, _, unit = str(Money(minor, currency)).partition(" ")
        assert unit == currency
        assert Fraction(text) * Money.units(currency) == minor

    def test_an_hour_is_an_hour(self) -> None:
        assert money.rate_exactly(HOUR_MS, 90 * MICRO) == 90


class TestKeyedHash:
    def test_uses_do_not_meet(self) -> None:
        keyed = KeyedHash(b"key")
        assert keyed.of("email", "x") != keyed.of("login", "x")
        assert keyed.of("email", "x") != KeyedHash(b"other").of("email", "x")

    def test_the_key_is_never_shown(self) -> None:
        assert "topsecret" not in repr(KeyedHash(b"topsecret"))


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (999, "less than a second"), (59_999, "59 seconds"), (60_000, "1 minute"),
        (3_599_999, "59 minutes 59 seconds"), (3_600_000, "1 hour"),
        (90_359_000, "25 hours 5 minutes"),
    ],
)  # fmt: skip
def test_a_length_is_said_as_people_say_it_and_never_too_long(milliseconds: int, text: str) -> None:
    assert spans.spoken(milliseconds) == text
