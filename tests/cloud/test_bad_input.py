"""What bad input gets: a 4xx that names the field, nothing stored, nothing of it in a log.

Forms and bodies are taken from the access table, so that a new route cannot be forgotten.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from chalicelib.edge.access import ACCESS
from tests.cloud.people import (
    WEB,
    Visitor,
    mailed_link,
    new_customer,
    profile,
    send_registration,
)
from tests.cloud.program import Computer, claims_of
from tests.cloud.scan import found_in, holds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
CANARY = "zq7canaryv"
MEGABYTE = 1024 * 1024
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
CHANGES_BY_ITSELF = ("LEDGER#", "RATE#", "SESSIONS#")
"""Partitions that reading and counting change: no state of anybody's (design, section 7)."""
NEW_PASSWORD = "three pears in winter"


@dataclass
class Door:
    """One route that takes a body: how to send to it, and a body that it would take."""

    path: str
    kind: str
    good: Json
    send: Callable[[bytes, str], httpx.Response] = field(repr=False)
    optional: frozenset[str] = frozenset()
    oauth: bool = False

    def encode(self, body: Json) -> bytes:
        text = json.dumps(body) if self.kind == JSON else urlencode(body)
        return text.encode()

    def answer(self, body: Json) -> httpx.Response:
        return self.send(self.encode(body), self.kind)


FORMS = {
    "/contact", "/register", "/verify/{token}", "/login", "/logout", "/logout/everywhere",
    "/forgot", "/reset/{token}", "/account/setup", "/account/setup/password", "/apps/{slug}/orders",
    "/orders/{order_id}/checkout", "/account/computers/keys", "/device",
}  # fmt: skip
OAUTH = {"/v1/device/code", "/v1/device/token"}
CALLS = {
    "/v1/licenses/check", "/v1/launches", "/v1/leases/{lease_id}/heartbeats",
    "/v1/leases/{lease_id}/end",
}  # fmt: skip
BODILESS = {f"/v1/vendor/licenses/{{license_id}}/{act}" for act in
            ("suspend", "reinstate", "revoke")}  # fmt: skip
ELSEWHERE = {
    "/account/privacy/deactivate", "/account/privacy/erase", "/account/privacy/erase/stop",
    "/reactivate", "/rights/{token}", "/rights/{token}/details", "/rights/{token}/correct",
    "/rights/stop/{token}",
    "/webhooks/stripe", "/unsubscribe/{token}", "/v1/vendor/licenses/{license_id}",
    "/v1/vendor/releases/{release_id}/withdraw", "/staff/login", "/staff/logout",
    "/staff/policy", "/staff/mailings", "/staff/mailings/{mailing_id}/text",
    "/staff/mailings/{mailing_id}/submit", "/staff/mailings/{mailing_id}/approve",
    "/staff/mailings/{mailing_id}/refuse", "/staff/mailings/{mailing_id}/schedule",
    "/staff/mailings/{mailing_id}/cancel", "/staff/mailings/{mailing_id}/send",
    "/privacy/cookies", "/partners/{token}",
    "/account/sessions/end", "/account/sessions/others", "/account/setup/zone", "/account/email",
    "/account/privacy/choices", "/choices/{token}",
    "/email/{token}", "/email/stop/{token}", "/email/undo/{token}", "/invitations/{token}",
    "/account/notices", "/account/notices/works-again", "/account/computers/name",
    "/account/computers/end", "/account/computers/block", "/account/computers/unblock",
    "/account/subscriptions/{license_id}/cancel", "/account/subscriptions/{license_id}/card",
    "/account/subscriptions/{license_id}/keep", "/account/licenses/{license_id}/people",
    "/account/licenses/{license_id}/people/end", "/account/shared/{license_id}/leave",
}  # fmt: skip
"""Signed bytes, signed addresses, buttons and a change by PATCH: tests of their own, in process."""


def test_every_route_that_takes_a_body_is_known_here() -> None:
    posts = {key.partition(" ")[2] for key in ACCESS if not key.startswith("GET ")}
    assert posts - (FORMS | OAUTH | CALLS | BODILESS | ELSEWHERE) == set()
    assert (FORMS | OAUTH | CALLS | BODILESS) - posts == set()


