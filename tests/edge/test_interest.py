"""PS-20 to PS-24: interests are the browser's own affair and change the order of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.caller import Caller
from chalicelib.core.errors import InvalidInput
from chalicelib.core.interests import INTERESTS, MOST, OFF
from chalicelib.edge import access
from chalicelib.edge.access import ACCESS, Rule
from chalicelib.edge.cookies import INTEREST
from chalicelib.edge.interest import interest_of
from chalicelib.edge.request import read_request
from tests.browser import Browser

if TYPE_CHECKING:
    from chalicelib.edge.request import Request
    from tests.conftest import Tables

NAME = INTEREST.name


@pytest.fixture
def shelf(tables: Tables) -> None:
    for slug, interest in (("aria", "music"), ("brush", "drawing"), ("chart", "statistics")):
        wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Vendor (test)", slug=slug, name=slug.title(),
            summary="A test application.", description="", interest=interest,
        )  # fmt: skip


@pytest.fixture
def browser(shelf: None) -> Browser:
    return Browser()


def order(browser: Browser, **headers: str) -> list[str]:
    words = browser.get("/apps", **headers).words
    return sorted(("Aria", "Brush", "Chart"), key=words.index)


def event(cookie: str, **headers: str) -> dict[str, Any]:
    return {
        "httpMethod": "GET", "resource": "/apps", "path": "/apps", "headers": {
            "cookie": cookie, **headers,
        }, "requestContext": {"path": "/apps"},
    }  # fmt: skip


@pytest.mark.promise("PS-23")
class TestOrder:
    def test_the_kind_that_was_looked_at_comes_first_and_the_rest_stays(
        self, browser: Browser
    ) -> None:
        assert order(browser) == ["Aria", "Brush", "Chart"]
        browser.get("/apps/chart")
        assert browser.cookies[NAME] == "statistics"
        assert order(browser) == ["Chart", "Aria", "Brush"]

    def test_the_list_says_the_same_in_another_order_and_nothing_else(
        self, browser: Browser
    ) -> None:
        before = sorted(browser.get("/apps").text.split())
        browser.get("/apps/chart")
        assert sorted(browser.get("/apps").text.split()) == before

    def test_it_ends_after_thirteen_months(self) -> None:
        assert INTEREST.max_age == 395 * 86_400

    @pytest.mark.parametrize("said", ["gpc", "off"])
    def test_a_browser_that_says_no_gets_no_cookie_and_no_order(
        self, browser: Browser, said: str
    ) -> None:
        headers = {"sec-gpc": "1"} if said == "gpc" else {}
        if said == "off":
            browser.post("/privacy/cookies", {"interest": "off"})
            assert browser.cookies[NAME] == OFF
        kept = browser.cookies.get(NAME)
        browser.get("/apps/chart", **headers)
        assert browser.cookies.get(NAME) == kept
        browser.cookies[NAME] = browser.cookies.get(NAME) or "statistics"
        assert order(browser, **headers) == ["Aria", "Brush", "Chart"]

    def test_a_no_can_be_taken_back(self, browser: Browser) -> None:
        browser.post("/privacy/cookies", {"interest": "off"})
        browser.post("/privacy/cookies", {"interest": "on"})
        browser.get("/apps/chart")
        assert browser.cookies[NAME] == "statistics"

    def test_what_kind_an_application_is_of_is_one_of_the_list(self, tables: Tables) -> None:
        with pytest.raises(InvalidInput):
            wiring.catalog().add_application(
                vendor_id="vnd_1", vendor_name="V", slug="odd", name="Odd", summary="x",
                description="", interest="kim-smith-of-berlin",
            )  # fmt: skip


@pytest.mark.promise("PS-22")
class TestNobody:
    def test_the_cookie_has_too_few_values_to_tell_people_apart(self) -> None:
        assert len({*INTERESTS, OFF}) <= MOST

    def test_a_value_outside_of_the_list_is_not_read(self) -> None:
        assert interest_of({}, {NAME: "acc_0123456789"}) == ""

    def test_a_view_that_knows_its_caller_never_sees_the_cookie(self) -> None:
        request = read_request(event(f"{NAME}=music; __Host-sid=abc"), b"")
        assert request.interest == ""
        assert NAME not in request.cookies
        assert request.cookies["__Host-sid"] == "abc"

    def test_pages_that_read_it_are_told_of_no_caller(self) -> None:
        readers = ("GET /apps", "GET /privacy/cookies", "POST /privacy/cookies")
        assert {ACCESS[route] for route in readers} == {Rule.ANYONE}

    def test_a_view_gets_its_caller_or_the_interest_and_never_both(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Request] = []

        def note(request: Request, *_: Any, **__: Any) -> str:
            seen.append(request)
            return ""

        for place in ("catalog.routes", "edge.site"):
            monkeypatch.setattr(f"chalicelib.{place}.render", note)
        known = Caller("person", "acc_1", "session", {})
        monkeypatch.setitem(access._resolvers, Rule.PERSON, lambda _: known)
        browser.cookies[NAME] = "music"
        browser.get("/apps")
        browser.get("/status")
        assert [(request.caller, request.interest) for request in seen] == [
            (None, "music"),
            (known, ""),
        ]

    def test_nothing_of_it_is_kept(self, browser: Browser, tables: Tables) -> None:
        before = tables.dump()
        browser.get("/apps/chart")
        browser.get("/apps")
        browser.post("/privacy/cookies", {"interest": "off"})
        assert tables.dump() == before


@pytest.mark.promise("PS-24")
def test_the_reading_of_the_three_sentences_is_published(browser: Browser) -> None:
    words = browser.get("/privacy/cookies").words
    assert "How this fits together" in words
    assert "too few" in words or "cannot tell you from others" in words


@pytest.mark.promise("PS-21")
def test_the_page_shows_what_this_browser_holds_and_all_that_it_could(browser: Browser) -> None:
    browser.get("/apps/aria")
    words = browser.get("/privacy/cookies").words
    assert "One word: music" in words
    assert all(word in words for word in INTERESTS)
