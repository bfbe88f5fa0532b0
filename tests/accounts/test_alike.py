"""Known and unknown look alike: same answer, same calls, same hashes, in the same order (G7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.accounts.rules import FORGOT_WINDOW
from chalicelib.core.clock import DAY, MINUTE
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION
from tests.accounts.watch import Step, watched
from tests.browser import Answer, Browser

if TYPE_CHECKING:
    from tests.accounts.conftest import Mails
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.guarantee("G7")

OTHERS = {"login": "somebody.else", "password": "three pears in winter"}
NEW_ADDRESS = "nobody@kilbride.example"


def sent(browser: Browser, path: str, fields: dict[str, str]) -> tuple[Answer, list[Step]]:
    """The answer to a form, and what was asked of the cloud for it."""
    token = browser.token(path)
    with watched() as steps:
        answer = browser.post_raw(path, form({"csrf": token, **fields}))
    return answer, steps


def form(fields: dict[str, str]) -> bytes:
    from urllib.parse import urlencode

    return urlencode(fields).encode()


def assert_alike(known: tuple[Answer, list[Step]], unknown: tuple[Answer, list[Step]]) -> None:
    assert known[1] == unknown[1]
    assert known[0].status == unknown[0].status
    assert known[0].words == unknown[0].words
    assert known[0].headers == unknown[0].headers


class TestRegistration:
    def register(self, email: str, login: str) -> tuple[Answer, list[Step]]:
        return sent(
            Browser(), "/register", {**REGISTRATION, **OTHERS, "email": email, "login": login}
        )

    def test_a_known_address_is_answered_like_a_new_one(self, member: Browser) -> None:
        known = self.register(PROFILE["email"], "first.login")
        unknown = self.register(NEW_ADDRESS, "second.login")
        assert_alike(known, unknown)
        assert ("argon2", "hash") in known[1]
        assert sum(step[:2] == ("kms", "GenerateDataKey") for step in known[1]) == 3

    def test_what_was_chosen_tells_nothing_of_the_address(
        self, member: Browser, tables: Tables
    ) -> None:
        yes = {"choice_marketing": "yes", "choice_partner_mail": "yes"}
        fields = {**REGISTRATION, **OTHERS, **yes}
        first = {**fields, "email": PROFILE["email"], "login": "first.login"}
        second = {**fields, "email": NEW_ADDRESS, "login": "second.login"}
        assert_alike(sent(Browser(), "/register", first), sent(Browser(), "/register", second))
        waiting = [item for item in tables.items("accounts") if item["type"] == "opt_in"]
        assert len(waiting) == 2

    def test_asking_again_and_again_stays_alike(self, member: Browser) -> None:
        for turn in ("one", "two", "three"):
            known = self.register(PROFILE["email"], f"known.{turn}")
            unknown = self.register(f"{turn}@kilbride.example", f"unknown.{turn}")
            assert_alike(known, unknown)

    def test_a_taken_login_name_says_nothing_of_the_address(self, member: Browser) -> None:
        known = self.register(PROFILE["email"], PROFILE["login"])
        unknown = self.register(NEW_ADDRESS, PROFILE["login"])
        assert known[1] == unknown[1]
        assert known[0].status == unknown[0].status == 422
        assert "This login name is taken" in known[0].words

    def test_the_login_name_is_taken_afterwards_either_way(self, member: Browser) -> None:
        self.register(PROFILE["email"], "first.login")
        self.register(NEW_ADDRESS, "second.login")
        after_known = self.register("third@kilbride.example", "first.login")
        after_unknown = self.register("third@kilbride.example", "second.login")
        assert_alike(after_known, after_unknown)

    def test_the_double_click_is_answered_alike(self, member: Browser) -> None:
        for email, login in ((PROFILE["email"], "first.login"), (NEW_ADDRESS, "second.login")):
            self.register(email, login)
        assert_alike(
            self.register(PROFILE["email"], "first.login"),
            self.register(NEW_ADDRESS, "second.login"),
        )

    def test_signing_in_with_what_was_registered_tells_nothing(
        self, member: Browser, clock: FakeClock
    ) -> None:
        self.register(PROFILE["email"], "first.login")
        self.register(NEW_ADDRESS, "second.login")
        for _ in range(3):
            known, unknown = (
                sent(Browser(), "/login", {"login": login, "password": OTHERS["password"]})
                for login in ("first.login", "second.login")
            )
            assert_alike(known, unknown)
            assert known[0].status == 403
            clock.advance(31 * MINUTE)

    def test_an_owner_hears_of_it_once_a_day(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        for turn in range(3):
            self.register(PROFILE["email"], f"known.{turn}")
        assert mails.to_owners("already_registered") == 1
        clock.advance(DAY)
        self.register(PROFILE["email"], "known.next.day")
        assert mails.to_owners("already_registered") == 2
        assert len(mails.of("welcome")) == 1

    def test_nothing_typed_for_a_known_address_is_kept(self, member: Browser) -> None:
        from chalicelib import wiring

        opened: list[str] = []
        self.register(PROFILE["email"], "first.login")
        items = wiring.account_store().accounts.database.client.scan(TableName="accounts")["Items"]
        for item in items:
            if item["type"]["S"] == "account" and item.get("decoy"):
                opened += wiring.accounts()._open(item["subject"]["S"], "page:/x").values()
        assert opened
        assert set("".join(opened)) == {"-"}


class TestSignIn:
    @pytest.mark.parametrize("unknown_name", ["no.such.login", NEW_ADDRESS, "not an address@@"])
    def test_an_unknown_name_is_answered_like_a_wrong_password(
        self, member: Browser, unknown_name: str
    ) -> None:
        known = sent(Browser(), "/login", {"login": PROFILE["login"], "password": "x" * 12})
        unknown = sent(Browser(), "/login", {"login": unknown_name, "password": "x" * 12})
        assert known[0].status == unknown[0].status == 401
        assert known[1] == unknown[1]
        assert known[0].words == unknown[0].words

    def test_unconfirmed_is_alike_until_the_password_is_right(self, browser: Browser) -> None:
        browser.post("/register", REGISTRATION)
        wrong = sent(Browser(), "/login", {"login": PROFILE["login"], "password": "x" * 12})
        unknown = sent(Browser(), "/login", {"login": "no.such.login", "password": "x" * 12})
        assert wrong[1] == unknown[1]
        assert wrong[0].status == unknown[0].status
        right = browser.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
        assert right.status == 403
        assert "Confirm your email address first" in right.words

    def test_a_fresh_registration_does_not_tell_by_its_address_whether_that_was_known(
        self, member: Browser
    ) -> None:
        """Whoever registers knows the password typed: it must not open what a decoy cannot."""
        answers = []
        for email, login in ((PROFILE["email"], "first.login"), (NEW_ADDRESS, "second.login")):
            fields = {**REGISTRATION, **OTHERS, "email": email, "login": login}
            assert sent(Browser(), "/register", fields)[0].location == "/register/sent"
            with_address = {"login": email, "password": OTHERS["password"]}
            answers.append(sent(Browser(), "/login", with_address))
        known, unknown = answers
        assert known[0].status == unknown[0].status == 401
        assert known[1] == unknown[1]
        assert known[0].words == unknown[0].words

    def test_the_limit_falls_on_names_that_nobody_has_too(self, member: Browser) -> None:
        for name in (PROFILE["login"], "no.such.login"):
            answers = [
                sent(Browser(), "/login", {"login": name, "password": "x" * 12})[0].status
                for _ in range(12)
            ]
            assert answers == [401] * 10 + [429] * 2


class TestForgotten:
    def test_known_and_unknown_addresses_write_the_same_items(self, member: Browser) -> None:
        for _ in range(2):  # the second falls into the same window, and is answered alike as well
            known = sent(Browser(), "/forgot", {"email": PROFILE["email"]})
            unknown = sent(Browser(), "/forgot", {"email": NEW_ADDRESS})
            assert_alike(known, unknown)
            assert known[0].location == "/forgot/sent"

    @pytest.mark.promise("PS-73")
    def test_whoever_rests_is_answered_like_anybody(self, member: Browser, tables: Tables) -> None:
        (item,) = (i for i in tables.items("accounts") if i["type"] == "account")
        tables.accounts.apply(tables.accounts.put({**item, "state": "deactivated"}))
        known = sent(Browser(), "/forgot", {"email": PROFILE["email"]})
        unknown = sent(Browser(), "/forgot", {"email": NEW_ADDRESS})
        assert_alike(known, unknown)
        assert known[0].status == 303

    def test_they_stay_alike_once_the_day_has_had_enough_mails(
        self, member: Browser, clock: FakeClock
    ) -> None:
        for _ in range(7):
            clock.advance(FORGOT_WINDOW)
            known = sent(Browser(), "/forgot", {"email": PROFILE["email"]})
            unknown = sent(Browser(), "/forgot", {"email": NEW_ADDRESS})
            assert_alike(known, unknown)
        assert known[1][-1][:2] == ("dynamodb", "TransactWriteItems")  # refused, and no nudge