class World:
    """A customer, a computer and a lease that all doors share, and one door a path."""

    def __init__(self, cloud: LocalCloud, halyard: Json, vendor_token: str) -> None:
        self.cloud, self.halyard, self.vendor_token = cloud, halyard, vendor_token
        self.customer = new_customer(cloud, "bad-member")
        self.order = self.customer.buy()
        cloud.control.settle()
        self.computer = Computer(cloud, halyard["id"])
        self.computer.sign_in(self.customer)
        self.lease = self.computer.launch("bad-1")["lease"]
        self.license = claims_of(self.lease)["license"]
        self.links = self.new_links()

    def new_links(self) -> dict[str, tuple[Visitor, str]]:
        """A link to confirm and a link to reset, each unused, with a browser that opened it."""
        fields = profile("bad-unconfirmed")
        stranger, forgetful = Visitor(self.cloud.app), Visitor(self.cloud.app)
        send_registration(self.cloud, stranger, fields)
        forgetful.open(f"{self.cloud.app}/forgot")
        forgetful.submit("/forgot", email=self.customer.email)
        self.cloud.control.settle()
        return {
            "/verify/{token}": (stranger, mailed_link(self.cloud, fields["email"])),
            "/reset/{token}": (forgetful, mailed_link(self.cloud, self.customer.email)),
        }

    def door(self, path: str) -> Door:
        if path in FORMS:
            return self.form(path)
        return self.oauth(path) if path in OAUTH else self.call(path)

    # forms

    def form(self, path: str) -> Door:
        visitor, page, good = self.opened(path)
        token = visitor.open(page).parsed.forms
        csrf = next(one.fields["csrf"] for one in token if "csrf" in one.fields)
        target = self.cloud.app + self.filled(path)
        if path in self.links:
            target = self.links[path][1]

        def send(body: bytes, kind: str) -> httpx.Response:
            kept = visitor.cookies["localhost"]
            cookie = "; ".join(f"{name}={value}" for name, value in kept.items())
            headers = {**HTML, "content-type": kind, "cookie": cookie}
            return visitor.http.post(target, content=body, headers=headers)

        optional = frozenset({"company", "phone", "tax_id", "next", "attempt", "decision"})
        return Door(path, FORM, {**good, "csrf": csrf}, send, optional)

    def filled(self, path: str) -> str:
        return path.replace("{slug}", "halyard").replace("{order_id}", self.order)

    def opened(self, path: str) -> tuple[Visitor, str, dict[str, str]]:
        """Who sends the form, the page that it stands on, and good values."""
        member, home = self.customer.browser, self.cloud.app
        fields = {n: v for n, v in profile("bad-new").items() if n != "email"}
        setup = {n: v for n, v in fields.items() if n not in {"login", "password"}}
        if path in self.links:
            visitor, link = self.links[path]
            return visitor, link, {"password": NEW_PASSWORD}
        password = {"current_password": self.customer.fields["password"]}
        return {
            "/contact": (
                Visitor(home), "/contact",
                {"about": "support", "email": "nobody@example.org", "message": "Where is it?"},
            ),
            "/register": (Visitor(home), "/register", profile("bad-new")),
            "/login": (
                Visitor(home), "/login", {"login": "nobody-here", "password": NEW_PASSWORD},
            ),
            "/forgot": (Visitor(home), "/forgot", {"email": "nobody@example.org"}),
            "/logout": (member, "/account", {}),
            "/logout/everywhere": (member, "/account", {}),
            "/account/setup": (member, "/account/setup", setup),
            "/account/setup/password": (
                member, "/account/setup/password", {**password, "password": NEW_PASSWORD},
            ),
            "/apps/{slug}/orders": (member, "/apps/halyard", {"plan": self.plan()}),
            "/orders/{order_id}/checkout": (member, "/account", {}),
            "/account/computers/keys": (member, "/account/computers", {"license": self.license}),
            "/device": (member, "/device", {"user_code": "BCDF-GHJK"}),
        }[path]  # fmt: skip

    def plan(self) -> str:
        return str(self.cloud.control.seed()["plans"][0]["id"])

    # programs

    def oauth(self, path: str) -> Door:
        good = {"client_id": self.halyard["id"]}
        if path.endswith("token"):
            grant = "urn:ietf:params:oauth:grant-type:device_code"
            good |= {"grant_type": grant, "device_code": "not-a-code"}

        def send(body: bytes, kind: str) -> httpx.Response:
            headers = {"content-type": kind, "dpop": self.computer.proof("POST", path)}
            return self.computer.http.post(self.cloud.app + path, content=body, headers=headers)

        return Door(path, FORM, good, send, oauth=True)

    def call(self, path: str) -> Door:
        lease = claims_of(self.lease)["jti"]
        filled = path.replace("{lease_id}", lease)
        application = {"application": self.halyard["id"]}
        good: Json = {
            "/v1/licenses/check": application,
            "/v1/launches": {**application, "launch_id": "bad-2", "computer": self.computer.jwk},
            "/v1/leases/{lease_id}/heartbeats": {"lease": self.lease, "seq": 1},
            "/v1/leases/{lease_id}/end": {"lease": self.lease},
        }[path]

        def send(body: bytes, kind: str) -> httpx.Response:
            headers = self.computer.credentials("POST", filled)
            if "leases" in path:
                headers = {"dpop": self.computer.proof("POST", filled)}
            return self.computer.http.post(
                self.cloud.app + filled, content=body, headers={**headers, "content-type": kind}
            )

        return Door(path, JSON, good, send)


