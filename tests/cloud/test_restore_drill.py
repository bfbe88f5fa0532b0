"""`make restore-drill` holds to its last sentence, on a cloud of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from infra.local.front.command import ROOT


@pytest.mark.guarantee("G10")
@pytest.mark.promise("PS-45")
@pytest.mark.promise("PS-73")
@pytest.mark.promise("PS-83")
def test_the_drill_brings_back_everything_but_what_was_erased() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.operate.drill"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ben's profile does not open." in done.stdout
    assert "With the grants back, Ada's profile opens." in done.stdout
    assert "A tombstone and the books are left." in done.stdout
    assert "No mail finds Cleo." in done.stdout
    assert "42 sentences held" in done.stdout, "docs/first-deploy.md says so"
