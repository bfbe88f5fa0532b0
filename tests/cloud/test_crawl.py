"""Every page there is, as everybody meets it: no code of others, and off the site by one page."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest

import app
from chalicelib.edge.cookies import COOKIES
from chalicelib.staff.rules import Role
from tests.cases.conftest import raw, verdicts
from tests.cloud.conftest import operate
from tests.cloud.looked import (
    CHOICES,
    LARGEST,
    Got,
    Look,
    form_faults,
    header_faults,
    page_faults,
    policy,
)
from tests.cloud.people import (
    GIVEN,
    RUN,
    WEB,
    Customer,
    Visitor,
    new_customer,
    profile,
    send_registration,
)
from tests.cloud.program import Computer
from tests.cloud.test_front_door import DRAFT
from tests.cloud.test_mail_by_morning import go_to
from tests.cloud.test_mailings import Colleague, send
from tests.cloud.test_partners import REPORT, next_third
from tests.cloud.test_people import license_of, linked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.front.run import LocalCloud

pytestmark = pytest.mark.promise("PS-10", "PS-41")
ROUTES: list[str] = sorted(path for path, methods in app.app.routes.items() if "GET" in methods)
NO_PAGES = {
    "/assets/{name}": "a style or the mark",
    "/.well-known/gpc.json": "for browsers",
    "/privacy/inventory.json": "for programs",
    "/privacy/proof.json": "for programs",
    "/account/downloads/{artifact_id}": "leads to the installer",
    "/account/usage/days.csv": "a table to keep",
    "/account/usage/intervals.csv": "a table to keep",
    "/account/privacy/export.json": "a file to keep",
    "/staff/trends.csv": "a table to keep",
    "/v1/keys": "for programs",
    "/v1/openapi.json": "for programs",
    "/v1/usage": "for programs",
    "/v1/applications/{name}/release": "for programs",
    "/v1/artifacts/{artifact_id}": "for programs",
    "/v1/vendor/applications": "for programs",
    "/v1/vendor/releases": "for programs",
    "/v1/vendor/licenses": "for programs",
    "/v1/vendor/usage": "for programs",
}
"""What answers no page, and why; every other route is seen as a page."""
OWNER = "an owner"
LET_OFF = {
    ("/account/privacy/export.html", "<style>"),
    ("/account/privacy/export.html", "<meta Content-Security-Policy>"),
}
"""A document of its own, opened from a disk: it brings its styles and the law that it is read by,
which has nothing loaded and nothing run, and it is as long as it must be."""
FILES = {route for route, _ in LET_OFF}
ASKS_OF = {
    "/forgot": "finds an account that is there",
    "/contact": "answers this message, under a purpose of its own",
    "/account/licenses/{license_id}/people": "somebody else's, who is asked by a link",
}
"""Where an address is typed that no choice stands beside, and why none can."""
LIKE_THESE = 3
"""Addresses of one path and the same names of query that are followed, as of a list's pages."""
LINK = re.compile(r"https?://[^\s<>\"]+")


def route_of(path: str) -> str:
    """The route that answers a path, words before parameters; nothing where none does."""
    for route in sorted(ROUTES, key=lambda one: one.count("{")):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path):
            return route
    return ""


@cache
def sheet(url: str) -> str:
    return WEB.get(url).text


