"""What every answer of the front door has in common, at the root and under the stage's name."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import pytest

from chalicelib.edge.access import ACCESS, FOR_STAFF, Rule
from chalicelib.edge.cookies import COOKIES, FORM, INTEREST, SESSION
from chalicelib.staff.rules import Role
from tests.cloud.people import RUN, WEB, Visitor, new_customer
from tests.cloud.test_mailings import Colleague

if TYPE_CHECKING:
    import httpx

    from infra.local.front.run import LocalCloud
    from tests.cloud.people import Customer

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PREFIXES = pytest.mark.parametrize("prefix", ["", "/api"], ids=["root", "stage"])
LARGEST = 30_000
"""Bytes of a page with its styles."""
NOT_PAGES = {
    "/assets/{name}", "/account/downloads/{artifact_id}", "/.well-known/gpc.json",
    "/privacy/inventory.json", "/privacy/proof.json", "/account/usage/days.csv",
    "/account/privacy/export.json", "/account/privacy/export.html",
    "/account/usage/intervals.csv", "/account/privacy/receipts/{name}",
}  # fmt: skip
LINKS_OF_MAIL = {
    "/rights/{token}", "/rights/stop/{token}",
    "/verify/{token}", "/reset/{token}", "/unsubscribe/{token}", "/email/{token}",
    "/email/stop/{token}", "/email/undo/{token}", "/invitations/{token}", "/partners/{token}",
    "/choices/{token}",
}  # fmt: skip
OF_MEMBERS = {"/account/shared/{license_id}"}
STAFF_FILES = {"/staff/trends.csv"}
DESKS = (Role.OPERATOR, Role.PRIVACY, Role.SERVICE)  # billing has no page but the first
DRAFT = {"day": "2039-03-31", "begins": "06:30", "ends": "07:15", "what": f"A disk, {RUN}."}


def paths(*rules: Rule) -> list[str]:
    """Every page under these rules, as the access table names it."""
    return sorted(
        path
        for method, _, path in (key.partition(" ") for key in ACCESS)
        if method == "GET" and ACCESS[f"GET {path}"] in rules and not path.startswith("/v1/")
    )


@pytest.fixture(scope="module")
def owner(cloud: LocalCloud) -> Customer:
    """A customer with a license by the hour and a subscription, so that no page is empty."""
    customer = new_customer(cloud, "door-owner")
    customer.buy()
    plans = cloud.control.seed()["plans"]
    plan = next(one["id"] for one in plans if one["kind"] == "subscription")
    customer.open("/apps/halyard")
    customer.browser.submit("/orders", plan=plan, seats="1")
    customer.pay()
    cloud.control.settle()
    return customer


@pytest.fixture(scope="module")
def filled(owner: Customer, cloud: LocalCloud) -> dict[str, str]:
    """What stands for each name in a path."""
    orders = owner.open("/orders")
    page = owner.open("/account/downloads")
    subscriptions = owner.open("/account/subscriptions")
    return {
        "{license_id}": subscriptions.link("/cancel").split("/")[-2],
        "{slug}": "halyard",
        "{number}": "3",
        "{code}": "not_found",
        "{section}": "security",
        "{order_id}": orders.link("/orders/ord_").rpartition("/")[2],
        "{artifact_id}": page.link("for Linux").rpartition("/")[2],
    }


def filling(path: str, filled: dict[str, str]) -> str:
    for name, value in filled.items():
        path = path.replace(name, value)
    return path


def header_text(answer: httpx.Response, name: str) -> str:
    return str(answer.headers.get(name, ""))


def places(html: str) -> list[str]:
    """Every address that the page names: links, forms, styles, pictures."""
    return re.findall(r'(?:href|action|src|srcset|formaction|content)="([^"]*/[^"]*)"', html)


def keeps_the_prefix(html: str, prefix: str) -> None:
    ours = [place for place in places(html) if place.startswith("/")]
    assert ours
    assert [place for place in ours if not place.startswith(f"{prefix}/")] == []
    if not prefix:
        assert [place for place in ours if place.startswith("/api/")] == []


def leads_nowhere_else(html: str, home: str) -> None:
    """No script, nothing embedded, and no address of another site."""
    assert not re.search(r"<script|<iframe|<object|<embed|javascript:|\son\w+=|style=", html)
    far = [place for place in places(html) if urlsplit(place).netloc]
    assert [place for place in far if not place.startswith(home)] == []


@cache
def bytes_at(url: str) -> int:
    return len(WEB.get(url).content)


def size_of_styles(cloud: LocalCloud, html: str) -> int:
    styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', html)
    assert styles
    return sum(bytes_at(cloud.app + sheet) for sheet in styles)


PAGES = [
    path
    for path in paths(Rule.ANYONE, Rule.VISITOR, Rule.PERSON)
    if path not in NOT_PAGES | LINKS_OF_MAIL | OF_MEMBERS | {"/exit", "/login"}
]


@pytest.mark.promise("PS-43")
def test_another_host_name_is_refused(cloud: LocalCloud) -> None:
    for path in ("/", "/privacy", "/v1/keys"):
        assert WEB.get(cloud.app + path, headers={"Host": "evil.example"}).status_code == 421
    own = cloud.app.replace("localhost", "127.0.0.1")
    assert WEB.get(f"{own}/privacy").status_code == 200


@pytest.mark.promise("PS-20")
def test_no_page_sets_a_cookie_that_is_not_declared(
    cloud: LocalCloud, owner: Customer, filled: dict[str, str]
) -> None:
    """A stranger's round of all pages, signing in, a member's round, and signing out."""
    seen: list[str] = []
    visitor = Visitor(cloud.app)
    visitor.http.event_hooks["response"].append(
        lambda answer: seen.extend(answer.headers.get_list("set-cookie"))
    )
    visitor.open(f"{cloud.app}/login")
    for path in PAGES:
        visitor.fetch(cloud.app + filling(path, filled))
    visitor.open(f"{cloud.app}/login")
    fields = {"login": owner.fields["login"], "password": owner.fields["password"]}
    assert visitor.submit("/login", **fields).path == "/account"
    for path in PAGES:
        assert visitor.fetch(cloud.app + filling(path, filled)).status_code == 200
    visitor.open(f"{cloud.app}/account")
    visitor.submit("/logout")
    declared = {cookie.name: cookie for cookie in COOKIES}
    names = {line.partition("=")[0] for line in seen}
    assert {SESSION.name, FORM.name, INTEREST.name} <= names <= declared.keys()
    for line in seen:
        marks = set(line.split("; ")[1:])
        same_site = f"SameSite={declared[line.partition('=')[0]].same_site}"
        assert {"Path=/", "Secure", "HttpOnly", same_site} <= marks, line.partition("=")[0]


class TestPages:
    def test_the_access_table_has_pages(self) -> None:
        assert {"/", "/account", "/account/usage", "/device", "/orders/{order_id}"} <= set(PAGES)

    @PREFIXES
    @pytest.mark.parametrize("path", PAGES)
    def test_a_signed_in_person_may_open_it(
        self, cloud: LocalCloud, owner: Customer, filled: dict[str, str], path: str, prefix: str
    ) -> None:
        answer = owner.browser.fetch(cloud.app + prefix + filling(path, filled))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        keeps_the_prefix(answer.text, prefix)
        leads_nowhere_else(answer.text, cloud.app)
        assert len(answer.content) + size_of_styles(cloud, answer.text) < LARGEST

    @pytest.mark.parametrize("path", paths(Rule.PERSON))
    def test_a_stranger_is_led_to_sign_in_and_back(self, cloud: LocalCloud, path: str) -> None:
        asked = path.replace("{", "x").replace("}", "")
        answer = WEB.get(cloud.app + asked, headers=HTML)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/login?next={asked.replace('/', '%2F')}"
        program = WEB.get(cloud.app + asked, headers={"accept": "application/json"})
        assert program.status_code == 401
        assert program.headers["content-type"] == "application/problem+json"

    @PREFIXES
    def test_signing_in_leads_back_under_the_same_prefix(
        self, cloud: LocalCloud, owner: Customer, prefix: str
    ) -> None:
        visitor = Visitor(cloud.app)
        page = visitor.open(f"{cloud.app}{prefix}/account/usage")
        assert page.path == f"{prefix}/login"
        fields = {"login": owner.fields["login"], "password": owner.fields["password"]}
        page = visitor.submit("/login", **fields)
        assert (page.status, page.path) == (200, f"{prefix}/account/usage")
        page = visitor.submit("/logout")
        assert (page.status, page.path) == (200, f"{prefix}/")
        assert visitor.open(f"{cloud.app}{prefix}/account").path == f"{prefix}/login"

    def test_head_says_what_get_says_without_the_body(
        self, cloud: LocalCloud, owner: Customer, filled: dict[str, str]
    ) -> None:
        for path in PAGES:
            asked = cloud.app + filling(path, filled)
            kept = owner.browser.cookies["localhost"]
            cookie = {"cookie": "; ".join(f"{n}={v}" for n, v in kept.items())}
            head = WEB.head(asked, headers={**HTML, **cookie})
            assert (path, head.status_code, head.content) == (path, 200, b"")
            assert head.headers["content-type"] == "text/html; charset=utf-8"


@pytest.fixture(scope="module")
def staff(cloud: LocalCloud) -> dict[str, Colleague]:
    """One of the seeded staff for each desk, signed in."""
    return {role: Colleague(cloud, role) for role in DESKS}


@pytest.fixture(scope="module")
def draft(staff: dict[str, Colleague]) -> str:
    """The path of a mailing that stays a draft."""
    return written(staff[Role.SERVICE])


def written(writer: Colleague) -> str:
    """The path of a new draft."""
    writer.browser.open(f"{writer.cloud.app}/staff/mailings/new?kind=announcement&text=maintenance")
    path = writer.browser.submit("/staff/mailings", **DRAFT).path
    assert path.startswith("/staff/mailings/mlg_")
    return path


def led_to(colleague: Colleague, start: str) -> dict[str, int]:
    """The status of every address that is linked from a staff page, and from those it leads to."""
    home, seen, waiting = colleague.cloud.app, dict[str, int](), [start]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        answer = colleague.browser.fetch(address)
        seen[address] = answer.status_code
        if urlsplit(address).path.startswith(f"{urlsplit(start).path}"):
            found = re.findall(r'<a [^>]*href="([^"]+)"', answer.text)
            linked = (urljoin(address, unescape(link).partition("#")[0]) for link in found)
            waiting += [link for link in linked if link.startswith(home)]
    return seen


class TestStaff:
    @PREFIXES
    @pytest.mark.parametrize("role", DESKS)
    def test_every_link_of_a_role_s_pages_leads_somewhere(
        self, cloud: LocalCloud, staff: dict[str, Colleague], draft: str, role: Role, prefix: str
    ) -> None:
        seen = led_to(staff[role], f"{cloud.app}{prefix}/staff")
        assert {path: status for path, status in seen.items() if status != 200} == {}
        paths_seen = {urlsplit(address).path.removeprefix(prefix) for address in seen}
        for path in set(paths(Rule.STAFF, Rule[f"STAFF_{role.name}"])) - STAFF_FILES:
            if role is not Role.OPERATOR or "mailings" not in path:
                one = re.compile(path.replace("{mailing_id}", r"mlg_\w+"))
                assert any(map(one.fullmatch, paths_seen)), path

    @PREFIXES
    @pytest.mark.parametrize("role", DESKS)
    @pytest.mark.parametrize("path", [path for path in paths(*FOR_STAFF) if "login" not in path])
    def test_each_page_opens_for_its_role_and_for_no_other(
        self, cloud: LocalCloud, staff: dict[str, Colleague], draft: str, role: Role, path: str,
        prefix: str,
    ) -> None:  # fmt: skip
        asked = prefix + path.replace("{mailing_id}", draft.rpartition("/")[2])
        answer = staff[role].browser.fetch(cloud.app + asked)
        its_own = ACCESS[f"GET {path}"] in {Rule.STAFF, Rule[f"STAFF_{role.name}"]}
        assert answer.status_code == (200 if its_own else 403), answer.text
        assert answer.headers["cache-control"] == "no-store"
        if path in STAFF_FILES:
            return
        keeps_the_prefix(answer.text, prefix)
        leads_nowhere_else(answer.text, cloud.app)
        assert len(answer.content) + size_of_styles(cloud, answer.text) < LARGEST

    @pytest.mark.parametrize("path", [path for path in paths(*FOR_STAFF) if "login" not in path])
    def test_a_stranger_and_a_customer_are_led_to_the_door_of_staff_and_back(
        self, cloud: LocalCloud, owner: Customer, path: str
    ) -> None:
        asked = path.replace("{", "x").replace("}", "")
        for answer in (WEB.get(cloud.app + asked, headers=HTML), owner.browser.fetch(asked)):
            assert answer.status_code == 303
            found = f"/staff/login?next={asked.replace('/', '%2F')}"
            assert answer.headers["location"] == found

    @PREFIXES
    def test_every_form_on_the_way_of_a_mailing_posts(
        self, cloud: LocalCloud, staff: dict[str, Colleague], prefix: str
    ) -> None:
        writer, reader = staff[Role.SERVICE], staff[Role.PRIVACY]
        sent: set[str] = set()

        def send(who: Colleague, step: str, expected: str, page: str = "", **fields: str) -> None:
            who.browser.open(f"{cloud.app}{prefix}{path}{page}")
            answer = who.browser.submit(f"{prefix}{path}/{step}", **fields)
            assert (answer.status, answer.path) == (200, f"{prefix}{path}"), answer.text
            assert expected in answer.text
            sent.add(step)

        path = written(writer)
        send(writer, "text", "06:45", page="/text", begins="06:45", what=DRAFT["what"])
        send(writer, "submit", "Submitted")
        send(reader, "approve", "Approved")
        send(writer, "schedule", "Scheduled", at="2029-03-31 06:30")
        send(writer, "cancel", "Canceled")
        path = written(writer)
        send(writer, "submit", "Submitted")
        send(reader, "approve", "Approved")
        send(writer, "send", "It goes out now")
        send(reader, "refuse", "Refused", why="The wrong day.")
        steps = {key.rpartition("/")[2] for key in ACCESS if key.startswith("POST /staff/mail")}
        assert sent == steps - {"mailings"}

    def test_every_other_form_posts_and_says_what_is_missing(
        self, cloud: LocalCloud, staff: dict[str, Colleague]
    ) -> None:
        """As it stands: an empty draft, no number of a version, days that are no days."""
        writer, reader = staff[Role.SERVICE].browser, staff[Role.PRIVACY].browser
        writer.open(f"{cloud.app}/staff/mailings/new?kind=announcement&text=maintenance")
        assert writer.submit("/staff/mailings").status == 422
        reader.open(f"{cloud.app}/staff/policy")
        assert reader.submit("/staff/policy").status == 422
        assert reader.open(f"{cloud.app}/staff/mailings").status == 200
        assert reader.submit("/staff/mailings", q="disk", state="draft").status == 200
        operator = staff[Role.OPERATOR].browser
        operator.open(f"{cloud.app}/staff/trends")
        found = operator.submit("/staff/trends", **{"from": "tomorrow"})
        assert (found.status, "Error: " in found.parsed.title) == (422, True)

    @PREFIXES
    def test_signing_out_leads_to_the_door_and_closes_it(
        self, cloud: LocalCloud, prefix: str
    ) -> None:
        leaver = Colleague(cloud, "operator").browser
        leaver.open(f"{cloud.app}{prefix}/staff")
        page = leaver.submit("/staff/logout")
        assert (page.status, page.path) == (200, f"{prefix}/staff/login")
        assert leaver.open(f"{cloud.app}{prefix}/staff").path == f"{prefix}/staff/login"


class TestHeaders:
    def test_every_answer_is_locked_down(self, cloud: LocalCloud) -> None:
        asked = ["/", "/login", "/account", "/status", "/v1/keys", "/nope", "/v1/nope", "/exit"]
        for path in (*asked, "/v1/vendor/usage", "/webhooks/stripe"):
            method = "POST" if path.startswith("/webhooks") else "GET"
            answer = WEB.request(method, cloud.app + path, headers=HTML)
            policy = header_text(answer, "content-security-policy")
            assert answer.headers["strict-transport-security"].startswith("max-age=31536000"), path
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert "default-src 'none'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert "unsafe-eval" not in policy, path
            assert "referrer-policy" in answer.headers, path
            assert "server" not in answer.headers, path

    def test_forms_may_lead_to_the_processor_and_nowhere_else(self, cloud: LocalCloud) -> None:
        policy = header_text(WEB.get(cloud.app + "/apps/halyard"), "content-security-policy")
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules["form-action"] == f"'self' {cloud.processor}"
        assert rules["style-src"] == "'self'"
        assert "script-src" not in rules

    @PREFIXES
    def test_assets_are_kept_for_good_by_their_digest(self, cloud: LocalCloud, prefix: str) -> None:
        html = WEB.get(f"{cloud.app}{prefix}/").text
        found = sorted(set(re.findall(r'"([^"]*/assets/[^"]+)"', html)))
        assert len(found) >= 2
        for path in found:
            answer = WEB.get(cloud.app + path)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            wrong = re.sub(r"\.[0-9a-f]{12}\.", ".000000000000.", path)
            assert WEB.get(cloud.app + wrong).status_code == 404

    def test_published_keys_may_be_kept_and_nothing_of_a_person_may(
        self, cloud: LocalCloud, owner: Customer
    ) -> None:
        assert "max-age=" in WEB.get(cloud.app + "/v1/keys").headers["cache-control"]
        for path in ("/account/setup", "/account/downloads"):
            assert owner.browser.fetch(path).headers["cache-control"] == "no-store"


class TestErrors:
    @PREFIXES
    def test_an_unknown_address_is_a_page_for_browsers_and_a_problem_for_programs(
        self, cloud: LocalCloud, prefix: str
    ) -> None:
        for path in ("/nope", "/account/nope", "/apps/nope", "/problems/nope", "/assets/nope"):
            page = WEB.get(cloud.app + prefix + path, headers=HTML, follow_redirects=True)
            assert (path, page.status_code) == (path, 404)
            assert page.headers["content-type"].startswith("text/html")
            assert "<h1" in page.text
        for path in ("/v1/nope", "/v1/vendor/nope", "/v1/leases/x/nope"):
            problem(WEB.get(cloud.app + prefix + path), 404, "not_found")
            problem(WEB.post(cloud.app + prefix + path, json={}), 404, "not_found")

    def test_another_method_is_as_unknown_as_another_address(self, cloud: LocalCloud) -> None:
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            answer = WEB.request(method, cloud.app + "/login", headers=HTML)
            assert answer.status_code in {403, 404, 405}
        problem(WEB.post(cloud.app + "/v1/keys", json={}), 404, "not_found")
        problem(WEB.get(cloud.app + "/v1/launches"), 404, "not_found")

    def test_eleven_megabytes_are_too_much_for_anybody(self, cloud: LocalCloud) -> None:
        body = b"0" * (11 * 1024 * 1024)
        answer = WEB.post(
            cloud.app + "/v1/launches", content=body, headers={"content-type": "application/json"}
        )
        problem(answer, 413, "too_large")
        page = WEB.post(cloud.app + "/login", content=body, headers=HTML)
        assert page.status_code == 413
        assert page.headers["content-type"].startswith("text/html")

    def test_every_problem_leads_to_a_page_that_says_more(self, cloud: LocalCloud) -> None:
        for answer in (
            WEB.get(cloud.app + "/v1/nope"),
            WEB.get(cloud.app + "/v1/vendor/usage"),
            WEB.post(cloud.app + "/v1/launches", content=b"{"),
            WEB.post(cloud.app + "/v1/launches", json={}),
        ):
            page = WEB.get(answer.json()["type"], headers=HTML)
            assert page.status_code == 200, answer.text
            assert answer.json()["code"] in page.text

    def test_only_our_own_signed_addresses_lead_off_the_site(self, cloud: LocalCloud) -> None:
        for to in ("", "https://example.org", "aHR0cHM6Ly9leGFtcGxlLm9yZw.x", "//example.org"):
            answer = WEB.get(cloud.app + "/exit", params={"to": to}, headers=HTML)
            assert answer.status_code == 404
            assert "example.org" not in answer.text

    def test_nobody_is_led_off_the_site_after_signing_in(
        self, cloud: LocalCloud, owner: Customer
    ) -> None:
        fields = {"login": owner.fields["login"], "password": owner.fields["password"]}
        for target in ("https://example.org/", "//example.org/", "/\\example.org"):
            visitor = Visitor(cloud.app)
            visitor.open(f"{cloud.app}/login")
            page = visitor.submit("/login", **fields, next=target)
            assert page.url == f"{cloud.app}/account"


class TestCookies:
    def test_all_that_are_set_are_published_and_out_of_reach(
        self, cloud: LocalCloud, owner: Customer
    ) -> None:
        published = WEB.get(cloud.app + "/privacy/cookies").text
        visitor = Visitor(cloud.app)
        seen: dict[str, Any] = {}
        visitor.http.event_hooks["response"] = [
            lambda answer: [
                seen.update(SimpleCookie(header))
                for header in answer.headers.get_list("set-cookie")
            ]
        ]
        for path in PAGES[:6]:
            visitor.open(cloud.app + path.replace("{slug}", "halyard").replace("{code}", "x"))
        visitor.open(f"{cloud.app}/login")
        fields = {"login": owner.fields["login"], "password": owner.fields["password"]}
        assert visitor.submit("/login", **fields).path == "/account"
        assert set(seen) == {"__Host-sid", "__Host-form"}
        for name, morsel in seen.items():
            assert name in published
            assert morsel["secure"], name
            assert morsel["httponly"], name
            assert morsel["path"] == "/", name
            assert not morsel["domain"], name
            assert morsel["samesite"] in {"Lax", "Strict"}, name
            assert int(morsel["max-age"]) <= 30 * 24 * 3600, name

    def test_a_form_works_for_the_browser_that_asked_for_it_alone(
        self, cloud: LocalCloud, owner: Customer
    ) -> None:
        thief, stolen = Visitor(cloud.app), Visitor(cloud.app)
        page = stolen.open(f"{cloud.app}/login")
        token = page.form("/login").fields["csrf"]
        thief.open(f"{cloud.app}/login")
        fields = {"login": owner.fields["login"], "password": owner.fields["password"]}
        page = thief.submit("/login", **fields, csrf=token)
        assert page.status == 403
        headers = {"sec-fetch-site": "cross-site", **HTML}
        kept = stolen.cookies["localhost"]
        cookie = {"cookie": "; ".join(f"{n}={v}" for n, v in kept.items())}
        answer = WEB.post(
            f"{cloud.app}/login", data={**fields, "csrf": token}, headers={**headers, **cookie}
        )
        assert answer.status_code == 403
        assert "__Host-sid" not in header_text(answer, "set-cookie")


def problem(answer: httpx.Response, status: int, code: str) -> None:
    """An RFC 9457 problem of this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert {"type", "title", "detail"} <= set(body)
