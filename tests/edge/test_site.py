"""The site's own pages: on every prefix, without scripts, and true to what they are made from."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from chalicelib import wiring
from chalicelib.core.errors import CetrusError
from chalicelib.edge import cookies
from chalicelib.edge.cookies import COOKIES, HOUR, Cookie
from chalicelib.edge.exits import link_out
from chalicelib.edge.pages import asset
from chalicelib.edge.problem_codes import codes, family
from chalicelib.privacy.policies import FIELDS
from tests.browser import Answer, Browser

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

PAGES = [
    "/", "/status", "/privacy", "/privacy/v/1", "/privacy/v/4", "/privacy/v/3/changes",
    "/privacy/v/3/uses", "/privacy/cookies", "/privacy/cookies/reading", "/privacy/security",
    "/privacy/proof", "/privacy/proof/security", "/contact", "/problems", "/problems/not_found",
    "/register", "/register/sent", "/login", "/forgot", "/forgot/sent",
]  # fmt: skip
STAGE = "/api"
LARGEST = 30_000
"""Bytes of a page with its styles."""
TEMPLATES = sorted(Path("chalicelib").glob("*/templates/*.html"))


ENDED = {
    "/verify/": ("24 hours", "/login"),
    "/reset/": ("24 hours", "/forgot"),
    "/email/": ("24 hours", "/account/email"),
    "/email/stop/": ("for seven days", "/contact"),
    "/email/undo/": ("seven days after the move", "/contact"),
    "/choices/": ("24 hours", "/account/privacy"),
    "/rights/": ("24 hours", "/account/privacy"),
    "/rights/stop/": ("until the erasure was stopped or has begun", "/account/privacy/erase"),
    "/invitations/": ("for seven days", "/login"),
}


class Outline(HTMLParser):
    """The addresses that a page names, its headings and its ids."""

    def __init__(self, page: Answer) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src", "action"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))


def sheets(page: Answer) -> list[str]:
    found = re.findall(r'href="(/assets/[^"]+\.css)"', page.text)
    assert found
    return found


def weight(browser: Browser, path: str) -> int:
    """Bytes of a page with its styles."""
    page = browser.get(path)
    texts = [page.text, *(browser.get(sheet).text for sheet in sheets(page))]
    return sum(len(text.encode()) for text in texts)


@pytest.fixture
def browser(tables: Tables, clock: FakeClock) -> Browser:
    return Browser()


@pytest.mark.parametrize("path", PAGES)
class TestEveryPage:
    @pytest.mark.promise("PS-10")
    @pytest.mark.promise("PS-41")
    def test_its_links_carry_the_prefix_and_stay_on_the_site(
        self, browser: Browser, path: str
    ) -> None:
        for stage in ("", STAGE):
            page = Browser(stage=stage).get(path)
            assert page.status == 200
            for address in Outline(page).addresses:
                assert address.startswith((f"{stage}/", "#", "mailto:support@")), address

    @pytest.mark.promise("PS-10")
    def test_it_is_one_document_in_order_without_scripts(self, browser: Browser, path: str) -> None:
        page = browser.get(path)
        outline = Outline(page)
        steps = list(zip(outline.headings, outline.headings[1:], strict=False))
        assert page.text.startswith("<!doctype html>")
        assert outline.headings.count(1) == 1
        assert all(after <= before + 1 for before, after in steps)
        assert len(outline.ids) == len(set(outline.ids))
        assert not outline.tags & {"script", "iframe", "img", "style"}
        assert " style=" not in page.text
        assert {"header", "main", "footer", "nav"} <= outline.tags

    def test_with_its_styles_it_is_light(self, browser: Browser, path: str) -> None:
        assert weight(browser, path) < LARGEST
        for sheet in sheets(browser.get(path)):
            kept = browser.get(sheet).headers["Cache-Control"]
            assert kept == "public, max-age=31536000, immutable"


def styled(sheet: str) -> set[str]:
    """The classes that a stylesheet has rules for."""
    return set(re.findall(r"\.([a-z]+)", re.sub(r"{[^{}]*}", "", asset(sheet)[0].decode())))


@pytest.mark.parametrize("template", TEMPLATES, ids=str)
def test_a_template_asks_for_the_styles_of_what_it_shows(template: Path) -> None:
    parts = styled("parts.css") - styled("site.css")
    text = template.read_text()
    used = {name for names in re.findall(r'class="([a-z ]+)', text) for name in names.split()}
    assert bool(used & parts) == ("{% set parts = true %}" in text), used & parts


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/problems/none", "/account"])
    @pytest.mark.promise("PS-10")
    @pytest.mark.promise("PS-47")
    def test_every_answer_carries_them(self, browser: Browser, path: str) -> None:
        headers = browser.get(path).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert (
            "form-action 'self' https://checkout.processor.test"
            in (headers["Content-Security-Policy"])
        )
        assert headers["Cache-Control"] == "no-store"

    def test_an_asset_of_another_digest_is_unknown(self, browser: Browser) -> None:
        assert browser.get("/assets/site.000000000000.css").status == 404


class TestStatements:
    @pytest.mark.promise("PS-21")
    def test_cookies_are_listed_from_their_registry(self, browser: Browser) -> None:
        words = browser.get("/privacy/cookies").words
        for cookie in COOKIES:
            assert f"{cookie.name} {cookie.purpose}" in words

    @pytest.mark.promise("PS-21")
    @pytest.mark.parametrize("cookie", COOKIES, ids=lambda cookie: cookie.name)
    def test_each_cookie_lasts_as_long_as_its_page_says(
        self, cookie: Cookie, browser: Browser
    ) -> None:
        lasts = dict(part.strip().partition("=")[::2] for part in cookie.holding("x").split(";"))
        hours = int(lasts["Max-Age"]) // HOUR
        ends = f"{hours} hours" if hours < 24 else f"{hours // 24} day"
        assert f"{cookie.purpose} {ends}" in browser.get("/privacy/cookies").words

    @pytest.mark.promise("PS-20")
    def test_no_cookie_is_left_out_of_the_registry(self) -> None:
        declared = [value for value in vars(cookies).values() if isinstance(value, Cookie)]
        assert set(declared) == set(COOKIES)

    @pytest.mark.promise("PS-02")
    def test_every_field_that_is_held_is_listed(self, browser: Browser) -> None:
        words = browser.get("/privacy/v/3/uses").words
        assert not [says for says in FIELDS.values() if says not in words]
        assert "/privacy/v/3/uses" in Outline(browser.get("/privacy")).addresses

    def test_privacy_control_is_honored(self, browser: Browser) -> None:
        answer = browser.get("/.well-known/gpc.json")
        assert json.loads(answer.text)["gpc"] is True

    @pytest.mark.promise("PS-08")
    def test_correction_is_two_clicks_from_the_start_page(self, browser: Browser) -> None:
        assert "/privacy" in Outline(browser.get("/")).addresses
        assert "/account/setup" in Outline(browser.get("/privacy")).addresses

    def test_programs_read_the_status(self, browser: Browser) -> None:
        answer = browser.get("/status", accept="application/json")
        assert json.loads(answer.text) == {"status": "ok"}


class TestProblems:
    def test_every_code_has_its_page(self, browser: Browser) -> None:
        for code, error in codes().items():
            page = browser.get(f"/problems/{code}")
            assert page.status == 200
            assert code in page.words
            assert error.title in page.words.replace(" .", ".")

    def test_no_error_is_without_a_code_of_ours(self) -> None:
        assert {error.code for error in family(CetrusError)} == set(codes())

    def test_another_code_is_unknown(self, browser: Browser) -> None:
        assert browser.get("/problems/none").status == 404


class TestExit:
    def exit_page(self, browser: Browser, url: str) -> Answer:
        return browser.get(link_out(url, wiring.keyed()))

    @pytest.mark.promise("PS-42")
    def test_it_names_the_host_and_follows_nothing_by_itself(self, browser: Browser) -> None:
        page = self.exit_page(browser, "https://docs.example.org/a?b=c&d=e")
        assert page.status == 200
        assert "docs.example.org , which is not ours" in page.words
        assert 'href="https://docs.example.org/a?b=c&amp;d=e"' in page.text
        assert 'rel="noreferrer noopener"' in page.text
        assert "http-equiv" not in page.text

    @pytest.mark.parametrize(
        "to", ["", "x", "https://evil.example/", "aHR0cHM6Ly9ldmlsLmV4YW1wbGUv.x", "%F0%9F%8D%8B.x"]
    )
    @pytest.mark.promise("PS-42")
    def test_it_leads_nowhere_that_we_did_not_sign(self, browser: Browser, to: str) -> None:
        assert browser.get(f"/exit?to={quote(to)}").status == 404

    @pytest.mark.promise("PS-42")
    def test_a_mark_serves_one_address(self, browser: Browser) -> None:
        one, other = (
            link_out(url, wiring.keyed()) for url in ("https://a.example/", "https://b.example/")
        )
        mixed = other.partition(".")[0] + "." + one.partition(".")[2]
        assert browser.get(mixed).status == 404

    @pytest.mark.parametrize("url", ["javascript:alert(1)", "http://a.example", "https://", "/a"])
    @pytest.mark.promise("PS-42")
    def test_only_whole_https_addresses_are_signed(self, browser: Browser, url: str) -> None:
        with pytest.raises(ValueError, match="https"):
            link_out(url, wiring.keyed())


@pytest.mark.parametrize("stage", ["", STAGE])
@pytest.mark.parametrize("start", ENDED)
def test_an_ended_link_says_how_long_its_kind_works_and_where_to_go_on(
    tables: Tables, start: str, stage: str
) -> None:
    answer = Browser(stage=stage).get(f"{start}none", accept="text/html")
    words, way = ENDED[start]
    assert answer.status == 404
    assert words in answer.words
    assert f'href="{stage}{way}"' in answer.text.partition("<main")[2]