@dataclass
class Crawl:
    """Who opened what, the routes that were pages, and all that was wrong with any."""

    cloud: LocalCloud
    pages: dict[str, set[str]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)

    def walk(self, who: str, browser: Visitor, *starts: str) -> None:
        """All that is linked from these, and from what that leads to."""
        home, seen, waiting = self.cloud.app, set[str](), deque(starts)
        given = {urljoin(home, start) for start in starts}
        alike: dict[tuple[str, ...], int] = {}
        while waiting:
            url = urljoin(home, waiting.popleft()).partition("#")[0]
            parts = urlsplit(url)
            key = (parts.path, *sorted(name for name, _ in parse_qsl(parts.query)))
            if url in seen or (parts.query and alike.get(key, 0) >= LIKE_THESE):
                continue
            seen.add(url)
            alike[key] = alike.get(key, 0) + 1
            waiting.extend(self.open(who, browser, url, asked=url in given))

    def open(self, who: str, browser: Visitor, url: str, *, asked: bool) -> Iterator[str]:
        """One address; where it leads on this site."""
        answer = browser.fetch(url)
        route, got = route_of(urlsplit(url).path), Got(
            url, answer.headers, answer.headers.get_list("set-cookie"), answer.text,
            answer.status_code,
        )  # fmt: skip
        self.note(who, route, header_faults(got, self.cloud.processor))
        if answer.is_redirect:
            yield from self.follow(who, route, answer.headers["location"])
            return
        if not answer.headers.get("content-type", "").startswith("text/html"):
            self.files.add(route)
            return
        if answer.status_code == 200:
            self.pages.setdefault(route, set()).add(who)
        elif not asked:
            self.note(who, route, [f"a link leads to a {answer.status_code}"])
        look = Look(answer.text)
        found = page_faults(got, look) + form_faults(look, ASKS_OF, route)
        found += [] if route in FILES else self.weight(got, look)
        self.note(who, route, [one for one in found if (route, one) not in LET_OFF])
        yield from (href for href, _ in look.links if self.is_ours(url, href))
        for form in look.forms:
            if form.method == "get":
                yield f"{urljoin(url, form.action).partition('?')[0]}?{urlencode(form.held)}"

    def follow(self, who: str, route: str, location: str) -> Iterator[str]:
        """Away from the site only where that is what was asked for: to an installer."""
        if self.is_ours(self.cloud.app, location):
            yield location
        elif route != "/account/downloads/{artifact_id}" or not location.startswith(self.cloud.s3):
            self.note(who, route, [f"leads to {urlsplit(location).netloc}"])
        else:
            self.files.add(route)

    def weight(self, got: Got, look: Look) -> list[str]:
        """Of the page and its styles, none of which loads anything in turn."""
        styles = [sheet(urljoin(got.url, at)) for at in look.loaded if at.endswith(".css")]
        found = ["a style loads something"] if re.search(r"@import|url\(", "".join(styles)) else []
        size = sum(len(text.encode()) for text in (got.html, *styles))
        return [*found, f"{size} bytes"] if size >= LARGEST else found

    def is_ours(self, page: str, href: str) -> bool:
        return urljoin(page, unescape(href)).startswith(f"{self.cloud.app}/")

    def note(self, who: str, route: str, found: list[str]) -> None:
        self.faults.update(f"{who} at {route or 'no route'}: {one}" for one in found)


@pytest.fixture(scope="module")
def crawl(cloud: LocalCloud) -> Crawl:
    """Everybody's round, after a story that leaves no page empty and every link of mail alive."""
    figures = partner_figures(cloud)
    before = len(cloud.control.mail())
    owner, member = owner_and_member(cloud)
    staff = {role: Colleague(cloud, role) for role in (Role.OPERATOR, Role.PRIVACY, Role.SERVICE)}
    mailings(cloud, staff, owner)
    write_to_everybody(cloud, owner)
    links = [link for mail in cloud.control.mail()[before:] for link in links_in(mail)]
    found = Crawl(cloud)
    everywhere = [route for route in ROUTES if "{" not in route and not route.startswith("/v1")]
    found.walk("a stranger", Visitor(cloud.app), *everywhere, *(to_nowhere(r) for r in ROUTES))
    found.walk(OWNER, owner.browser, *everywhere)
    found.walk("a member", member.browser, *everywhere)
    for role, colleague in staff.items():
        found.walk(f"staff ({role})", colleague.browser, *everywhere)
    found.walk("a reader of mail", Visitor(cloud.app), figures, *links)
    return found


def to_nowhere(route: str) -> str:
    return re.sub(r"\{\w+\}", "nowhere", route)


def links_in(mail: dict[str, object]) -> list[str]:
    """Also the one that is for a mail program: its GET shows a button."""
    headers = mail["headers"]
    assert isinstance(headers, dict)
    texts = (str(mail["text"]), str(headers.get("List-Unsubscribe", "")))
    return [link.rstrip(".,)") for text in texts for link in LINK.findall(text)]


