"""The cost table: the document shows what its own formulas give, worked out here a second time."""

from __future__ import annotations

import re

import pytest

from infra import costs
from infra.costs import (
    AMOUNTS,
    ASSUMED,
    DOCUMENT,
    LAUNCHES,
    PRICES,
    ROWS,
    counted,
    measured,
    month,
)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def shown() -> dict[str, list[float]]:
    """The first table of the document: USD by row."""
    text = DOCUMENT.read_text()
    table = text[text.index("| USD a month") : text.index("| row | formula |")]
    rows = (cells(line) for line in table.strip().splitlines()[2:])
    return {
        name.strip("* "): [float(value.strip("*").replace(",", "")) for value in values]
        for name, *values in rows
    }


def test_the_document_is_made_of_the_formulas_as_they_stand() -> None:
    text = DOCUMENT.read_text()
    assert costs.with_tables(text) == text, "run: python -m infra.costs --write"


@pytest.mark.parametrize("launches", LAUNCHES)
def test_the_rows_add_up(launches: int) -> None:
    column = LAUNCHES.index(launches)
    rows = shown()
    added = sum(rows[name][column] for name, _ in ROWS)
    assert rows["All"][column] == pytest.approx(added, abs=0.01 * len(ROWS))
    assert rows["All"][column] == pytest.approx(costs.total(launches), abs=0.01)


def test_ten_million_launches_worked_out_by_hand() -> None:
    units, launches = measured(), 10_000_000
    beats = launches * 3600 / ASSUMED["beat_seconds"]
    requests = launches * 3 + beats + launches / 50 * 10
    rows = month(launches)[1]
    assert rows["Gateway"] == pytest.approx(requests * PRICES["gateway"])
    a_launch = sum(units[f"{name}_write"] for name in ("launch", "end", "token", "counted"))
    swept = 8640 * 16_000  # as many licenses as one run gets to
    written = launches * a_launch + beats * units["beat_write"] + swept * units["mark_write"] / 72
    # A day of each license is written down, and the planner looks at as many accounts as it can.
    looks = min(200_000, counted()["planner_runs"] * counted()["looks_a_run"])
    written += 30 * 200_000 * units["log_write"] + 30 * looks * units["look_write"]
    assert rows["Tables: writing"] == pytest.approx(written * PRICES["write_unit"])
    assert rows["Mail"] == pytest.approx(launches / 50 * 6 * PRICES["mail"])


def test_every_number_is_used_and_every_formula_knows_its_numbers() -> None:
    named = {
        name for _, formula in (*AMOUNTS, *ROWS) for name in re.findall(r"[a-z_]+", formula)
    } - {"min", "e"}
    given = {*PRICES, *ASSUMED, *counted(), *costs.MONTH, *measured()}
    assert given <= named
    assert named <= given | {name for name, _ in AMOUNTS} | {"launches"}


def test_a_formula_reaches_nothing_but_numbers() -> None:
    with pytest.raises(NameError):
        costs.worked_out("__import__('os')", {})


def test_a_document_without_a_place_for_them_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        costs.with_tables("# Costs\n")
