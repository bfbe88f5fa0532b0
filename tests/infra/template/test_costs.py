"""What the cost table counts is what the packaged template has, and about what the code sends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from infra.costs import ASSUMED, counted, runs_a_day, watched
from infra.package import ROOT

if TYPE_CHECKING:
    from tests.infra.template.evaluator import Template

LITERAL = re.compile(r'\b(?:count|failure)\(\s*"([a-z_]+)"')
MADE_UP = re.compile(r'\b(?:count|failure)\(f"([a-z_]+\{[^}]+\})"')
OF_EACH = 3
"""Names that one of those makes which are put together: objects, events, failed."""


def test_jobs_run_as_often_as_their_schedules_say(template: Template) -> None:
    rules = template.of_type("AWS::Events::Rule").values()
    assert counted()["runs_a_day"] == sum(runs_a_day(rule["ScheduleExpression"]) for rule in rules)


@pytest.mark.parametrize(
    ("schedule", "runs"),
    [("rate(1 minute)", 1440), ("rate(15 minutes)", 96), ("rate(1 hour)", 24), ("rate(1 day)", 1),
     ("cron(30 2 * * ? *)", 1)],
)  # fmt: skip
def test_a_schedule_is_so_many_runs_a_day(schedule: str, runs: int) -> None:
    assert runs_a_day(schedule) == runs


def test_every_schedule_of_another_form_runs_once_a_day(template: Template) -> None:
    for rule in template.of_type("AWS::Events::Rule").values():
        schedule = rule["ScheduleExpression"]
        assert schedule.startswith("rate(") or re.fullmatch(
            r"cron\(\d+ \d+ \* \* \? \*\)", schedule
        )


def test_alarms_and_keys_are_those_of_the_template_and_one_of_the_edge(template: Template) -> None:
    alarms = template.of_type("AWS::CloudWatch::Alarm").values()
    assert counted()["alarms"] == sum(map(watched, alarms)) + 1
    assert counted()["keys"] == len(template.of_type("AWS::KMS::Key"))


def test_metrics_are_about_as_many_as_the_names_that_the_code_counts() -> None:
    text = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    names, made_up = set(LITERAL.findall(text)), set(MADE_UP.findall(text))
    sent = len(names) + OF_EACH * len(made_up)
    assert ASSUMED["metrics_of_ours"] == pytest.approx(sent, rel=0.1)


def test_functions_may_run_as_long_as_is_assumed(template: Template) -> None:
    functions = template.of_type("AWS::Lambda::Function")
    assert ASSUMED["sweep_seconds"] == functions["LicenseSweep"]["Timeout"]
    assert ASSUMED["log_seconds"] == functions["EventLog"]["Timeout"]
