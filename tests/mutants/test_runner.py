"""The runner itself, on a tree of one function: it counts no mutant that it did not see killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.tools import evidence
from infra.tools.mutants import Copy, Mutant, Run, kept_as_found, load, main

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

CODE = "def least(numbers):\n    return min(numbers)\n"
TEST = """
from code_of_ours import least

def test_the_least_is_found():
    assert least([2, 1, 3]) == 1

def test_it_is_a_number():
    assert least([2, 1, 3]) >= 1
"""
MUTANT = """
[[mutant]]
name = "{name}"
breaks = ["G1"]
why = "It is wrong."
file = "code_of_ours.py"
search = "{search}"
replace = "{replace}"
tests = ["tests/test_least.py::{test}"]
"""
FOUND, NUMBER = "test_the_least_is_found", "test_it_is_a_number"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tests" / "mutants").mkdir(parents=True)
    (tmp_path / "client").mkdir()
    (tmp_path / "code_of_ours.py").write_text(CODE)
    (tmp_path / "tests" / "test_least.py").write_text(TEST)
    return tmp_path


def told(
    tree: Path, capsys: pytest.CaptureFixture[str], *mutants: tuple[str, str, str, str]
) -> tuple[int, dict[str, str]]:
    """The exit status, and the outcome of each mutant by its name."""
    entries = (MUTANT.format(name=n, search=s, replace=r, test=t) for n, s, r, t in mutants)
    (tree / "tests" / "mutants" / "all.toml").write_text("".join(entries))
    status = main([], tree)
    *lines, _ = capsys.readouterr().out.splitlines()
    return status, {line.split()[1]: line.split()[0] for line in lines}


def test_only_what_every_named_test_noticed_is_killed(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, outcomes = told(
        tree,
        capsys,
        ("noticed", "min(numbers)", "max(numbers)", FOUND),
        ("unnoticed", "min(numbers)", "max(numbers)", NUMBER),
        ("misfit", "mean(numbers)", "max(numbers)", FOUND),
        ("nonsense", "min(numbers)", "mim(numbers)", FOUND),
    )
    assert outcomes == {
        "noticed": "killed", "unnoticed": "SURVIVED", "misfit": "BROKEN", "nonsense": "BROKEN",
    }  # fmt: skip
    assert status == 1
    assert (tree / "code_of_ours.py").read_text() == CODE


def test_all_killed_is_success(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killed = ("noticed", "min(numbers)", "max(numbers)", FOUND)
    assert told(tree, capsys, killed) == (0, {"noticed": "killed"})


def test_a_test_that_fails_without_the_mutant_judges_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "code_of_ours.py").write_text(CODE.replace("min", "max"))
    status, outcomes = told(tree, capsys, ("late", "max(numbers)", "sum(numbers)", FOUND))
    assert (status, outcomes) == (1, {"late": "BROKEN"})


def test_a_run_that_is_cut_short_keeps_what_it_found(tree: Path) -> None:
    entry = MUTANT.format(name="first", search="min(", replace="max(", test=FOUND)
    (tree / "tests" / "mutants" / "all.toml").write_text(
        entry + entry.replace("first", "second").replace("max(", "sum(")
    )
    verdicts = kept_as_found(load(tree), tree)
    assert next(verdicts).mutant.name == "first"
    verdicts.close()
    assert evidence.kept("mutants", evidence.tree(tree), tree) == {"first": "killed"}


def test_a_mutant_never_runs_on_the_bytecode_of_the_original(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, seen = Copy(tree, tmp_path.parent / f"{tmp_path.name}-copy"), []
    code = copy.root / "code_of_ours.py"

    def run(_self: Copy, _tests: Iterable[str], _seconds: float) -> Run:
        seen.append(int(code.stat().st_mtime))
        return Run()

    monkeypatch.setattr(Copy, "run", run)
    known = int(code.stat().st_mtime)
    copy.judge(Mutant("same_length", ("G1",), "", "code_of_ours.py", "min(", "max(", ()))
    assert seen[0] > known
    assert int(code.stat().st_mtime) == known
