"""Mailed links: single use, one day, and nothing changed by opening them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import (
    FORGOT_WINDOW,
    RESEND_WINDOW,
    RESENDS_A_DAY,
    RESETS_A_DAY,
    AccountGone,
    LinkEnded,
    LinkKind,
    State,
)
from chalicelib.core.clock import DAY
from chalicelib.core.ids import derived_id
from chalicelib.mail.links import link_token
from chalicelib.storage.dynamo import ConditionFailed
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION
from tests.browser import Browser
from tests.crash import at_every_call

if TYPE_CHECKING:
    from tests.accounts.conftest import Mails
    from tests.conftest import FakeClock, Tables

NEW = "three pears in winter"


def signed_in(browser: Browser) -> bool:
    return browser.get("/account").status == 200


@pytest.fixture
def confirm(browser: Browser, mails: Mails) -> str:
    browser.post("/register", REGISTRATION)
    return f"/verify/{mails.link('welcome')}"


@pytest.fixture
def reset(member: Browser, mails: Mails) -> str:
    Browser().post("/forgot", {"email": PROFILE["email"]})
    return f"/reset/{mails.link('password_reset')}"


def put_into(tables: Tables, state: State) -> str:
    """The one account, whatever it was, is in this state; its id."""
    (item,) = (i for i in tables.items("accounts") if i["type"] == "account")
    tables.accounts.apply(tables.accounts.put({**item, "state": str(state)}))
    return str(item["pk"].removeprefix("ACCOUNT#"))


class TestConfirming:
    def test_opening_the_link_changes_nothing(
        self, browser: Browser, confirm: str, tables: Tables
    ) -> None:
        before = tables.dump()
        assert {browser.get(confirm).status for _ in range(3)} == {200}
        assert tables.dump() == before

    def test_the_password_must_be_the_account_s(self, browser: Browser, confirm: str) -> None:
        answer = browser.post(confirm, {"password": NEW})
        assert answer.status == 401
        assert not signed_in(browser)
        assert browser.post(confirm, {"password": PASSWORD}).location == "/account"

    @pytest.mark.promise("PS-58")
    def test_it_works_once(self, browser: Browser, confirm: str) -> None:
        browser.post(confirm, {"password": PASSWORD})
        assert Browser().get(confirm).status == 404

    def test_it_ends_after_a_day(self, browser: Browser, confirm: str, clock: FakeClock) -> None:
        token = browser.token(confirm)
        clock.advance(DAY)
        assert browser.get(confirm).status == 404
        late = browser.post_raw(confirm, f"csrf={token}&password={PASSWORD}".encode())
        assert late.status == 404
        assert not signed_in(browser)

    def test_guesses_at_the_password_are_limited(self, browser: Browser, confirm: str) -> None:
        statuses = [browser.post(confirm, {"password": NEW}).status for _ in range(11)]
        assert statuses == [401] * 10 + [429]

    def test_a_reset_link_does_not_confirm(self, browser: Browser, reset: str) -> None:
        assert Browser().get(reset.replace("reset", "verify")).status == 404

    @pytest.mark.guarantee("G7")
    def test_a_decoy_is_never_confirmed(self, member: Browser, tables: Tables) -> None:
        Browser().post("/register", {**REGISTRATION, "login": "someone.else"})
        (decoy,) = (item for item in tables.items("accounts") if item.get("decoy"))
        message = derived_id("msg", "welcome", decoy["pk"].removeprefix("ACCOUNT#"))
        link = link_token(wiring.link_key(), message)
        stranger = Browser()
        assert stranger.post(f"/verify/{link}", {"password": PASSWORD}).status == 409
        assert decoy in tables.items("accounts")
        assert stranger.get("/account").status == 303

    def test_killed_at_any_call_it_confirms_or_can_be_done_again(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        numbers = iter(range(1000))

        def prepare() -> str:
            name = f"person{next(numbers)}"
            fields = {**PROFILE, "login": name, "email": f"{name}@kilbride.example"}
            message = wiring.registration().register(fields, PASSWORD)
            return link_token(wiring.link_key(), message or "")

        def judge(token: str) -> None:
            with suppress(LinkEnded):  # it took effect, and only the answer was lost
                wiring.recovery().confirm(token, PASSWORD)
            states = {i["state"] for i in tables.items("accounts") if i["type"] == "account"}
            assert states == {"active"}

        wiring.recovery()
        assert at_every_call(prepare, lambda t: wiring.recovery().confirm(t, PASSWORD), judge)


class TestConditions:
    """What the reads before them cannot promise: somebody else may come in between."""

    def use(self, path: str, now: int) -> None:
        links = wiring.links()
        token = path.rpartition("/")[2]
        links.store.transact(links.use(token, LinkKind.CONFIRM, now))

    def test_a_link_that_was_read_open_is_still_used_once(
        self, confirm: str, clock: FakeClock
    ) -> None:
        self.use(confirm, clock.now)
        with pytest.raises(ConditionFailed):
            self.use(confirm, clock.now)

    def test_a_link_that_was_read_open_is_not_used_after_its_end(
        self, confirm: str, clock: FakeClock
    ) -> None:
        with pytest.raises(ConditionFailed):
            self.use(confirm, clock.now + DAY)

    def test_a_link_serves_its_own_kind_alone(self, confirm: str, clock: FakeClock) -> None:
        links = wiring.links()
        token = confirm.rpartition("/")[2]
        with pytest.raises(ConditionFailed):
            links.store.transact(links.use(token, LinkKind.RESET, clock.now))

    @pytest.mark.guarantee("G7")
    def test_a_decoy_is_never_confirmed_even_by_its_own_link(
        self, member: Browser, tables: Tables
    ) -> None:
        wiring.registration().register({**PROFILE, "login": "decoy"}, NEW)
        items = tables.items("accounts")
        (decoy,) = [item for item in items if item.get("decoy")]
        own = derived_id("msg", "welcome", decoy["pk"].removeprefix("ACCOUNT#"))
        with pytest.raises(AccountGone):
            wiring.recovery().confirm(link_token(wiring.link_key(), own), NEW)


class TestResetting:
    @pytest.mark.guarantee("G8")
    def test_the_key_of_claims_and_tokens_does_not_make_its_link(
        self, member: Browser, mails: Mails
    ) -> None:
        """Ten functions read that key; all else that the link is made of can be computed."""
        Browser().post("/forgot", {"email": PROFILE["email"]})
        (message,) = mails.of("password_reset")
        wrong = link_token(wiring.keyed(), message)
        with pytest.raises(LinkEnded):
            wiring.recovery().reset(wrong, NEW)
        assert Browser().get(f"/reset/{wrong}").status == 404
        assert signed_in(member)

    def test_it_sets_the_password_and_ends_every_session(
        self, member: Browser, reset: str, mails: Mails
    ) -> None:
        browser = Browser()
        assert browser.post(reset, {"password": NEW}).location == "/account"
        assert signed_in(browser)
        assert not signed_in(member)
        old = {"login": PROFILE["login"], "password": PASSWORD}
        assert Browser().post("/login", old).status == 401
        assert Browser().post("/login", {**old, "password": NEW}).status == 303
        assert len(mails.of("password_changed")) == 1

    def test_nobody_who_has_left_for_good_sets_one(
        self, member: Browser, reset: str, tables: Tables
    ) -> None:
        put_into(tables, State.ENDING)
        assert Browser().get(reset).status == 404

    @pytest.mark.parametrize("state", [State.ACTIVE, State.ENDING])
    def test_who_was_seen_resting_and_came_back_or_left_keeps_the_old_one(
        self, member: Browser, tables: Tables, state: State
    ) -> None:
        store = wiring.account_store()
        seen = store.account(put_into(tables, State.DEACTIVATED))
        assert seen
        put_into(tables, state)
        with pytest.raises(ConditionFailed):
            store.transact(store.renew_password(seen, "another"))

    def test_it_works_once(self, reset: str) -> None:
        Browser().post(reset, {"password": NEW})
        assert Browser().get(reset).status == 404

    def test_a_weak_password_leaves_the_link_as_it_was(self, reset: str) -> None:
        browser = Browser()
        assert browser.post(reset, {"password": "short"}).status == 422
        assert browser.post(reset, {"password": NEW}).status == 303

    def test_it_confirms_an_account_that_was_not(self, browser: Browser, mails: Mails) -> None:
        browser.post("/register", REGISTRATION)
        browser.post("/forgot", {"email": PROFILE["email"]})
        answer = browser.post(f"/reset/{mails.link('password_reset')}", {"password": NEW})
        assert answer.location == "/account"
        assert signed_in(browser)

    def test_a_stranger_who_registered_the_address_first_is_locked_out_by_its_owner(
        self, browser: Browser, mails: Mails
    ) -> None:
        stranger = browser
        stranger.post("/register", REGISTRATION)
        owner = Browser()
        owner.post("/forgot", {"email": PROFILE["email"]})
        owner.post(f"/reset/{mails.link('password_reset')}", {"password": NEW})
        late = stranger.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
        assert late.status == 401


class TestLinksThatAreOvertaken:
    """What was mailed before a new password, a sign-out everywhere or a confirmation is dead."""

    def reset_links(self, mails: Mails, clock: FakeClock, count: int) -> list[str]:
        for _ in range(count):
            clock.advance(FORGOT_WINDOW)
            Browser().post("/forgot", {"email": PROFILE["email"]})
        return [f"/reset/{link_token(wiring.link_key(), m)}" for m in mails.of("password_reset")]

    def test_one_reset_ends_all_the_links_that_were_mailed(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        first, second, third = self.reset_links(mails, clock, 3)
        assert {Browser().get(link).status for link in (first, second, third)} == {200}
        Browser().post(second, {"password": NEW})
        assert {Browser().get(link).status for link in (first, second, third)} == {404}

    def test_a_form_that_was_open_is_too_late(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        first, second = self.reset_links(mails, clock, 2)
        late = Browser()
        token = late.token(first)
        Browser().post(second, {"password": NEW})
        fields = f"csrf={token}&password=another+long+sentence".encode()
        assert late.post_raw(first, fields).status == 404

    def test_changing_the_password_ends_them(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        (link,) = self.reset_links(mails, clock, 1)
        fields = {"current_password": PASSWORD, "password": NEW}
        assert member.post("/account/setup/password", fields).status == 303
        assert Browser().get(link).status == 404
        *_, fresh = self.reset_links(mails, clock, 1)
        assert Browser().post(fresh, {"password": PASSWORD}).location == "/account"

    def test_signing_out_everywhere_ends_them(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        (link,) = self.reset_links(mails, clock, 1)
        member.post("/logout/everywhere", {}, page="/account/setup")
        assert Browser().get(link).status == 404

    def test_a_link_mailed_before_there_was_an_account_resets_none(
        self, browser: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        (link,) = self.reset_links(mails, clock, 1)
        browser.post("/register", REGISTRATION)
        assert Browser().get(link).status == 404

    def test_the_links_to_confirm_are_dead_once_a_reset_has_confirmed(
        self, browser: Browser, confirm: str, mails: Mails, clock: FakeClock
    ) -> None:
        (link,) = self.reset_links(mails, clock, 1)
        Browser().post(link, {"password": NEW})
        assert browser.post(confirm, {"password": PASSWORD}).status == 401
        assert browser.post(confirm, {"password": NEW}).status == 409

    def test_every_link_to_confirm_but_the_one_used_is_dead(
        self, browser: Browser, confirm: str, mails: Mails, clock: FakeClock
    ) -> None:
        browser.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
        other = f"/verify/{mails.link('confirm_address')}"
        assert browser.post(other, {"password": PASSWORD}).location == "/account"
        assert Browser().post(confirm, {"password": PASSWORD}).status == 409


class TestMailsADay:
    """What strangers can have sent to one address."""

    def test_five_links_to_reset(self, member: Browser, mails: Mails, clock: FakeClock) -> None:
        for _ in range(8):
            clock.advance(FORGOT_WINDOW)
            assert Browser().post("/forgot", {"email": PROFILE["email"]}).status == 303
        assert len(mails.of("password_reset")) == RESETS_A_DAY == 5
        clock.advance(DAY)
        Browser().post("/forgot", {"email": PROFILE["email"]})
        assert len(mails.of("password_reset")) == 6

    def test_three_links_to_confirm_for_any_number_of_sign_ins(
        self, browser: Browser, confirm: str, mails: Mails, clock: FakeClock
    ) -> None:
        for _ in range(8):
            clock.advance(RESEND_WINDOW)
            browser.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
        assert len(mails.of("confirm_address")) == RESENDS_A_DAY == 3

    def test_one_welcome_and_one_word_to_the_owner_for_any_number_of_registrations(
        self, browser: Browser, mails: Mails
    ) -> None:
        for turn in range(4):
            Browser().post("/register", {**REGISTRATION, "login": f"login{turn}"})
        assert len(mails.of("welcome")) == 1
        assert mails.to_owners("already_registered") == 1


class TestChanging:
    def test_the_old_password_is_asked_for(self, member: Browser) -> None:
        fields = {"current_password": NEW, "password": NEW}
        answer = member.post("/account/setup/password", fields)
        assert answer.status == 401
        assert "This is not your present password." in answer.words

    def test_every_other_session_ends_and_this_browser_stays(
        self, member: Browser, mails: Mails
    ) -> None:
        other = Browser()
        other.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
        fields = {"current_password": PASSWORD, "password": NEW}
        assert member.post("/account/setup/password", fields).status == 303
        assert signed_in(member)
        assert not signed_in(other)
        assert len(mails.of("password_changed")) == 1

    @pytest.mark.parametrize("state", [State.DEACTIVATED, State.ENDING])
    def test_who_has_left_meanwhile_is_not_brought_back(
        self, member: Browser, tables: Tables, state: State
    ) -> None:
        account = put_into(tables, state)
        with pytest.raises(AccountGone):
            wiring.recovery().change_password(account, PASSWORD, NEW)
        found = wiring.account_store().account(account)
        assert found
        assert found.state is state

    @pytest.mark.parametrize("state", [State.DEACTIVATED, State.ENDING])
    def test_no_password_is_set_for_who_was_seen_leaving(
        self, member: Browser, tables: Tables, state: State
    ) -> None:
        store = wiring.account_store()
        seen = store.account(put_into(tables, state))
        assert seen
        with pytest.raises(ConditionFailed):
            store.transact(store.set_password(seen, "another", wiring.now()))
        assert store.account(seen.id) == seen


class TestCorrecting:
    FIELDS = {n: v for n, v in PROFILE.items() if n not in {"login", "email"}}  # noqa: RUF012 - not changed

    @pytest.mark.promise("PS-69")
    def test_a_correction_is_seen_at_once_and_the_old_value_nowhere(
        self, member: Browser, tables: Tables
    ) -> None:
        fields = {**self.FIELDS, "postal_code": "F91 0ZZ", "company": ""}
        answer = member.post("/account/setup", fields)
        assert answer.location == "/account/setup?saved=profile"
        page = member.get("/account/setup").text
        assert 'value="F91 0ZZ"' in page
        assert PROFILE["postal_code"] not in page
        assert PROFILE["company"] not in page.replace(PROFILE["account_name"], "")
        assert PROFILE["postal_code"] not in tables.dump()

    def test_login_and_address_are_not_changed_by_it(self, member: Browser) -> None:
        answer = member.post("/account/setup", {**self.FIELDS, "email": "x@kilbride.example"})
        assert answer.status == 422
        assert "email: This form has no such field." in answer.words
