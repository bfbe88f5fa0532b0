"""Sessions: opaque, rotated, counted in reads, and dead at once when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from argon2 import PasswordHasher

from chalicelib import wiring
from chalicelib.accounts import passwords
from chalicelib.core.clock import DAY, MINUTE
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION
from tests.accounts.watch import watched
from tests.browser import Browser

if TYPE_CHECKING:
    from tests.accounts.conftest import Mails
    from tests.conftest import FakeClock, Tables

SID = "__Host-sid"
WRONG = {"login": PROFILE["login"], "password": "a wrong password"}
RIGHT = {"login": PROFILE["login"], "password": PASSWORD}


def signed_in(browser: Browser) -> bool:
    return browser.get("/account").status == 200


def entered() -> Browser:
    browser = Browser()
    assert browser.post("/login", RIGHT).location == "/account"
    return browser


class TestSigningIn:
    @pytest.mark.parametrize("name", ["mora.kilbride", "Mora.Kilbride", "MORA@kilbride.EXAMPLE"])
    def test_login_name_and_address_both_do_in_any_case(self, member: Browser, name: str) -> None:
        answer = Browser().post("/login", {"login": name, "password": PASSWORD})
        assert (answer.status, answer.location) == (303, "/account")

    @pytest.mark.promise("PS-20")
    def test_the_cookie_is_host_only_and_out_of_reach(self, member: Browser) -> None:
        answer = Browser().post("/login", RIGHT)
        (cookie,) = [line for line in answer.cookies if line.startswith(SID)]
        parts = set(cookie.split("; ")[1:])
        assert parts == {"Path=/", "Max-Age=2592000", "Secure", "HttpOnly", "SameSite=Lax"}

    @pytest.mark.promise("PS-45")
    def test_the_token_is_not_at_rest(self, member: Browser, tables: Tables) -> None:
        assert member.cookies[SID] not in tables.dump()

    def test_a_session_costs_two_strong_reads_and_a_visitor_none(self, member: Browser) -> None:
        member.get("/device")  # the first of the day is remembered as well
        with watched() as steps:
            member.get("/device")
        assert steps == [("dynamodb", "GetItem", "usage"), ("dynamodb", "GetItem", "accounts")]
        with watched() as steps:
            Browser().get("/status")
        assert steps == []

    @pytest.mark.parametrize("forged", ["", "x", "A" * 43, "A" * 5000, "'; DROP"])
    def test_a_forged_cookie_is_nobody(self, member: Browser, forged: str) -> None:
        answer = Browser(cookies={SID: forged}).get("/account")
        assert (answer.status, answer.location) == (303, "/login?next=%2Faccount")

    def test_signing_in_ends_the_session_that_the_browser_held(self, member: Browser) -> None:
        before = dict(member.cookies)
        fresh = Browser(cookies={SID: before[SID]})
        token = fresh.token("/account/setup")
        body = f"csrf={token}&login={RIGHT['login']}&password={PASSWORD}".replace(" ", "+")
        assert fresh.post_raw("/login", body.encode()).location == "/account"
        assert fresh.cookies[SID] != before[SID]
        assert signed_in(fresh)
        assert not signed_in(Browser(cookies=before))

    @pytest.mark.parametrize(
        ("wanted", "reached"),
        [
            ("/apps", "/apps"),
            ("/device?user_code=ABCD-EFGH", "/device?user_code=ABCD-EFGH"),
            ("//evil.example/", "/account"),
            ("https://evil.example/", "/account"),
            ("/\\evil.example", "/account"),
            ("javascript:alert(1)", "/account"),
            ("", "/account"),
        ],
    )
    def test_it_leads_on_to_our_own_pages_only(
        self, member: Browser, wanted: str, reached: str
    ) -> None:
        assert Browser().post("/login", {**RIGHT, "next": wanted}).location == reached

    def test_a_page_that_needs_it_is_come_back_to(self, member: Browser) -> None:
        answer = Browser().get("/account/setup?saved=profile")
        assert answer.location == "/login?next=%2Faccount%2Fsetup%3Fsaved%3Dprofile"


class TestSigningOut:
    def test_it_ends_this_session_and_no_other(self, member: Browser, tables: Tables) -> None:
        other = entered()
        kept = dict(member.cookies)
        assert member.post("/logout", {}, page="/account").location == "/"
        assert SID not in member.cookies
        assert not signed_in(Browser(cookies=kept))
        assert signed_in(other)

    @pytest.mark.promise("PS-45")
    def test_everywhere_ends_every_session_at_once(self, member: Browser) -> None:
        others = [entered(), entered()]
        member.post("/logout/everywhere", {}, page="/account/setup")
        assert not any(signed_in(browser) for browser in [member, *others])
        assert signed_in(entered())

    def test_without_the_form_nothing_ends(self, member: Browser) -> None:
        assert member.post_raw("/logout", b"csrf=x").status == 403
        assert signed_in(member)

    def test_thirty_days_end_it(self, member: Browser, clock: FakeClock) -> None:
        browser = entered()
        clock.advance(30 * DAY - 1)
        assert signed_in(browser)
        clock.advance(1)
        assert not signed_in(browser)


@pytest.mark.promise("PS-45")
class TestLimits:
    def test_the_eleventh_attempt_waits_for_the_window_and_is_told_how_long(
        self, member: Browser, clock: FakeClock
    ) -> None:
        for _ in range(10):
            assert Browser().post("/login", WRONG).status == 401
        refused = Browser().post("/login", RIGHT)
        assert refused.status == 429
        assert 0 < int(refused.headers["Retry-After"]) <= 15 * 60
        clock.advance(15 * MINUTE)
        assert Browser().post("/login", RIGHT).status == 303

    def test_a_right_password_uses_nothing_up(self, member: Browser) -> None:
        assert {Browser().post("/login", RIGHT).status for _ in range(12)} == {303}

    def test_the_mailed_link_leads_round_it(self, member: Browser, mails: Mails) -> None:
        for _ in range(11):
            Browser().post("/login", WRONG)
        owner = Browser()
        owner.post("/forgot", {"email": PROFILE["email"]})
        answer = owner.post(
            f"/reset/{mails.link('password_reset')}", {"password": "three pears in winter"}
        )
        assert answer.location == "/account"
        assert signed_in(owner)


class TestUnconfirmed:
    def test_a_right_password_sends_the_link_again_once_an_hour(
        self, browser: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        browser.post("/register", REGISTRATION)
        for _ in range(3):
            assert browser.post("/login", RIGHT).status == 403
        assert len(mails.of("confirm_address")) == 1
        answer = browser.post(f"/verify/{mails.link('confirm_address')}", {"password": PASSWORD})
        assert answer.location == "/account"

    def test_it_has_no_session(self, browser: Browser) -> None:
        browser.post("/register", REGISTRATION)
        browser.post("/login", RIGHT)
        assert SID not in browser.cookies


class TestErrorPages:
    def test_an_error_page_says_who_is_signed_in(self, member: Browser) -> None:
        answer = member.get("/orders/ord_unknown")
        assert answer.status == 404
        assert ">Signed in<" in answer.text


class TestPasswordUpgrade:
    def test_an_old_verifier_is_renewed_at_sign_in_and_sessions_stay(
        self, member: Browser, tables: Tables
    ) -> None:
        weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
        with patch.object(passwords, "hasher", lambda: weak):
            account = wiring.sessions().account_of(member.cookies[SID])
            assert account is not None
            wiring.recovery().change_password(account.id, PASSWORD, PASSWORD)
        entered()
        (item,) = [i for i in tables.items("accounts") if i["type"] == "account"]
        assert item["password"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert signed_in(entered())
