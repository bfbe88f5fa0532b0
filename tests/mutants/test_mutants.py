"""The mutants still fit the code: each edit applies, and the tests it names are there."""

from __future__ import annotations

import pytest

from infra.tools.mutants import ROOT, Mutant, read_mutants


@pytest.mark.parametrize("mutant", read_mutants(), ids=lambda mutant: str(mutant.name))
def test_a_mutant_fits(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.search) == 1
    assert mutant.search != mutant.replace
    for name in mutant.tests:
        assert (ROOT / name).exists(), name