@pytest.fixture(scope="module")
def world(cloud: LocalCloud, halyard: Json, vendor_token: str) -> World:
    return World(cloud, halyard, vendor_token)


@pytest.fixture(scope="class")
def untouched(cloud: LocalCloud, world: World) -> Iterator[None]:
    """Nothing stored, sent or queued, and nothing of it in a log, a request or a call."""
    cloud.control.settle()
    before, lines = at_rest(cloud), len(cloud.control.logs())
    requests, mails = len(cloud.control.requests()), len(cloud.control.mail())
    yield
    cloud.control.settle()
    assert at_rest(cloud) == before
    assert found_in(cloud.control.logs()[lines:], [CANARY]) == []
    assert found_in(cloud.control.requests()[requests:], [CANARY]) == []
    assert len(cloud.control.mail()) == mails


def at_rest(cloud: LocalCloud) -> list[str]:
    dump = cloud.control.dump()
    items = [item for table in dump["tables"].values() for item in table["items"]]
    kept = [i for i in items if not i["pk"]["S"].startswith(CHANGES_BY_ITSELF)]
    buckets = {name: it for name, it in dump["buckets"].items() if name != "VisitorLogsBucket"}
    return sorted(json.dumps([kept, buckets], sort_keys=True).split("}, {"))


def refused(door: Door, answer: httpx.Response, *names: str) -> None:
    """A 4xx that names each field, and shows nothing of the canary to a program."""
    assert 400 <= answer.status_code < 500, (door.path, answer.status_code, answer.text[:400])
    for name in names:
        assert name in said_fields(door, answer), (door.path, name, answer.text[:1500])
    if door.kind == JSON or door.oauth:
        assert not holds(answer.content, CANARY), answer.text


def said_fields(door: Door, answer: httpx.Response) -> str:
    """Where the names of the fields stand: the summary, `errors`, or OAuth's description."""
    if door.oauth:
        return str(answer.json()["error_description"])
    if door.kind == JSON:
        assert answer.headers["content-type"] == "application/problem+json"
        return " ".join(error["field"] for error in answer.json()["errors"])
    alert = answer.text.partition('role="alert"')[2].partition("</ul>")[0]
    assert alert or "<form" not in answer.text.partition("<main")[2], answer.text
    return alert or answer.text.partition("<main")[2]


DOORS = pytest.mark.parametrize("path", sorted(FORMS | OAUTH | CALLS))
NAMED = pytest.mark.parametrize(
    "path",
    sorted((FORMS | CALLS) - {"/logout", "/logout/everywhere", "/orders/{order_id}/checkout"}),
)


def wanted(door: Door) -> list[str]:
    return [name for name in door.good if name not in door.optional | {"csrf"}]


