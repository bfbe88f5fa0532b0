"""The gate of the promises: at the end of a whole run each had a passing test and none that failed.

A test says which promises it proves by `@pytest.mark.promise("PS-nn", ...)`. The ids travel with
its report, so that the gate also sees them where the tests run in other processes. So do figures
for the proof page: only those of a whole run are kept, with the tree that ran, and none of a
sabotage.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, cast

import pytest

from chalicelib.privacy.promises import Promise, promises
from infra.tools import evidence
from tests.needs import absent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _pytest.terminal import TerminalReporter

PROPERTY, FIGURE = "promise", "figure"

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
Outcomes = dict[str, dict[str, str]]


def shortcomings(
    known: Mapping[str, Promise],
    outcomes: Mapping[str, Mapping[str, str]],
    *,
    some_skipped: bool = False,
) -> list[str]:
    """What a whole run leaves to be said, one sentence a promise; none where all of it held.

    `some_skipped`: this machine lacks what some tests need, and the run says so by itself.
    """
    said = [f"{name} is marked by a test and is no promise" for name in outcomes.keys() - known]
    for name, promise in known.items():
        results = outcomes.get(name, {})
        failed = [test for test, outcome in results.items() if outcome == FAILED]
        if failed:
            said.append(f"{name} has a test that failed: {failed[0]}")
        elif not promise.in_scope or PASSED in results.values():
            continue
        elif not results:
            said.append(f"{name} has no test: {promise.says}")
        elif not some_skipped:
            said.append(f"{name} has no test that passed")
    return sorted(said)


class Gate:
    """Hears what became of each test that is marked, and judges a whole run."""

    def __init__(self, config: pytest.Config) -> None:
        self.whole = is_whole(config)
        self.telling = self.whole or is_whole(config, PROPERTY)
        self.root = config.rootpath
        self.tree = evidence.tree(self.root) if self.telling else ""
        self.outcomes: Outcomes = defaultdict(dict)
        self.figures: dict[str, str] = {}
        self.said: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == PROPERTY:
                self.hear(str(value), report)
            elif name == FIGURE:
                said, figure = cast("tuple[str, str]", value)
                self.figures[said] = figure

    def hear(self, promise: str, report: pytest.TestReport) -> None:
        """A test passed where its call did; whatever else fails, before or after, is a failure."""
        results = self.outcomes[promise]
        if report.failed or results.get(report.nodeid) == FAILED:
            results[report.nodeid] = FAILED
        elif report.skipped:
            results[report.nodeid] = SKIPPED
        elif report.when == "call":
            results[report.nodeid] = PASSED

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        if not ended or not self.telling:
            return
        evidence.keep("tests", self.tree, self.outcomes, self.root)
        evidence.keep("linkage", self.tree, self.figures, self.root)
        if self.whole:
            self.said = shortcomings(promises(), self.outcomes, some_skipped=bool(absent()))
        if self.said:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        for sentence in self.said:
            terminalreporter.write_line(f"promise: {sentence}", red=True)


def is_whole(config: pytest.Config, mark: str = "") -> bool:
    """Whether every test runs that is marked so, or every test there is: nothing else chooses."""
    chosen = [config.getoption(name, None) for name in ("keyword", "deselect", "collectonly")]
    everywhere = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    return everywhere and not any(chosen) and (config.getoption("markexpr") or "") == mark


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        ids = {str(name) for mark in item.iter_markers(PROPERTY) for name in mark.args}
        item.user_properties.extend((PROPERTY, name) for name in sorted(ids))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker's reports are heard by who started it
        config.pluginmanager.register(Gate(config), "promises")
