"""What the cost table counts is what the templates and the code have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.mail import planner
from infra.costs import ASSUMED, COUNTED
from infra.operate.edge import read_edge
from infra.package import ROOT

if TYPE_CHECKING:
    from tests.infra.template.evaluator import Template

MINUTES = {"minute": 1, "hour": 60, "day": 1440}
DAILY = "cron(30 2 * * ? *)"
LITERAL = re.compile(r'\b(?:count|failure)\(\s*"([a-z_]+)"')
MADE_UP = re.compile(r'\b(?:count|failure)\(f"([a-z_]+\{[^}]+\})"')
OF_EACH = 3
"""Names that one of those makes which are put together: objects, events, failed."""


def runs_a_day(expression: str) -> float:
    if expression == DAILY:
        return 1
    every, unit = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression).groups()  # type: ignore[union-attr]  # a new form fails here
    return 1440 / (int(every) * MINUTES[unit])


def watched(alarm: dict[str, Any]) -> int:
    """How many metrics an alarm looks at: each is paid for."""
    return sum("MetricStat" in one for one in alarm["Metrics"]) if "Metrics" in alarm else 1


def test_jobs_run_as_often_as_their_schedules_say(template: Template) -> None:
    rules = template.of_type("AWS::Events::Rule").values()
    assert COUNTED["runs_a_day"] == sum(runs_a_day(rule["ScheduleExpression"]) for rule in rules)


def test_alarms_and_keys_are_those_of_both_templates(template: Template) -> None:
    edge = [
        made["Properties"]
        for made in read_edge()["Resources"].values()
        if made["Type"] == "AWS::CloudWatch::Alarm"
    ]
    alarms = [*template.of_type("AWS::CloudWatch::Alarm").values(), *edge]
    assert COUNTED["alarms"] == sum(map(watched, alarms))
    assert COUNTED["keys"] == len(template.of_type("AWS::KMS::Key"))


def test_metrics_are_about_as_many_as_the_names_that_the_code_counts() -> None:
    text = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    names, made_up = set(LITERAL.findall(text)), set(MADE_UP.findall(text))
    counted = len(names) + OF_EACH * len(made_up)
    assert COUNTED["metrics_of_ours"] == pytest.approx(counted, rel=0.1)


def test_the_planner_takes_as_many_at_once() -> None:
    assert COUNTED["walked"] == planner.WALKED
    assert COUNTED["looks_a_run"] == planner.MOST_LOOKS


def test_functions_may_run_as_long_as_is_assumed(template: Template) -> None:
    functions = template.of_type("AWS::Lambda::Function")
    assert ASSUMED["sweep_seconds"] == functions["LicenseSweep"]["Timeout"]
    assert ASSUMED["log_seconds"] == functions["EventLog"]["Timeout"]
