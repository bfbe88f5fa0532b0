"""From the front door to the trends page, by the deployed artifact and its own roles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.cloud.people import Visitor

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
CANARY = "zq8trendcanaryw"
ADDRESS = "198.51.100.77"
HOURS = 3600


def visit(cloud: LocalCloud, agent: str, *paths: str) -> None:
    headers = {"X-Forwarded-For": ADDRESS, "User-Agent": agent, "Accept": "text/html"}
    for path in paths:
        httpx.get(cloud.app + path, headers=headers)
    cloud.control.settle()


def files(control: Control) -> list[str]:
    return list(control.dump()["buckets"]["VisitorLogsBucket"]["keys"])


@pytest.mark.promise("PS-29")
@pytest.mark.guarantee("G9")
def test_visits_become_counters_that_the_operator_sees(cloud: LocalCloud, control: Control) -> None:
    visit(cloud, f"{CHROME} {CANARY}", *["/", "/apps", "/contact"] * 12)
    control.run("visit_rollup")
    assert files(control) == []
    (operator,) = (one for one in control.seed()["sign_ins"] if one["role"] == "operator")
    visitor = Visitor(cloud.app)
    visitor.open(f"{cloud.app}/staff/trends")
    page = visitor.submit("/staff/login", name=operator["login"], password=operator["password"])
    assert page.path == "/staff/trends"
    assert "Comcast" in page.text
    assert "/ > /apps" in page.text
    everything = json.dumps(control.dump()) + json.dumps(control.logs())
    # Named, not compared: a failure would otherwise set out to show all of it.
    assert [canary for canary in (ADDRESS, CANARY) if canary in everything] == []


@pytest.mark.promise("PS-32")
def test_what_is_not_rolled_up_is_gone_within_a_day_and_told(
    cloud: LocalCloud, control: Control
) -> None:
    visit(cloud, CHROME, "/status")
    assert files(control)
    control.advance(20 * HOURS + 1)
    control.run("visit_sweep")
    assert files(control) == []
    assert "visitor_logs_late" in json.dumps(control.logs("visit_sweep"))


@pytest.mark.promise("PS-32")
def test_hours_are_merged_into_their_day_after_a_week(cloud: LocalCloud, control: Control) -> None:
    # Of its own day: older ones than an outage of two weeks are left to the table's own broom.
    day = control.now()[:10]
    visit(cloud, CHROME, "/privacy")
    control.run("visit_rollup")
    assert f"VISITS#HOURS#{day}" in json.dumps(control.dump())
    control.advance(9 * 24 * HOURS)
    control.run("visit_sweep")
    left = json.dumps(control.dump())
    assert [kind for kind in ("HOURS", "FILES") if f"VISITS#{kind}#{day}" in left] == []
