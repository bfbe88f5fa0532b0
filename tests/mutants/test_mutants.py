"""The sabotages cannot rot: each still fits the code, and the tests that it names are there.

Running them is `make mutants`.
"""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from infra.tools.mutants import ROOT, Mutant, load

MUTANTS = load()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_and_is_still_code(mutant: Mutant) -> None:
    changed = mutant.applied((ROOT / mutant.file).read_text())
    if mutant.file.endswith(".py"):
        compile(changed, mutant.file, "exec")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_tests_are_there(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, *names = test.partition("[")[0].split("::")
        body: list[ast.stmt] = ast.parse((ROOT / file).read_text()).body
        assert names, f"{test} names no test"
        for name in names:
            found = {node.name: node for node in body if hasattr(node, "name")}
            assert name in found, f"{test} is not there"
            body = getattr(found[name], "body", [])


def test_each_says_by_a_name_of_its_own_what_it_breaks() -> None:
    assert {name for name, times in Counter(m.name for m in MUTANTS).items() if times > 1} == set()
    assert [m.name for m in MUTANTS if not m.why or not m.breaks] == []


def test_every_guarantee_is_broken_in_two_ways_at_least() -> None:
    broken = Counter(promise for mutant in MUTANTS for promise in mutant.breaks)
    assert [f"G{n}" for n in range(1, 13) if broken[f"G{n}"] < 2] == []
