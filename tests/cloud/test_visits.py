"""From the front door to the trends page, by the deployed artifact and its own roles."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from chalicelib.visits.store import names_of
from tests.cloud.people import Visitor
from tests.cloud.test_deaths import items
from tests.visits.logs import CHROME, CRAWLER, FIREFOX

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

CANARY = "zq8trendcanaryw"
ADDRESS = "198.51.100.77"
HOURS = 3600


def visit(cloud: LocalCloud, agent: str, *paths: str, address: str = ADDRESS, **more: str) -> None:
    headers = {"X-Forwarded-For": address, "User-Agent": agent, "Accept": "text/html", **more}
    for path in paths:
        httpx.get(cloud.app + path, headers=headers)
    cloud.control.settle()


def counted(cloud: LocalCloud) -> Counter[tuple[str, str]]:
    """What all counters say, by family and name."""
    found: Counter[tuple[str, str]] = Counter()
    for item in items(cloud, "UsageTable", "visits"):
        family = "hour" if "#HOURS#" in item["pk"] else item["sk"].partition("#")[2]
        found.update({(family, name): int(number) for name, number in names_of(item).items()})
    return found


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


@pytest.mark.promise("PS-28")
@pytest.mark.guarantee("G9")
def test_known_traffic_comes_to_exactly_these_counts(cloud: LocalCloud, control: Control) -> None:
    control.settle()
    control.run("visit_rollup")
    before = counted(cloud)
    visit(cloud, CHROME, "/", "/apps", "/contact", Referer="https://www.news.example/a?reader=9")
    visit(cloud, FIREFOX, "/privacy", "/privacy", address="203.0.113.9")
    visit(cloud, CRAWLER, "/apps")
    control.run("visit_rollup")
    found = counted(cloud)
    found.subtract(before)
    came = {name: number for name, number in found.items() if number and name[0] != "hour"}
    assert came == {
        ("kind", "pages"): 5, ("kind", "bots"): 1, ("status", "200"): 5,
        ("page", "/"): 1, ("page", "/apps"): 1, ("page", "/contact"): 1, ("page", "/privacy"): 2,
        ("browser", "Chrome"): 3, ("browser", "Firefox"): 2,
        ("platform", "Windows"): 3, ("platform", "Linux"): 2,
        ("network", "Comcast"): 3, ("network", "Orange France"): 2,
        ("country", "US"): 3, ("country", "FR"): 2,
        ("referrer", "news.example"): 3, ("referrer", "direct"): 2,
        ("entry", "/"): 1, ("entry", "/privacy"): 1, ("exit", "/contact"): 1,
        ("exit", "/privacy"): 1, ("move", "/ > /apps"): 1, ("move", "/apps > /contact"): 1,
        ("move", "/privacy > /privacy"): 1,
    }  # fmt: skip
    assert sum(number for (family, _), number in found.items() if family == "hour") == 5


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
