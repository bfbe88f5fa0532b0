"""What goes with a release to the proof page: results that are whole, hold, and are of its code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.privacy import wiring as records
from chalicelib.privacy.promises import promises
from infra.operate import deploy, proof
from infra.operate.proof import after_deploying, lacking
from tests.infra.operate.world import deployment
from tests.privacy.test_proof import results

if TYPE_CHECKING:
    from pathlib import Path

    from infra.operate.deployment import Deployment
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-45")


@dataclass
class Operator:
    """Stands for the command that publishes; `code` is how it ends."""

    code: int = 0
    published: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, chosen: Deployment, path: Path) -> int:
        self.published.append((chosen.stack, path.name))
        return self.code


def written(folder: Path, **changed: Any) -> Path:
    """As `make promises` leaves them where all holds."""
    found = results()
    found["promises"][1] |= {"result": "holds", "tests": {"test_one": "passed"}}
    path = folder / "promises.json"
    path.write_text(json.dumps(found | changed))
    return path


def changed(**facts: Any) -> dict[str, Any]:
    found = results()["promises"]
    found[1] |= {"result": "holds", "tests": {"test_one": "passed"}} | facts
    return {"promises": found}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "of-other-code": ({"code": "0" * 64}, "of other code"),
    "without-sabotages": ({"quick": True}, "not run whole"),
    "of-some-promises": ({"promises": results()["promises"][2:]}, "not run whole"),
    "broken": (changed(result="BROKEN"), "PS-02"),
    "unproved": (changed(result="UNPROVED"), "PS-02"),
    "a-test-failed": (changed(tests={"test_one": "failed"}), "does not hold"),
    "no-test": (changed(tests={}), "does not hold"),
    "a-sabotage-lived": (changed(mutants={"x": "survived"}), "does not hold"),
    "unreadable": ({"promises": None}, "cannot be read"),
}


class TestARelease:
    def test_its_own_results_go_with_it(self, tmp_path: Path) -> None:
        operator = Operator()
        said = after_deploying(deployment(), written(tmp_path), operator)
        assert operator.published == [("cetrus-prod", "promises.json")]
        assert said == "The proof page has what make promises found of this code, signed."

    @pytest.mark.parametrize(("facts", "why"), BAD.values(), ids=BAD)
    def test_results_that_are_not_fit_are_left_and_why_is_said(
        self, facts: dict[str, Any], why: str, tmp_path: Path
    ) -> None:
        operator = Operator()
        said = after_deploying(deployment(), written(tmp_path, **facts), operator)
        assert operator.published == []
        assert why in said
        assert "make promises\n" in said
        assert "infra.operate.proof --stack cetrus-prod" in said

    def test_where_there_are_none_the_two_commands_are_said(self, tmp_path: Path) -> None:
        operator = Operator()
        said = after_deploying(deployment(), tmp_path / "none.json", operator)
        assert operator.published == []
        first, *commands = said.splitlines()
        assert "make promises was not run here" in first
        assert commands == [
            "  make promises",
            "  .venv/bin/python -m infra.operate.proof --stack cetrus-prod",
        ]

    def test_what_could_not_be_published_is_not_called_published(self, tmp_path: Path) -> None:
        said = after_deploying(deployment(), written(tmp_path), Operator(code=1))
        assert "could not be published" in said

    def test_an_earlier_one_takes_none_of_what_lies_here(self) -> None:
        assert "stale" in deploy.proven(deployment(), earlier=True)


class TestByHand:
    def test_what_does_not_hold_is_published_as_that(
        self, tables: Tables, clock: FakeClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = written(tmp_path, **(results() | {"quick": True}))
        assert proof.main(["--results", str(path)]) == 0
        said = capsys.readouterr()
        told = json.loads(said.out)
        assert told["results"] == {"holds": len(promises()) - 1, "BROKEN": 1}
        assert "not all holds, {'BROKEN': 1}" in said.err
        assert "no sabotage was tried" in said.err
        body = records.proof_board().tests().body
        assert body
        assert body["promises"][1]["result"] == "BROKEN"

    @pytest.mark.parametrize("which", ["a-test-failed", "no-test", "a-sabotage-lived"])
    def test_what_its_own_tests_deny_is_not_published(
        self, which: str, tables: Tables, clock: FakeClock, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        path = written(tmp_path, **BAD[which][0])
        assert proof.main(["--results", str(path)]) == 1
        assert "PS-02 is said to hold" in capsys.readouterr().err
        assert records.proof_board().tests().body is None

    def test_results_that_are_whole_and_good_lack_nothing(self, tmp_path: Path) -> None:
        assert lacking(written(tmp_path)) == ""
