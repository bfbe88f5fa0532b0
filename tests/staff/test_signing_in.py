"""Staff: a door of their own, roles, short sessions; unknown and known look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from chalicelib import wiring
from chalicelib.core.clock import HOUR, MINUTE
from chalicelib.edge.access import ACCESS, FOR_STAFF, Rule
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.rules import Event
from chalicelib.staff.rules import (
    SESSION_LIFE,
    NobodyOfThatName,
    Role,
    StaffNameTaken,
    own_path,
)
from tests.accounts.watch import watched
from tests.browser import Browser
from tests.crash import at_every_call
from tests.staff.conftest import NAME, PASSWORD, signed_in

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables


def attempt(browser: Browser, name: str, password: str) -> int:
    return browser.post("/staff/login", {"name": name, "password": password}).status


class TestTheDoor:
    def test_name_and_password_open_it(self, operator: Browser) -> None:
        assert operator.get("/staff").status == 200
        assert "Trends" in operator.get("/staff").words

    def test_a_page_leads_to_it_and_back(self, browser: Browser) -> None:
        wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])
        answer = browser.get("/staff/trends?from=2026-11-01&to=2026-11-20")
        assert answer.location.startswith("/staff/login?next=")
        form = {"name": NAME, "password": PASSWORD, "next": "/staff/trends?from=2026-11-01"}
        answer = browser.post("/staff/login", form, page=answer.location)
        assert answer.location == "/staff/trends?from=2026-11-01"

    @pytest.mark.parametrize(
        "path",
        ["//evil.example", "https://evil.example", "/account", "/staff//evil", "/staffroom", "\\",
         "/staff/ x", ""],
    )  # fmt: skip
    def test_it_leads_nowhere_else(self, path: str) -> None:
        assert own_path(path) == "/staff"

    def test_who_is_signed_in_is_led_on(self, operator: Browser) -> None:
        assert operator.get("/staff/login").location == "/staff"

    def test_a_wrong_password_is_told_in_place_and_the_name_is_kept(self, browser: Browser) -> None:
        answer = browser.post("/staff/login", {"name": NAME, "password": "no"})
        assert answer.status == 401
        assert f'value="{NAME}"' in answer.text
        assert "not right" in answer.words

    def test_what_is_left_out_is_named(self, browser: Browser) -> None:
        answer = browser.post("/staff/login", {})
        assert answer.status == 422
        assert "Enter your name" in answer.words

    @pytest.mark.guarantee("G7")
    def test_an_unknown_name_is_answered_like_a_wrong_password(self, operator: Browser) -> None:
        seen = []
        for name in (NAME, "nobody.here"):
            browser = Browser()
            fields = {"csrf": browser.token("/staff/login"), "name": name, "password": "wrong one"}
            with watched() as steps:
                answer = browser.post_raw("/staff/login", urlencode(fields).encode())
            seen.append((answer.status, answer.text.replace(name, ""), answer.headers, steps))
        assert seen[0][0] == seen[1][0] == 401
        assert seen[0][3] == seen[1][3]
        assert ("argon2", "verify") in seen[0][3]
        known, unknown = (text.partition("<main")[2] for _, text, _, _ in seen)
        assert strip_token(known) == strip_token(unknown)

    def test_attempts_are_limited_by_name_known_or_not(self, browser: Browser) -> None:
        wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])
        for name in (NAME, "nobody.here"):
            statuses = [attempt(browser, name, "wrong") for _ in range(12)]
            assert statuses[0] == 401
            assert statuses[-1] == 429
        answer = browser.post("/staff/login", {"name": NAME, "password": PASSWORD})
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert "mail" not in answer.words

    def test_a_stranger_who_uses_them_up_locks_nobody_out_for_good(
        self, browser: Browser, clock: FakeClock
    ) -> None:
        wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])
        for _ in range(12):
            attempt(browser, NAME, "wrong")
        clock.advance(HOUR)
        assert attempt(browser, NAME, PASSWORD) == 303

    def test_another_sites_form_signs_nobody_in(self, browser: Browser) -> None:
        wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])
        body = urlencode({"name": NAME, "password": PASSWORD}).encode()
        assert browser.post_raw("/staff/login", body).status == 403


def strip_token(text: str) -> str:
    before, _, after = text.partition('name="csrf" value="')
    return before + after.partition('"')[2]


class TestSessions:
    def test_it_ends_after_two_hours_whatever_is_done(
        self, operator: Browser, clock: FakeClock
    ) -> None:
        clock.advance(SESSION_LIFE - MINUTE)
        assert operator.get("/staff").status == 200
        clock.advance(MINUTE)
        assert operator.get("/staff").location.startswith("/staff/login")

    def test_signing_out_ends_it(self, operator: Browser) -> None:
        kept = dict(operator.cookies)
        answer = operator.post("/staff/logout", {}, page="/staff")
        assert answer.location == "/staff/login"
        operator.cookies = kept
        assert operator.get("/staff").location.startswith("/staff/login")

    def test_its_cookie_is_for_this_site_alone_and_says_nothing(self, browser: Browser) -> None:
        wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])
        answer = browser.post("/staff/login", {"name": NAME, "password": PASSWORD})
        (line,) = [c for c in answer.cookies if c.startswith("__Host-staff=")]
        assert "SameSite=Strict" in line
        assert "HttpOnly" in line
        assert f"Max-Age={SESSION_LIFE // 1000}" in line

    def test_no_token_and_no_name_is_at_rest(self, operator: Browser, tables: Tables) -> None:
        dump = tables.dump()
        assert operator.cookies["__Host-staff"] not in dump
        assert NAME not in dump
        assert PASSWORD not in dump

    def test_a_customers_session_opens_nothing_here(self, operator: Browser) -> None:
        stranger = Browser(cookies={"__Host-sid": operator.cookies["__Host-staff"]})
        assert stranger.get("/staff").location.startswith("/staff/login")

    def test_a_staff_session_is_no_customers(self, operator: Browser) -> None:
        stranger = Browser(cookies={"__Host-sid": operator.cookies["__Host-staff"]})
        assert stranger.get("/account").location.startswith("/login")
        assert operator.get("/account").location.startswith("/login")

    def test_who_leaves_is_out_at_once_and_cannot_come_back(self, operator: Browser) -> None:
        wiring.staff().end(NAME)
        assert operator.get("/staff").location.startswith("/staff/login")
        assert attempt(Browser(), NAME, PASSWORD) == 401


class TestRoles:
    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
    @pytest.mark.parametrize("path", ["/staff/trends", "/staff/trends.csv"])
    def test_the_trends_are_for_operators(
        self, path: str, role: Role, tables: Tables, clock: FakeClock
    ) -> None:
        browser = signed_in("somebody", role)
        answer = browser.get(path)
        assert answer.status == 403
        assert "Your role" in answer.text
        assert "Signed in as staff" in answer.text

    def test_several_roles_are_each_enough(self, tables: Tables, clock: FakeClock) -> None:
        assert signed_in("a.b", Role.BILLING, Role.OPERATOR).get("/staff/trends").status == 200

    def test_a_role_without_pages_says_so(self, tables: Tables, clock: FakeClock) -> None:
        assert "no pages for your role" in signed_in("a.b", Role.BILLING).get("/staff").words

    def test_every_page_below_staff_asks_for_staff(self) -> None:
        for route, rule in ACCESS.items():
            below = route.partition(" ")[2].startswith("/staff")
            assert below == (rule in FOR_STAFF), route
            if rule is Rule.STAFF_VISITOR:
                assert route.endswith("/staff/login")

    def test_every_role_has_a_rule(self) -> None:
        assert {rule.value for rule in FOR_STAFF} >= {str(role) for role in Role}


class TestMembers:
    def test_a_name_belongs_to_one(self, operator: Browser) -> None:
        for name in (NAME, NAME.upper()):
            with pytest.raises(StaffNameTaken):
                wiring.staff().add(name, PASSWORD, [Role.BILLING])

    def test_a_name_is_free_again_once_its_owner_has_left(self, operator: Browser) -> None:
        first = wiring.staff().end(NAME)
        assert wiring.staff().add(NAME, PASSWORD, [Role.BILLING]).id != first.id
        with pytest.raises(NobodyOfThatName):
            wiring.staff().end("nobody.here")

    def test_coming_signing_in_and_leaving_are_in_the_ledger(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        member = wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])
        browser = Browser()
        attempt(browser, NAME, "wrong")
        attempt(browser, NAME, PASSWORD)
        wiring.staff().end(NAME)
        events = [row.entry.event for row in Ledger(tables.accounts).rows(member.id)]
        assert events == [Event.STAFF_ADDED, Event.STAFF_SIGNED_IN, Event.STAFF_ENDED]

    @pytest.mark.guarantee("G12")
    def test_killed_at_any_call_signing_in_can_be_done_again(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])

        def sign_in(_: object) -> str:
            return wiring.staff().sign_in(NAME, PASSWORD)

        def judge(_: object) -> None:
            clock.advance(HOUR)
            member = wiring.staff().of(sign_in(None))
            assert member is not None

        assert at_every_call(lambda: None, sign_in, judge) > 6
