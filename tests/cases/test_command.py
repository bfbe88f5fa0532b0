"""The operator's commands for cases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.privacy.acts import OPERATOR
from infra import admin
from tests.cases.conftest import FORM, by_form, deliver, raw


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert admin.main([*arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_open_cases_are_listed_without_a_word_of_what_was_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = by_form()
    deliver(raw("A question on security"))
    assert admin.main(["cases"]) == 0
    text = capsys.readouterr().out
    assert [value for value in FORM.values() if value in text] == []
    listed = json.loads(text)["open"]
    assert [one["kind"] for one in listed] == ["security", "support"]
    assert listed[0]["mail"] == "in/a"
    assert listed[1]["id"] == case.id


@pytest.mark.promise("PS-67")
def test_a_number_is_seen_for_an_open_case_or_not_at_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    case = by_form()
    assert ran(capsys, "case", "--case", case.id)["written"] == FORM
    assert ran(capsys, "case-close", "--case", case.id)["state"] == "closed"
    assert admin.main(["case", "--case", case.id]) == 1
    assert FORM["phone"] not in (said := capsys.readouterr()).out + said.err
    assert ran(capsys, "cases") == {"open": []}


@pytest.mark.promise("PS-45")
def test_closing_one_is_on_the_operators_chain_once(capsys: pytest.CaptureFixture[str]) -> None:
    case = by_form()
    for _ in range(2):
        ran(capsys, "case-close", "--case", case.id)
    rows = [row.entry.reason for row in wiring.cases().ledger.rows(OPERATOR)]
    assert rows == [f"command:case-close:{case.id}"]


def test_no_such_case_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert admin.main(["case-close", "--case", "cas_none"]) == 1
    assert "no such case" in capsys.readouterr().err
