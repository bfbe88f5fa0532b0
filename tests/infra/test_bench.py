"""The benchmark itself: ratios that cannot flatter, and a sandbox that runs what Lambda runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chalicelib.visits.rules import CACHED, MOST_VISITS, ROOM
from infra.bench.costs import Cost, cost
from infra.bench.figures import Figure
from infra.bench.rolling import Crowd, growth
from infra.bench.sandbox import Failed, Sandbox
from infra.local.package import runtime_folder

if TYPE_CHECKING:
    from pathlib import Path

FUNCTION = """
import os
seen = []

def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked")
    seen.append(event)
    return {"calls": len(seen), "word": os.environ["WORD"], "arn": context.invoked_function_arn}
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "function.py").write_text(FUNCTION)
    return tmp_path


def sandbox(task: Path) -> Sandbox:
    return Sandbox(task, runtime_folder(task / "runtime"), "function.handler", {"WORD": "given"})


def test_a_process_keeps_its_memory_between_invocations(task: Path) -> None:
    with sandbox(task) as running:
        answers = [running.invoke({}) for _ in range(3)]
        assert running.cpu() > 0
    assert [answer["calls"] for answer in answers] == [1, 2, 3]
    assert {answer["word"] for answer in answers} == {"given"}
    assert running.process.poll() is not None


def test_a_failing_function_is_no_figure(task: Path) -> None:
    with sandbox(task) as running, pytest.raises(Failed, match="as asked"):
        running.invoke({"fail": True})


def test_a_function_that_does_not_load_is_no_figure(task: Path) -> None:
    (task / "function.py").write_text("raise ImportError('not here')")
    with sandbox(task) as running, pytest.raises(Failed, match="not here"):
        running.invoke({})


@pytest.mark.parametrize(
    ("figure", "ratio"),
    [
        (Figure("start", 100, "ms", "peer", 250), 2.5),
        (Figure("start", 250, "ms", "peer", 100), 0.4),
        (Figure("lines", 300, "1/s", "peer", 100, more_is_better=True), 3.0),
        (Figure("lines", 100, "1/s", "peer", 400, more_is_better=True), 0.25),
        (Figure("alone", 100, "ms"), None),
    ],
    ids=["faster", "slower", "more", "less", "no_peer"],
)
def test_the_ratio_says_how_many_times_better_ours_is(figure: Figure, ratio: float | None) -> None:
    assert json.loads(figure.line())["ratio"] == ratio


def test_the_roll_up_takes_no_more_memory_for_a_greater_crowd(tmp_path: Path) -> None:
    """Both have more visitors, agents and referrers than it keeps at once."""
    few, many = 60_000, 180_000
    kept = max(MOST_VISITS, CACHED, ROOM)
    assert min(Crowd.of(few).visitors, 4 * Crowd.of(few).agents) > kept
    assert growth(tmp_path, few, many) < 1.1


def test_units_of_writes_are_told_from_units_of_reads() -> None:
    rows = [
        {"action": "Query", "units": 2},
        {"action": "TransactWriteItems", "units": 4},
        {"action": "UpdateItem", "units": 1},
    ]
    assert cost(rows) == Cost(calls=3, units=7, written=5)


def test_a_line_has_the_six_facts() -> None:
    said = json.loads(Figure("start", 100.12345, "ms", "peer", 250).line())
    assert list(said) == ["name", "value", "unit", "peer", "peer_value", "ratio"]
    assert said["value"] == 100.123
