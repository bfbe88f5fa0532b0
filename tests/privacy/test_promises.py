"""The list of promises is whole: all that it names exists, and the gate sees what it should."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.privacy.promises import KINDS, Promise, made, promises
from chalicelib.privacy.proof import code_hash
from infra.fragments import read_fragment
from infra.tools import evidence, mutants
from infra.tools import promises as report
from tests import gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = evidence.ROOT
PROMISES = list(promises().values())
TEMPLATES = ("infra/resources.yaml", "infra/roles.yaml", "infra/edge.yaml")
MARK = re.compile(r"""\.promise\(([^)]*)\)""")
NAME = re.compile(r"""["']([^"']+)["']""")


def marked() -> dict[str, set[str]]:
    """For each id that a test's source marks, the files that do."""
    found: dict[str, set[str]] = defaultdict(set)
    for folder in ("tests", "client/tests"):
        for path in (ROOT / folder).rglob("test_*.py"):
            for names in MARK.findall(path.read_text()):
                for name in NAME.findall(names):
                    found[name].add(str(path.relative_to(ROOT)))
    return found


def marks(node: ast.AST) -> set[str]:
    """The promises that decorators, or a module's `pytestmark`, name."""
    calls = [c for c in ast.walk(node) if isinstance(c, ast.Call)]
    return {
        str(name.value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "promise"
        for name in call.args
        if isinstance(name, ast.Constant)
    }


def of_node(node: ast.stmt) -> set[str]:
    return set[str]().union(*(marks(one) for one in getattr(node, "decorator_list", [])))


@cache
def source(file: str) -> tuple[ast.stmt, ...]:
    return tuple(ast.parse((ROOT / file).read_text()).body)


def marks_of(test: str) -> set[str]:
    """The promises that a test is marked with, by itself, its class or its module."""
    file, *names = test.partition("[")[0].split("::")
    body = source(file)
    found = set[str]().union(*(marks(node) for node in body if is_pytestmark(node)))
    for name in names:
        (node,) = [one for one in body if getattr(one, "name", "") == name]
        found |= of_node(node)
        body = tuple(getattr(node, "body", ()))
    return found


def is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    )


def noticed_by_its_tests(promise: Promise) -> Iterator[str]:
    """Those of its sabotages that a test which is marked with it has to notice."""
    for name in promise.mutants:
        if any(promise.id in marks_of(test) for test in MUTANTS[name].tests):
            yield name


MARKED = marked()
LOGICAL_IDS = {name for file in TEMPLATES for name in read_fragment(ROOT / file)["Resources"]}
MUTANTS = {mutant.name: mutant for mutant in mutants.load()}
IN_SCOPE = [promise for promise in PROMISES if promise.in_scope]


def found(place: str) -> bool:
    """Whether a file, a module, or something that a module defines is there."""
    if "/" in place:
        return (ROOT / place).is_file()
    module, inside = place, list[str]()
    while True:
        try:
            at: object = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            inside.insert(0, last)
            if not module:
                return False
    for name in inside:
        at = getattr(at, name, None)
    return at is not None


def test_the_list_is_all_of_them_in_order() -> None:
    assert [promise.id for promise in PROMISES] == [f"PS-{n:02}" for n in range(1, 84)]
    assert len({promise.says for promise in PROMISES}) == 83


def test_what_is_deferred_says_why_and_needs_the_desk() -> None:
    deferred = {promise.id: promise.deferred for promise in PROMISES if promise.deferred}
    assert deferred.keys() == {"PS-50", "PS-51", "PS-52"}
    assert all(reason.endswith(".") for reason in deferred.values())
    assert [promise.id for promise in PROMISES if promise.part_deferred] == ["PS-46", "PS-67"]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.id)
class TestEachPromise:
    def test_what_it_names_is_there(self, promise: Promise) -> None:
        assert [place for place in promise.control if not found(place)] == []
        assert set(promise.template) <= LOGICAL_IDS

    def test_each_sabotage_that_it_names_breaks_it(self, promise: Promise) -> None:
        for name in promise.mutants:
            assert name in MUTANTS, f"no mutant {name}"
            assert promise.id in MUTANTS[name].breaks, f"{name} does not say that it breaks it"