def partner_figures(cloud: LocalCloud) -> str:
    """A link to a month's file that nobody fetched yet."""
    name = ("--name", "Chart Weekly (test)", "--until", "2099-12-31")
    partner = operate(cloud, "partner", *name, of="infra.admin")["id"]
    third, month = next_third(cloud.control)
    go_to(cloud.control, third)
    cloud.control.run(REPORT)
    asked = ("--partner", partner, "--month", month)
    return str(operate(cloud, "partner-link", *asked, of="infra.admin")["link"])


def owner_and_member(cloud: LocalCloud) -> tuple[Customer, Customer]:
    """Somebody with all that an account can have, and somebody who may use a license of theirs."""
    yes = {"choice_marketing": "yes", "choice_partner_mail": "yes"}
    owner, member = new_customer(cloud, "crawl-owner", **yes), new_customer(cloud, "crawl-member")
    owner.browser.open(linked(cloud.control, owner.email, "/choices/"))
    owner.browser.submit("/choices/")
    owner.buy()
    people = f"/account/licenses/{license_of(owner)}/people"
    plans = cloud.control.seed()["plans"]
    plan = next(one["id"] for one in plans if one["kind"] == "subscription")
    owner.open("/apps/halyard")
    owner.browser.submit("/orders", plan=plan, seats="1")
    owner.pay()
    cloud.control.settle()
    computer = Computer(cloud, cloud.control.seed()["applications"][0]["id"])
    computer.sign_in(owner)
    computer.end(computer.launch("crawl-1")["lease"])
    cloud.control.run("license_sweep")
    owner.open(people)
    owner.browser.submit(people, email=member.email, role="user")
    member.browser.open(linked(cloud.control, member.email, "/invitations/"))
    assert member.browser.submit("/invitations/").path.startswith("/account/shared/")
    return owner, member


def mailings(cloud: LocalCloud, staff: dict[Role, Colleague], owner: Customer) -> None:
    """One that comes with a way to stop, one with a page of a partner's, and one still a draft."""
    pair = staff[Role.SERVICE], staff[Role.PRIVACY]
    said = {"headline": f"Half price, {RUN}", "body": "Until Friday."}
    send(cloud, pair, "offer", "offer", **said, page="/apps")
    web = "https://charts.example.com/tides"
    send(cloud, pair, "partner", "partner", **said, partner="Chart Weekly (test)", web=web)
    assert {"offer", "partner"} <= {mail["class"] for mail in owner.mails()}
    writer = staff[Role.SERVICE].browser
    writer.open(f"{cloud.app}/staff/mailings/new?kind=announcement&text=maintenance")
    assert writer.submit("/staff/mailings", **DRAFT).path.startswith("/staff/mailings/mlg_")


def write_to_everybody(cloud: LocalCloud, owner: Customer) -> None:
    """Mails whose links are still to be used, one of each kind."""
    send_registration(cloud, Visitor(cloud.app), profile("crawl-unconfirmed"))
    new_customer(cloud, "crawl-asked", choice_partner_mail="yes")
    forgetful = new_customer(cloud, "crawl-forgetful")
    forgetful.buy()
    people = f"/account/licenses/{license_of(forgetful)}/people"
    forgetful.open(people)
    forgetful.browser.submit(people, email=f"crawl-guest-{RUN}@example.org", role="user")
    forgetful.open("/forgot")
    forgetful.browser.submit("/forgot", email=forgetful.email)
    for name in ("mover", "moved"):
        person, new = new_customer(cloud, f"crawl-{name}"), f"crawl-{name}-new-{RUN}@example.org"
        person.open("/account/email")
        person.browser.submit("/account/email", email=new, password=person.fields["password"])
        cloud.control.settle()
    person.browser.open(linked(cloud.control, new, "/email/"))
    person.browser.submit("/email/")
    waverer = new_customer(cloud, "crawl-waverer")
    waverer.open("/account/privacy/erase")
    password = waverer.fields["password"]
    waverer.browser.submit("/account/privacy/erase", hours="24", password=password)
    cloud.control.receive(raw("Delete my account", owner.email, verdicts("example.org")))
    cloud.control.settle()


def test_no_page_loads_runs_or_asks_what_it_may_not_nor_leads_off_the_site(crawl: Crawl) -> None:
    assert sorted(crawl.faults) == []


