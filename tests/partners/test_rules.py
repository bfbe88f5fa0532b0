"""PS-38: nothing in a file can be tied to an individual, beyond the epsilon that is stated."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from chalicelib.core.clock import HOUR
from chalicelib.partners.noise import noise
from chalicelib.partners.rules import (
    EPSILON,
    MONTH_COST,
    THRESHOLD,
    TOP_BAND,
    YEAR_BUDGET,
    Use,
    affordable,
    counted,
    hidden,
    month_before,
    released,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    File = dict[str, dict[str, int | None]]

pytestmark = pytest.mark.promise("PS-38")
SEEDS = 2_000


def draws(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a test's own, reproducible


class TestNoise:
    @pytest.mark.parametrize("epsilon", [Fraction(1, 2), Fraction(1), Fraction(3, 7)])
    def test_each_value_comes_as_often_as_the_formula_says(self, epsilon: Fraction) -> None:
        tries = 20_000
        source = draws(7).randrange
        found = Counter(noise(epsilon, source) for _ in range(tries))
        q = math.exp(-epsilon)
        for value in range(-4, 5):
            expected = (1 - q) / (1 + q) * q ** abs(value)
            spread = 5 * math.sqrt(expected * (1 - expected) / tries)
            assert abs(found[value] / tries - expected) < spread, value

    def test_there_is_no_noise_without_a_budget(self) -> None:
        for epsilon in (Fraction(0), Fraction(-1)):
            with pytest.raises(ValueError, match="epsilon"):
                noise(epsilon, draws(1).randrange)


class TestBound:
    def test_an_account_counts_once_in_a_table_whatever_it_did(self) -> None:
        busy = Use({"Halyard": 30 * HOUR, "Tally": 40 * HOUR, "Sextant": HOUR})
        tables = counted([busy], ["Halyard", "Tally", "Sextant"])
        assert tables["application"] == {"Halyard": 0, "Sextant": 0, "Tally": 1}
        assert {cell: n for cell, n in tables["hours"].items() if n} == {TOP_BAND: 1}

    def test_the_cells_are_those_of_the_catalog_and_not_of_who_used_what(self) -> None:
        assert counted([], ["Tally"]).keys() == {"application", "hours"}
        assert counted([], ["Tally"])["application"] == {"Tally": 0}
        assert counted([Use({"Gone": HOUR})], ["Tally"])["application"] == {"Tally": 0}

    def test_the_bands_take_every_length(self) -> None:
        found = [Use({"A": hours * HOUR}).band() for hours in (0, 1, 9, 10, 49, 50, 500)]
        assert found == [
            "under 1", "1 to 10", "1 to 10", "10 to 50", "10 to 50", TOP_BAND, TOP_BAND,
        ]  # fmt: skip


class TestHiding:
    def test_no_cell_below_the_threshold_goes_out(self) -> None:
        for seed in range(200):
            table = {"a": 15, "b": 19, "c": 20, "d": 25, "e": 400}
            out = released(table, EPSILON, draws(seed).randrange)
            assert all(count is None or count >= THRESHOLD for count in out.values())

    def test_a_cell_never_hides_alone(self) -> None:
        assert hidden({"a": 3, "b": 40, "c": 30}) == {"a": None, "b": 40, "c": None}
        assert hidden({"a": 3, "b": 4, "c": 30}) == {"a": None, "b": None, "c": 30}
        assert hidden({"a": 3}) == {"a": None}
        assert hidden({"a": 30, "b": 31}) == {"a": 30, "b": 31}

    def test_the_numbers_are_those_that_were_promised(self) -> None:
        promised = (20, Fraction(1, 2), Fraction(12))
        assert promised == (THRESHOLD, EPSILON, YEAR_BUDGET)
        assert hidden({"a": 19, "b": 19, "c": 20}) == {"a": None, "b": None, "c": 20}


def file_of(uses: list[Use], seed: int) -> File:
    source = draws(seed).randrange
    tables = counted(uses, ["Halyard", "Tally"])
    return {name: released(cells, EPSILON, source) for name, cells in tables.items()}


def came(file: File) -> bool:
    """Whether one more account looks likely by each cell that it would be in."""
    return (file["application"]["Halyard"] or 0) > 60 and (file["hours"]["1 to 10"] or 0) > 120


def changed(file: File) -> bool:
    """Whether one account looks to have gone from Tally to Halyard."""
    applications = file["application"]
    return (applications["Halyard"] or 0) > 60 >= (applications["Tally"] or 0)


class TestDifference:
    def test_a_release_with_and_without_one_account_can_hardly_be_told_apart(self) -> None:
        """The best guess by one cell, over many seeds: no better than epsilon allows."""
        bound = (math.exp(EPSILON) - 1) / (math.exp(EPSILON) + 1)
        others = [Use({"Halyard": HOUR})] * 60
        with_one = counted([*others, Use({"Halyard": 2 * HOUR})], ["Halyard"])["application"]
        without = counted(others, ["Halyard"])["application"]
        told = [
            sum(guess(released(table, EPSILON, draws(seed).randrange)) for seed in range(*seeds))
            for table, seeds in ((with_one, (0, SEEDS)), (without, (SEEDS, 2 * SEEDS)))
        ]
        advantage = (told[0] - told[1]) / SEEDS
        assert advantage <= bound + 3 * math.sqrt(0.5 / SEEDS)
        assert advantage > 0.05, "the guess looks at nothing"

    @pytest.mark.parametrize(
        ("before", "after", "guess"),
        [
            ([], [Use({"Halyard": HOUR})], came),
            ([Use({"Tally": HOUR})], [Use({"Halyard": HOUR})], changed),
        ],
        ids=["comes", "changes-its-main-application"],
    )
    def test_the_whole_file_tells_of_an_account_what_two_epsilons_allow(
        self, before: list[Use], after: list[Use], guess: Callable[[File], bool]
    ) -> None:
        """Who comes is in both tables, who changes in two cells of one: either way in two cells."""
        others = [Use({name: HOUR}) for name in ("Halyard", "Tally") for _ in range(60)]
        yes = [
            sum(guess(file_of([*others, *extra], seed)) for seed in range(*seeds))
            for extra, seeds in ((after, (0, 2 * SEEDS)), (before, (2 * SEEDS, 4 * SEEDS)))
        ]
        odds = yes[0] / yes[1]
        assert odds <= math.exp(MONTH_COST) * 1.17, "four standard deviations more"
        assert odds > math.exp(EPSILON) * 1.2, "the guess looks at one cell alone"

    def test_without_noise_it_would_be_told_apart_each_time(self) -> None:
        plain = [hidden({"Halyard": count}) for count in (61, 60)]
        assert [guess(table) for table in plain] == [True, False]


def guess(table: dict[str, int | None]) -> bool:
    return (table["Halyard"] or 0) > 60


def test_a_year_bears_twelve_months_and_not_one_more() -> None:
    assert affordable(Fraction(11))
    assert not affordable(Fraction(23, 2))


@pytest.mark.parametrize(
    ("day", "month"),
    [("2026-12-01", "2026-11"), ("2027-01-31", "2026-12"), ("2028-03-01", "2028-02")],
)
def test_the_month_that_is_told_of_is_the_last_whole_one(day: str, month: str) -> None:
    assert month_before(day) == month