@pytest.mark.parametrize("promise", IN_SCOPE, ids=lambda promise: promise.id)
class TestEachPromiseInScope:
    def test_something_keeps_it(self, promise: Promise) -> None:
        assert promise.control

    def test_a_test_is_marked_with_it(self, promise: Promise) -> None:
        assert MARKED[promise.id]

    def test_what_must_not_be_possible_is_tried(self, promise: Promise) -> None:
        assert promise.mutants or "control" not in promise.kind

    def test_one_that_is_marked_with_it_notices_a_sabotage(self, promise: Promise) -> None:
        """Without this, a promise could live on sabotages that have nothing to do with it."""
        assert any(noticed_by_its_tests(promise)) or not promise.mutants


def test_no_test_and_no_mutant_names_what_is_no_promise() -> None:
    broken = {name for mutant in MUTANTS.values() for name in mutant.breaks}
    assert {name for name in MARKED.keys() | broken if name.startswith("PS-")} <= set(promises())


def test_a_promise_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind"):
        made("PS-99", {"says": "All is well.", "kind": ["hope"]})
    assert PROMISES[0].kind <= KINDS


def entry(name: str, **more: object) -> Promise:
    return made(name, {"says": f"{name}.", "kind": ["control"], **more})


KNOWN = {name: entry(name) for name in ("PS-1", "PS-2")}


class TestTheGate:
    def test_it_is_silent_where_each_promise_had_a_test_that_passed(self) -> None:
        outcomes = {"PS-1": {"a": "passed", "b": "skipped"}, "PS-2": {"a": "passed"}}
        assert gate.shortcomings(KNOWN, outcomes) == []

    def test_it_names_what_failed_was_not_tested_or_only_skipped(self) -> None:
        failed = {"PS-1": {"a": "passed", "b": "failed"}, "PS-2": {"a": "passed"}}
        assert gate.shortcomings(KNOWN, failed) == ["PS-1 has a test that failed: b"]
        untested = {"PS-1": {"a": "passed"}}
        assert gate.shortcomings(KNOWN, untested) == ["PS-2 has no test: PS-2."]
        skipped = {"PS-1": {"a": "skipped"}, "PS-2": {"a": "passed"}}
        assert gate.shortcomings(KNOWN, skipped) == ["PS-1 has no test that passed"]
        assert gate.shortcomings(KNOWN, skipped, some_skipped=True) == []

    def test_a_mark_that_is_no_promise_is_told(self) -> None:
        outcomes = {name: {"a": "passed"} for name in ("PS-1", "PS-2", "PS-3")}
        assert gate.shortcomings(KNOWN, outcomes) == ["PS-3 is marked by a test and is no promise"]

    def test_what_is_deferred_is_not_asked_for(self) -> None:
        known = KNOWN | {"PS-2": entry("PS-2", deferred="It waits.")}
        kept = {"PS-1": {"a": "passed"}}
        assert gate.shortcomings(known, kept) == []
        assert gate.shortcomings(known, kept | {"PS-2": {"a": "failed"}}) == [
            "PS-2 has a test that failed: a"
        ]