@pytest.mark.usefixtures("untouched")
class TestBodies:
    @DOORS
    def test_a_field_that_is_missing_is_named(self, world: World, path: str) -> None:
        door = world.door(path)
        for name in wanted(door):
            rest = {key: value for key, value in door.good.items() if key != name}
            refused(door, door.answer(rest), name)

    @pytest.mark.parametrize("path", sorted(FORMS | CALLS))
    def test_a_field_that_nobody_asked_for_is_named(self, world: World, path: str) -> None:
        door = world.door(path)
        refused(door, door.answer({**door.good, "surplus": CANARY}), "surplus")

    @NAMED
    def test_a_field_that_is_too_long_is_named(self, world: World, path: str) -> None:
        door = world.door(path)
        for name in wanted(door):
            if isinstance(door.good[name], str):
                refused(door, door.answer({**door.good, name: CANARY + "x" * 20_000}), name)

    @DOORS
    def test_control_characters_are_refused_by_name(self, world: World, path: str) -> None:
        door = world.door(path)
        for name in wanted(door):
            if isinstance(door.good[name], str):
                bad = f"{CANARY}\x00\x1b[2J"
                refused(door, door.answer({**door.good, name: bad}), name)

    @pytest.mark.parametrize("path", sorted(CALLS))
    def test_another_type_is_named(self, world: World, path: str) -> None:
        door = world.door(path)
        for name in door.good:
            for wrong in (None, True, [CANARY], {CANARY: 1}, 1.5):
                refused(door, door.answer({**door.good, name: wrong}), name)

    @DOORS
    def test_a_field_that_comes_twice_is_named(self, world: World, path: str) -> None:
        door = world.door(path)
        for name in wanted(door)[:2]:
            once = door.encode(door.good)
            if door.kind == JSON:
                body = once[:-1] + f', "{name}": "{CANARY}"}}'.encode()
            else:
                body = once + f"&{name}={CANARY}".encode()
            refused(door, door.send(body, door.kind), name)

    @DOORS
    def test_bytes_that_are_not_utf_8_are_refused(self, world: World, path: str) -> None:
        door = world.door(path)
        good = door.encode(door.good)
        name = (wanted(door) or ["csrf"])[0]
        if door.kind == JSON:
            body = good[:-1] + b', "surplus": "' + CANARY.encode() + b'\xff\xfe"}'
        else:
            rest = {key: value for key, value in door.good.items() if key != name}
            body = door.encode(rest) + f"&{name}={CANARY}%ff%fe".encode()
        refused(door, door.send(body, door.kind))

    @DOORS
    def test_what_is_not_of_its_content_type_is_refused(self, world: World, path: str) -> None:
        door = world.door(path)
        refused(door, door.send(b'\x89PNG {"' + CANARY.encode(), door.kind))
        refused(door, door.send(b"[" * 20_000, door.kind))
        refused(door, door.send(b"", door.kind))

    @DOORS
    def test_another_content_type_is_refused(self, world: World, path: str) -> None:
        door = world.door(path)
        other = FORM if door.kind == JSON else JSON
        for kind in (other, "text/plain", "multipart/form-data; boundary=x", "application/xml"):
            answer = door.send(door.encode({**door.good, "surplus": CANARY}), kind)
            assert answer.status_code == 415, (path, kind, answer.status_code)
            assert not holds(answer.content, CANARY)

    @DOORS
    def test_a_megabyte_is_refused(self, world: World, path: str) -> None:
        door = world.door(path)
        large = {**door.good, "surplus": CANARY + "x" * MEGABYTE}
        answer = door.answer(large)
        assert answer.status_code == 413, (path, answer.status_code)
        assert not holds(answer.content, CANARY)

    @pytest.mark.parametrize("path", sorted(CALLS))
    def test_json_that_is_no_object_is_refused_with_a_name(self, world: World, path: str) -> None:
        door = world.door(path)
        for body in (b"[]", b"null", b"1", b'"x"', b"NaN", b'{"a": NaN}', b"{", b"\xef\xbb\xbf{}"):
            refused(door, door.send(body, JSON), "")
            assert door.send(body, JSON).json()["errors"]

    @pytest.mark.parametrize("act", ["suspend", "reinstate", "revoke"])
    def test_a_call_without_a_body_takes_none(self, world: World, act: str) -> None:
        path = f"{world.cloud.app}/v1/vendor/licenses/{world.license}/{act}"
        headers = {"authorization": f"Bearer {world.vendor_token}", "content-type": JSON}
        for body in (f'{{"why": "{CANARY}"}}', "[]", CANARY, "x" * MEGABYTE):
            answer = WEB.post(path, content=body, headers=headers)
            assert 400 <= answer.status_code < 500, (act, answer.status_code)
            assert not holds(answer.content, CANARY)