@pytest.mark.promise("PS-21")
def test_the_cookies_that_everybody_got_are_those_on_the_list_and_last_as_long(
    crawl: Crawl,
) -> None:
    assert crawl.pages["/privacy/cookies"] >= {"a stranger", OWNER}
    lasting = {name: ages - {"0"} for name, ages in GIVEN.items()}
    assert lasting == {cookie.name: {str(cookie.max_age)} for cookie in COOKIES}


def test_every_route_was_seen_as_a_page_or_has_its_reason(crawl: Crawl) -> None:
    assert set(ROUTES) - crawl.pages.keys() == NO_PAGES.keys()
    assert crawl.pages.keys() & NO_PAGES.keys() == set()


def test_everybody_was_there(crawl: Crawl) -> None:
    """What a stranger, a customer, a reader of mail and staff see, each of their own."""
    assert crawl.pages["/"] >= {"a stranger", OWNER, "a member", "a reader of mail"}
    assert crawl.pages["/account/subscriptions"] >= {OWNER, "a member"}
    assert crawl.pages["/account/shared/{license_id}"] == {"a member"}
    assert crawl.pages["/staff/mailings/{mailing_id}"] >= {"staff (service)", "staff (privacy)"}
    assert crawl.pages["/exit"] == {"a reader of mail"}


HOME, PROCESSOR = "http://localhost:9/apps", "http://127.0.0.1:8"
GOOD = {
    "content-security-policy": policy(PROCESSOR), "referrer-policy": "origin",
    "x-content-type-options": "nosniff", "cross-origin-opener-policy": "same-origin",
}  # fmt: skip
BOXES = "".join(
    f'<input type="hidden" name="{n}" value="no"><input type="checkbox" name="{n}" value="yes">'
    for n in CHOICES
)
ADDRESS = '<form method="post" action="/register"><input type="email" name="email">'


@pytest.mark.parametrize("html", [
    "<script>1</script>", "<script src=/a.js></script>", "<p style='color: red'>", "<style>p{}",
    "<img src=https://far.example/a.png>", "<img srcset='//far.example/a.png 2x'>",
    "<link rel=stylesheet href=https://far.example/a.css>", "<a href=https://far.example/>there",
    "<a href=//far.example/>there", "<body onload=go()>", "<a href='javascript:go()'>go",
    "<form action=https://far.example/ method=post>", "<iframe src=/apps></iframe>",
    "<button formaction=https://far.example/>", "<meta http-equiv=refresh content='0; /apps'>",
    "<base href=https://far.example/>", f"{ADDRESS}", "<a ping=//far.example/ href=/apps>",
    ADDRESS + BOXES.replace('value="yes"', 'value="yes" checked'),
    ADDRESS + BOXES.replace('type="hidden"', 'type="checkbox"'), "<video poster=//far.example/>",
])  # fmt: skip
def test_the_look_sees(html: str) -> None:
    """Each of these is one fault at least; without it an eye that is shut would pass them all."""
    look = Look(html)
    found = page_faults(Got(HOME, {}, (), html), look) + form_faults(look, {}, "/register")
    assert found, html


def test_the_look_lets_a_plain_page_pass() -> None:
    html = f'<link href="/assets/a.css"><a href="/apps#x">x</a><img src="data:image/png,">{ADDRESS}'
    look = Look(html + BOXES)
    assert page_faults(Got(HOME, {}, (), html), look) == []
    assert form_faults(look, {}, "/register") == []
    assert header_faults(Got(HOME, GOOD, (), html), PROCESSOR) == []


@pytest.mark.parametrize("name", GOOD)
def test_the_look_misses_no_header(name: str) -> None:
    for value in ("", GOOD[name] + " https://far.example"):
        assert header_faults(Got(HOME, {**GOOD, name: value}, (), ""), PROCESSOR) == [name]
    for line in ("_ga=1; Path=/", "__Host-sid=1; Path=/; Domain=example.com"):
        assert len(header_faults(Got(HOME, GOOD, (line,), ""), PROCESSOR)) == 1


def test_the_exit_page_has_one_way_out_and_tells_nobody() -> None:
    out = '<a rel="noreferrer noopener" href="https://far.example/">'
    exit_page = Got("http://localhost:9/exit?to=x", {}, (), "")
    assert page_faults(exit_page, Look(out)) == []
    for wrong in (out + out, '<a href="https://far.example/">', ""):
        assert page_faults(exit_page, Look(wrong)) != []
