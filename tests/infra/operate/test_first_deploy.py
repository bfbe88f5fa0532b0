"""docs/first-deploy.md: every line is marked, its example is good, its counts are right."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from infra.operate.deployment import FORMS, Deployment, read_deployment
from infra.operate.smoke import CHECKS
from infra.package import ROOT
from tests.infra.operate.test_preflight import PLANTED

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT / "docs" / "first-deploy.md").read_text()
MARKS = {"[here]", "[stand-in]", "[AWS]", "[here], [AWS]"}
LINES = re.findall(r"^\| (\d+) \|(.*)\|$", TEXT, re.MULTILINE)
# A word for a number, as the document writes them.
NUMBERS = {11: "eleven"}
TARGET = re.compile(r"`make ([a-z-]+)")


def test_lines_are_numbered_through_and_each_is_marked() -> None:
    assert [int(number) for number, _ in LINES] == list(range(1, len(LINES) + 1))
    for number, line in LINES:
        assert line.rpartition("|")[2].strip() in MARKS, number


def test_the_first_line_that_needs_an_account_is_named() -> None:
    first = next(number for number, line in LINES if "[AWS]" in line)
    assert f"The first of them is line {first}." in TEXT
    before = [line for number, line in LINES if int(number) < int(first)]
    assert {line.rpartition("|")[2].strip() for line in before} == {"[here]", "[stand-in]"}


def test_the_command_line_comes_before_what_needs_it_and_its_version_is_said_once() -> None:
    (number,) = (number for number, line in LINES if "Install the AWS command line" in line)
    first = next(number for number, line in LINES if "make preflight" in line)
    assert int(number) < int(first)
    assert len(re.findall(r"version \d", TEXT)) == 1


def test_the_line_that_the_preflight_names_is_that_of_the_file() -> None:
    assert "Write `prod.json`" in dict(LINES)["6"]


def test_its_example_of_parameters_is_taken(tmp_path: Path) -> None:
    example = TEXT.split("```json\n")[1].split("```")[0]
    file = tmp_path / "prod.json"
    file.write_text(example)
    made = read_deployment("prod", file)
    assert made == Deployment("prod", **json.loads(example))
    assert made.host == "www.cetrus.example"


@pytest.mark.parametrize("name", FORMS)
def test_every_parameter_is_explained(name: str) -> None:
    assert re.search(rf"^\| .*`{name}`.* \|", TEXT, re.MULTILINE)


def test_what_it_counts_is_so_many() -> None:
    assert f"each of {len(PLANTED)} planted omissions" in TEXT
    assert TEXT.count(f"{NUMBERS[len(CHECKS)]} lines, all `ok`") == 2


@pytest.mark.parametrize("target", sorted(set(TARGET.findall(TEXT))))
def test_every_target_that_it_names_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