@pytest.mark.usefixtures("untouched")
class TestAddressesAndHeaders:
    def test_odd_paths_and_queries_are_never_an_error_of_ours(self, world: World) -> None:
        odd = [quote(CANARY + text) for text in ("\x00", "\n", "é", "\u202e", "x" * 600)]
        odd += [CANARY + "%ff%fe", CANARY + "%2e%2e%2f", "%"]
        for path in ("/apps/", "/verify/", "/reset/", "/problems/", "/assets/", "/apps?q="):
            for value in odd:
                answer = WEB.get(world.cloud.app + path + value, headers=HTML)
                assert answer.status_code < 500, (path, value)

    def test_odd_paths_of_a_person_and_a_program_are_not_found(self, world: World) -> None:
        for value in (CANARY, CANARY + "%00", CANARY + "%ff", "x" * 600):
            for path in ("/orders/", "/account/downloads/"):
                answer = world.customer.browser.fetch(f"{path}{value}")
                assert answer.status_code in {400, 404}, (path, value)
            path = f"/v1/artifacts/{value}"
            assert 400 <= world.computer.get(path).status_code < 500

    def test_odd_cursors_and_limits_are_named(self, world: World) -> None:
        headers = {"authorization": f"Bearer {world.vendor_token}"}
        for name, values in {
            "limit": ("0", "-1", "x", "1e3", "9" * 40, CANARY),
            "cursor": (CANARY, "%00", "====", "é"),
        }.items():
            for call in ("applications", "releases", "licenses", "usage"):
                for value in values:
                    path = f"{world.cloud.app}/v1/vendor/{call}?{name}={quote(value, safe='%')}"
                    answer = WEB.get(path, headers=headers)
                    assert 400 <= answer.status_code < 500, (call, name, value, answer.text)
                    assert answer.json()["errors"][0]["field"] == name
                    assert not holds(answer.content, CANARY)

    def test_credentials_that_are_none_are_401(self, world: World) -> None:
        for given in ("", "Bearer", f"Bearer {CANARY}", f"Basic {CANARY}", "DPoP x", "License x"):
            answer = WEB.get(f"{world.cloud.app}/v1/vendor/usage", headers={"authorization": given})
            assert (given, answer.status_code) == (given, 401)
        for given in ("", "DPoP", f"DPoP {CANARY}", "DPoP a.b.c", f"License {CANARY}", "License"):
            for proof in ("", CANARY, "a.b.c", world.computer.proof("POST", "/v1/launches")):
                answer = WEB.post(
                    f"{world.cloud.app}/v1/launches", json={},
                    headers={"authorization": given, "dpop": proof},
                )  # fmt: skip
                assert (given, answer.status_code) == (given, 401)
                assert not holds(answer.content, CANARY)

    def test_a_lease_that_is_none_is_401(self, world: World) -> None:
        for lease in (CANARY, "a.b.c", world.lease[:-4] + "AAAA", world.lease.swapcase()):
            for what, body in (("heartbeats", {"seq": 1}), ("end", {})):
                path = f"/v1/leases/{claims_of(world.lease)['jti']}/{what}"
                headers = {"dpop": world.computer.proof("POST", path)}
                answer = WEB.post(
                    world.cloud.app + path, json={**body, "lease": lease}, headers=headers
                )
                assert (what, answer.status_code) == (what, 401)

    def test_odd_cookies_are_nobody(self, world: World) -> None:
        for cookie in (f"__Host-sid={CANARY}", "__Host-sid=", "=;=;", "\x7f", "a=b; __Host-sid"):
            answer = WEB.get(f"{world.cloud.app}/account", headers={**HTML, "cookie": cookie})
            assert (cookie, answer.status_code) == (cookie, 303)
