"""Files for spreadsheets compute nothing, whatever the names in them begin with."""

from __future__ import annotations

import csv
import io

import pytest

from chalicelib.edge.sheets import FORMULA, sheet


@pytest.mark.parametrize("first", FORMULA)
def test_no_text_is_taken_for_a_formula_and_numbers_stay_numbers(first: str) -> None:
    text = sheet("some.csv", ["name", "n"], [[f"{first}1+1", -1], ["1=1", 2]]).body
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found == [["name", "n"], [f"'{first}1+1", "-1"], ["1=1", "2"]]
