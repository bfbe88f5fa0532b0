"""Clicks that lead to other sites: counted by the exit page, by site and day alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.edge.exits import link_out
from tests.browser import Browser
from tests.visits.logs import DAY

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables


@pytest.fixture
def browser(tables: Tables, clock: FakeClock) -> Browser:
    return Browser()


def left() -> list[dict[str, int]]:
    return list(wiring.visit_store().left(DAY, DAY))


@pytest.mark.promise("PS-28")
def test_the_exit_page_counts_its_site(browser: Browser) -> None:
    for page in ("a", "b?who=me"):
        browser.get(link_out(f"https://docs.example.org/{page}", wiring.keyed()))
    browser.get(link_out("https://vendor.example", wiring.keyed()))
    assert left() == [{"docs.example.org": 2, "vendor.example": 1}]


@pytest.mark.guarantee("G9")
def test_nothing_else_is_kept_of_it(browser: Browser, tables: Tables) -> None:
    browser.get(link_out("https://docs.example.org/a?b=c", wiring.keyed()))
    (item,) = (item for item in tables.items("usage") if item["pk"].startswith("EXITS#"))
    assert item == {
        "pk": "EXITS#2026-11", "sk": DAY, "type": "exits", "v": 1, "n:docs.example.org": 1,
        "purge_at": item["purge_at"],
    }  # fmt: skip


def test_a_look_at_the_head_and_a_forged_link_count_nothing(browser: Browser) -> None:
    path = link_out("https://docs.example.org/", wiring.keyed())
    browser.send("HEAD", path, b"", {})
    assert browser.get(f"{path}x").status == 404
    assert left() == []


def test_a_count_that_fails_stops_nobody(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("docs.example.org is in here")

    monkeypatch.setattr(wiring.visit_store(), "leave", fail)
    assert browser.get(link_out("https://docs.example.org/", wiring.keyed())).status == 200
    said = repr([vars(record) for record in caplog.records])
    assert "exit_not_counted" in said
    assert "docs.example.org" not in said


@pytest.mark.promise("PS-28")
def test_the_privacy_page_says_what_is_logged_and_for_how_long(browser: Browser) -> None:
    words = browser.get("/privacy").words
    for said in ("address, network, country", "none of them reaches a day", "25 months"):
        assert said in words