class TestTheReport:
    def result(self, promise: Promise, tests: dict[str, str], broken: dict[str, str] | None) -> str:
        return report.judged(promise, tests, broken).result

    def test_a_control_holds_where_tests_pass_and_every_sabotage_was_noticed(self) -> None:
        promise, passed = entry("PS-1"), {"a": "passed"}
        assert self.result(promise, passed, {"m": "killed"}) == "holds"
        assert self.result(promise, passed, {"m": "killed", "n": "SURVIVED"}) == "BROKEN"
        assert self.result(promise, passed, {"m": "BROKEN"}) == "BROKEN"
        assert self.result(promise, passed | {"b": "failed"}, {"m": "killed"}) == "BROKEN"
        assert self.result(promise, passed, {}) == "UNPROVED"
        assert self.result(promise, {}, {"m": "killed"}) == "UNPROVED"
        assert self.result(promise, passed | {"b": "skipped"}, {"m": "killed"}) == "UNPROVED"

    def test_a_feature_holds_where_its_tests_pass(self) -> None:
        assert self.result(entry("PS-1", kind=["feature"]), {"a": "passed"}, {}) == "holds"

    def test_without_sabotage_a_line_never_says_killed(self) -> None:
        line = str(report.judged(entry("PS-1"), {"a": "passed"}, None))
        assert "no sabotage tried" in line
        assert "killed" not in line

    def test_what_is_deferred_is_never_said_to_hold(self) -> None:
        promise = entry("PS-1", deferred="It waits.")
        assert self.result(promise, {"a": "passed"}, {"m": "killed"}) == "deferred"

    def test_it_names_the_files_that_it_is_of_and_what_the_attacks_came_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kept = {"tests": dict[str, Any](), "linkage": {"linked": "1 of 1000"}}
        monkeypatch.setattr(report, "OUT", tmp_path / "promises.json")
        monkeypatch.setattr(evidence, "tree", lambda: "this tree")
        monkeypatch.setattr(
            evidence, "kept", lambda name, of: kept[name] if of == "this tree" else None
        )
        assert report.main(["--quick"]) == 1
        assert f"{len(PROMISES)} promises: 0 holds" in capsys.readouterr().out
        told = json.loads((tmp_path / "promises.json").read_text())
        assert (told["tree"], told["code"]) == ("this tree", code_hash())
        assert told["commit"] == evidence.commit()
        assert told["linkage"] == {"linked": "1 of 1000"}


class TestEvidence:
    def test_it_is_good_for_the_very_files_that_it_was_made_from(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("one")
        of = evidence.tree(tmp_path)
        assert evidence.keep("tests", of, {"PS-1": {}}, tmp_path)
        assert evidence.kept("tests", of, tmp_path) == {"PS-1": {}}
        (tmp_path / "a").write_text("two")
        assert evidence.kept("tests", evidence.tree(tmp_path), tmp_path) is None
        assert not evidence.keep("tests", of, {}, tmp_path)


SUITE = """
import pytest

@pytest.mark.promise('PS-01')
def test_one(): pass

@pytest.mark.promise('PS-02')
class TestTwo:
    def test_a(self, told): pass
    def test_b(self): assert False

@pytest.fixture
def broken():
    yield
    raise OSError

@pytest.fixture
def told(record_property):
    yield
    record_property('figure', ('linked', '1 of 1000'))

@pytest.mark.promise('PS-03', 'PS-01')
def test_three(broken): pass
"""


def left_here() -> dict[str, str]:
    """What runs of this very tree have found."""
    folder = ROOT / evidence.FOLDER
    return {path.name: path.read_text() for path in sorted(folder.glob("*.json"))}


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_hears_of_every_test_also_from_other_processes(
    tmp_path: Path, processes: str
) -> None:
    ours = left_here()
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "heard.py").write_text(HEARD)
    settings = "[pytest]\ntestpaths = .\nmarkers = promise(id): one\n"
    (tmp_path / "pytest.ini").write_text(settings + "addopts = -p no:cacheprovider\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", processes, "-p", "tests.gate", "-p", "heard"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
    )  # fmt: skip
    assert done.returncode == 1
    outcomes, figures = json.loads((tmp_path / ".heard.json").read_text())
    assert figures == {"linked": "1 of 1000"}
    assert {name: sorted(each.values()) for name, each in outcomes.items()} == {
        "PS-01": ["failed", "passed"], "PS-02": ["failed", "passed"], "PS-03": ["failed"],
    }  # fmt: skip
    assert "promise: PS-02 has a test that failed" in done.stdout
    assert "promise: PS-04 has no test" in done.stdout
    of = evidence.tree(tmp_path)
    assert evidence.kept("tests", of, tmp_path) == outcomes
    assert evidence.kept("linkage", of, tmp_path) == figures
    assert left_here() == ours


HEARD = """
import json

def pytest_unconfigure(config):
    if gate := config.pluginmanager.get_plugin("promises"):
        open(".heard.json", "w").write(json.dumps([gate.outcomes, gate.figures]))
"""
