"""What registration asks beside the address: an answer to each, nothing ticked, no key for a no."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import UNCONFIRMED_LIFE
from chalicelib.core.clock import DAY, MINUTE
from chalicelib.privacy import policies, published, rules
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, When
from tests.accounts.conftest import NO_CHOICES, PASSWORD, REGISTRATION
from tests.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item
    from tests.accounts.conftest import Mails
    from tests.browser import Answer
    from tests.conftest import FakeClock, Tables

YES = {"choice_marketing": "yes", "choice_partner_mail": "yes"}


def subject_of(tables: Tables) -> str:
    (account,) = (i for i in tables.items("accounts") if i["type"] == "account")
    return str(account["subject"])


def keys(tables: Tables) -> set[str]:
    return {item["sk"] for item in tables.items("keys")}


def told(tables: Tables, event: Event) -> list[tuple[str | None, str | None]]:
    """Purpose and reason of each row of this kind."""
    rows = wiring.vault().ledger.rows(subject_of(tables))
    return [(row.entry.purpose, row.entry.reason) for row in rows if row.entry.event is event]


def opt_ins(tables: Tables) -> list[Item]:
    return [item for item in tables.items("accounts") if item["type"] == "opt_in"]


def publish(tables: Tables, number: int) -> None:
    tables.accounts.apply(
        tables.accounts.put(
            {"pk": published.PK, "sk": published.IN_FORCE, "type": "policy", "v": 1,
             "number": number}
        )
    )  # fmt: skip


class TestTheForm:
    @pytest.mark.promise("PS-75")
    def test_asks_each_question_in_the_fieldset_of_the_address(self, browser: Browser) -> None:
        page = browser.get("/register").text
        (around,) = [
            fieldset
            for fieldset in re.findall(r"(?s)<fieldset>.*?</fieldset>", page)
            if 'name="email"' in fieldset
        ]
        for name in NO_CHOICES:
            assert around.count(f'name="{name}"') == page.count(f'name="{name}"') == 2
            assert f'type="hidden" name="{name}" value="no"' in around

    @pytest.mark.promise("PS-75")
    def test_ticks_nothing(self, browser: Browser) -> None:
        assert "checked" not in browser.get("/register").text

    @pytest.mark.promise("PS-81")
    def test_asks_what_a_later_version_asks_once_it_is_published(
        self, browser: Browser, tables: Tables
    ) -> None:
        assert "choice_surveys" not in browser.get("/register").text
        publish(tables, 4)
        assert 'name="choice_surveys" value="yes"' in browser.get("/register").text
        answer = browser.post("/register", REGISTRATION)
        assert answer.status == 422
        assert 'id="choice_surveys-error"' in answer.text

    def test_shows_a_tick_again_that_was_set_beside_a_flaw(self, browser: Browser) -> None:
        fields = [("csrf", browser.token("/register")), *REGISTRATION.items()]
        fields += [("choice_marketing", "yes"), ("card", "1")]
        answer = browser.post_raw("/register", urlencode(fields).encode())
        assert answer.status == 422
        assert re.findall(r'id="(\w+)"[^>]* checked', answer.text) == ["choice_marketing"]


class TestAnswers:
    @pytest.mark.promise("PS-75")
    @pytest.mark.parametrize("name", NO_CHOICES)
    @pytest.mark.parametrize("given", [None, "", "on", "YES", "true"])
    def test_a_form_without_an_answer_to_each_question_is_refused(
        self, browser: Browser, tables: Tables, name: str, given: str | None
    ) -> None:
        fields = {n: v for n, v in REGISTRATION.items() if n != name}
        answer = browser.post("/register", fields if given is None else {**fields, name: given})
        assert answer.status == 422
        assert f'id="{name}-error"' in answer.text
        assert tables.items("accounts") == []

    @pytest.mark.promise("PS-75")
    @pytest.mark.parametrize("pair", [("yes", "no"), ("no", "no"), ("yes", "yes")])
    def test_only_the_hidden_no_may_come_before_a_yes(
        self, browser: Browser, pair: tuple[str, str]
    ) -> None:
        assert self.boxes(browser, *pair).status == 422

    def test_a_tick_counts_over_the_hidden_no(self, browser: Browser, tables: Tables) -> None:
        assert self.boxes(browser, "no", "yes").status == 303
        assert "KEY#marketing" in keys(tables)

    def boxes(self, browser: Browser, *values: str) -> Answer:
        fields = [("csrf", browser.token("/register"))]
        fields += [(n, v) for n, v in REGISTRATION.items() if n != "choice_marketing"]
        fields += [("choice_marketing", value) for value in values]
        return browser.post_raw("/register", urlencode(fields).encode())

    @pytest.mark.promise("PS-74")
    def test_a_no_is_in_the_ledger_and_no_key_is_made(
        self, browser: Browser, tables: Tables
    ) -> None:
        assert browser.post("/register", REGISTRATION).status == 303
        assert keys(tables) == {"KEY#account", "KEY#billing", "KEY#policy_notice"}
        assert told(tables, Event.DECLINED) == [
            (Purpose.MARKETING, "register"), (Purpose.PARTNER_MAIL, "register"),
        ]  # fmt: skip
        for purpose in (Purpose.MARKETING, Purpose.PARTNER_MAIL):
            with pytest.raises(PurposeDenied):
                wiring.vault().open(subject_of(tables), purpose, "test")

    @pytest.mark.promise("PS-74")
    def test_a_yes_grants_and_is_bound_to_the_version_that_asked(
        self, browser: Browser, tables: Tables
    ) -> None:
        browser.post("/register", {**REGISTRATION, "choice_marketing": "yes"})
        granted = wiring.vault().granted(subject_of(tables))
        assert granted[Purpose.MARKETING].startswith(f"{policies.IN_FORCE}:")

    @pytest.mark.promise("PS-81")
    def test_a_registration_without_answers_grants_nothing_to_choose(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        fields = {n: v for n, v in REGISTRATION.items() if n not in {*NO_CHOICES, "password"}}
        wiring.registration().register(fields, REGISTRATION["password"])
        assert keys(tables) == {"KEY#account", "KEY#billing", "KEY#policy_notice"}


class TestPartnerMail:
    @pytest.mark.promise("PS-74")
    def test_a_yes_is_a_wish_that_grants_nothing(self, browser: Browser, tables: Tables) -> None:
        browser.post("/register", {**REGISTRATION, **YES})
        assert "KEY#partner_mail" not in keys(tables)
        assert [item["sk"] for item in opt_ins(tables)] == ["partner_mail"]

    def test_a_wish_ends_with_the_account_that_nobody_confirmed(
        self, browser: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        browser.post("/register", {**REGISTRATION, **YES})
        clock.advance(UNCONFIRMED_LIFE)
        wiring.cleanup().run(lambda: MINUTE)
        assert opt_ins(tables) == []


class TestTheBrowsersOwnNo:
    """Global Privacy Control."""

    @pytest.mark.promise("PS-11")
    def test_is_the_answer_to_every_question(self, browser: Browser, tables: Tables) -> None:
        token = browser.token("/register")
        body = urlencode({"csrf": token, **REGISTRATION, **YES}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", "Sec-GPC": "1"}
        assert browser.send("POST", "/register", body, headers).status == 303
        assert keys(tables) == {"KEY#account", "KEY#billing", "KEY#policy_notice"}
        assert opt_ins(tables) == []
        assert told(tables, Event.DECLINED) == [
            (Purpose.MARKETING, "gpc"), (Purpose.PARTNER_MAIL, "gpc"),
        ]  # fmt: skip

    @pytest.mark.promise("PS-11")
    def test_is_said_on_the_form_which_offers_no_box(self, browser: Browser) -> None:
        page = browser.get("/register", **{"Sec-GPC": "1"})
        assert "Global Privacy Control" in page.words
        assert 'type="checkbox"' not in page.text
        for name in NO_CHOICES:
            assert f'name="{name}" value="no"' in page.text

    @pytest.mark.parametrize("value", ["0", "", "true"])
    def test_is_said_by_a_one_alone(self, browser: Browser, value: str) -> None:
        assert 'type="checkbox"' in browser.get("/register", **{"Sec-GPC": value}).text


@pytest.fixture
def wishing(browser: Browser, mails: Mails, clock: FakeClock) -> Browser:
    """Signed in and confirmed, after a yes to both questions."""
    browser.post("/register", {**REGISTRATION, **YES})
    browser.post(f"/verify/{mails.link('welcome')}", {"password": PASSWORD})
    return browser


class TestTheSecondYes:
    def test_registration_sends_one_mail_and_confirming_the_other(
        self, browser: Browser, mails: Mails
    ) -> None:
        browser.post("/register", {**REGISTRATION, **YES})
        assert mails.of("partner_opt_in") == []
        browser.post(f"/verify/{mails.link('welcome')}", {"password": PASSWORD})
        assert len(mails.of("partner_opt_in")) == 1

    @pytest.mark.promise("PS-74")
    def test_who_confirms_an_account_by_a_reset_has_not_said_the_yes_of_who_registered_it(
        self, browser: Browser, mails: Mails, tables: Tables
    ) -> None:
        stranger, owner = browser, Browser()
        stranger.post("/register", {**REGISTRATION, **YES})
        assert "KEY#marketing" in keys(tables)
        owner.post("/forgot", {"email": REGISTRATION["email"]})
        owner.post(f"/reset/{mails.link('password_reset')}", {"password": "nine pears in fog"})
        assert owner.get("/account").status == 200
        assert keys(tables) == {"KEY#account", "KEY#billing", "KEY#policy_notice"}
        assert tables.accounts.get(f"SUBJECT#{subject_of(tables)}", "SEALED#marketing") is None
        assert told(tables, Event.WITHDRAWN) == [(Purpose.MARKETING, "page:/reset")]
        assert opt_ins(tables) == []
        assert mails.of("partner_opt_in") == []

    def test_a_reset_of_an_account_that_was_confirmed_leaves_what_was_chosen(
        self, wishing: Browser, mails: Mails, tables: Tables
    ) -> None:
        Browser().post("/forgot", {"email": REGISTRATION["email"]})
        Browser().post(f"/reset/{mails.link('password_reset')}", {"password": "nine pears in fog"})
        assert "KEY#marketing" in keys(tables)
        assert [item["sk"] for item in opt_ins(tables)] == ["partner_mail"]

    @pytest.mark.promise("PS-74")
    def test_looking_at_the_link_shows_the_address_and_grants_nothing(
        self, wishing: Browser, mails: Mails, tables: Tables
    ) -> None:
        page = Browser().get(f"/choices/{mails.link('partner_opt_in')}")
        assert REGISTRATION["email"] in page.words
        assert "KEY#partner_mail" not in keys(tables)

    @pytest.mark.promise("PS-74")
    def test_the_button_grants_once(self, wishing: Browser, mails: Mails, tables: Tables) -> None:
        link = f"/choices/{mails.link('partner_opt_in')}"
        visitor = Browser()
        token = visitor.token(link)
        body = urlencode({"csrf": token}).encode()
        assert visitor.post_raw(link, body).status == 200
        assert "KEY#partner_mail" in keys(tables)
        assert opt_ins(tables) == []
        assert told(tables, Event.GRANTED) == [(Purpose.PARTNER_MAIL, "page:/choices")]
        assert visitor.get(link).status == 404
        assert visitor.post_raw(link, body).status == 404

    def test_the_link_is_dead_after_a_day_and_nothing_stays_after_two(
        self, wishing: Browser, mails: Mails, tables: Tables, clock: FakeClock
    ) -> None:
        clock.advance(DAY)
        assert Browser().get(f"/choices/{mails.link('partner_opt_in')}").status == 404
        assert wiring.cleanup().run(lambda: MINUTE)["opt_ins"] == 1
        assert opt_ins(tables) == []
        assert "KEY#partner_mail" not in keys(tables)

    def test_the_link_is_dead_after_a_no_in_the_account(
        self, wishing: Browser, mails: Mails, tables: Tables
    ) -> None:
        answer(wishing, "partner_mail", "no")
        assert Browser().get(f"/choices/{mails.link('partner_opt_in')}").status == 404

    def test_a_wish_in_the_account_waits_for_its_link_too(
        self, member: Browser, mails: Mails, tables: Tables
    ) -> None:
        answer(member, "partner_mail", "yes")
        assert "KEY#partner_mail" not in keys(tables)
        Browser().post(f"/choices/{mails.link('partner_opt_in')}", {})
        assert "KEY#partner_mail" in keys(tables)

    def test_at_most_five_links_a_day(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        statuses = []
        for _ in range(6):
            clock.advance(MINUTE)
            statuses += [answer(member, "partner_mail", "yes").status]
        assert statuses == [303] * 5 + [429]
        assert len(mails.of("partner_opt_in")) == 5


def answer(browser: Browser, purpose: str, given: str, **headers: str) -> Answer:
    fields = {"csrf": browser.token("/account/privacy"), "purpose": purpose, "answer": given}
    headers = {"content-type": "application/x-www-form-urlencoded", **headers}
    return browser.send("POST", "/account/privacy/choices", urlencode(fields).encode(), headers)


class TestChanging:
    @pytest.mark.promise("PS-06")
    def test_each_answer_is_in_force_at_once(self, member: Browser, tables: Tables) -> None:
        assert answer(member, "marketing", "yes").location == "/account/privacy?said=yes"
        wiring.vault().open(subject_of(tables), Purpose.MARKETING, "mail:test")
        assert answer(member, "marketing", "no").location == "/account/privacy?said=no"
        with pytest.raises(PurposeDenied):
            wiring.vault().open(subject_of(tables), Purpose.MARKETING, "mail:test")
        assert told(tables, Event.WITHDRAWN) == [(Purpose.MARKETING, "page:/account/privacy")]

    @pytest.mark.promise("PS-06")
    def test_every_question_of_the_policy_in_force_is_on_the_page(
        self, member: Browser, tables: Tables
    ) -> None:
        publish(tables, 4)
        page = member.get("/account/privacy").text
        for purpose in rules.policy(4).granted(When.CHOICE):
            assert f'name="purpose" value="{purpose}"' in page

    @pytest.mark.promise("PS-81")
    def test_a_new_question_is_never_a_yes_by_silence(
        self, member: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        publish(tables, 4)
        assert "Not answered, so it is a no" in member.get("/account/privacy").words
        clock.advance(400 * DAY)
        with pytest.raises(PurposeDenied):
            wiring.vault().open(subject_of(tables), Purpose.SURVEYS, "mail:test")
        assert "KEY#surveys" not in keys(tables)

    @pytest.mark.promise("PS-81")
    @pytest.mark.parametrize("given", ["yes", "no"])
    def test_the_overview_says_that_a_new_question_waits_until_it_is_answered(
        self, member: Browser, tables: Tables, clock: FakeClock, given: str
    ) -> None:
        assert "See the question" not in member.get("/account").words
        publish(tables, 4)
        item = {"pk": published.PK, "sk": "VERSION#4", "type": "policy", "v": 1, "number": 4,
                "policy": rules.policy(4).id, "at": clock.now}  # fmt: skip
        tables.accounts.apply(tables.accounts.put(item))
        clock.advance(DAY)
        before = list(wiring.vault().ledger.rows(subject_of(tables)))
        page = member.get("/account")
        assert "While you do not answer, it is a no" in page.words
        assert 'href="/account/privacy#card-surveys"' in page.text
        assert list(wiring.vault().ledger.rows(subject_of(tables))) == before, "nothing is opened"
        answer(member, "surveys", given)
        assert "See the question" not in member.get("/account").words

    @pytest.mark.promise("PS-81")
    def test_a_new_question_is_granted_by_a_yes_under_its_own_version(
        self, member: Browser, tables: Tables
    ) -> None:
        publish(tables, 4)
        answer(member, "surveys", "yes")
        assert wiring.vault().granted(subject_of(tables))[Purpose.SURVEYS].startswith("4:")

    def test_a_question_that_is_not_asked_yet_takes_no_yes(
        self, member: Browser, tables: Tables
    ) -> None:
        assert answer(member, "surveys", "yes").status == 409
        assert "KEY#surveys" not in keys(tables)

    @pytest.mark.promise("PS-62")
    @pytest.mark.parametrize("purpose", ["account", "billing", "policy_notice", "fiscal"])
    @pytest.mark.parametrize("given", ["yes", "no"])
    def test_what_comes_with_the_account_is_not_a_choice(
        self, member: Browser, tables: Tables, purpose: str, given: str
    ) -> None:
        before = keys(tables)
        assert answer(member, purpose, given).status == 409
        assert keys(tables) == before

    @pytest.mark.parametrize("given", ["", "maybe", "on"])
    def test_neither_yes_nor_no_is_refused(self, member: Browser, given: str) -> None:
        assert answer(member, "marketing", given).status == 422

    def test_the_same_no_again_is_not_told_again(self, member: Browser, tables: Tables) -> None:
        before = told(tables, Event.DECLINED)
        answer(member, "marketing", "no")
        assert told(tables, Event.DECLINED) == before


@pytest.fixture
def given_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The number of a version that asks about marketing no longer."""
    content = {name: use for name, use in policies.VERSIONS[4].items() if name != "marketing"}
    monkeypatch.setitem(policies.VERSIONS, 5, content)
    rules.known_policies.cache_clear()
    yield 5
    monkeypatch.undo()
    rules.known_policies.cache_clear()
    rules.policy.cache_clear()


@pytest.mark.promise("PS-06")
class TestWhatIsNoLongerAsked:
    """Whoever said yes when it was asked has a key in its place, and can take it back."""

    def test_is_on_the_page_while_it_is_granted(
        self, member: Browser, tables: Tables, given_up: int
    ) -> None:
        answer(member, "marketing", "yes")
        publish(tables, given_up)
        button = 'name="purpose" value="marketing"'
        assert button in member.get("/account/privacy").text
        assert answer(member, "marketing", "no").status == 303
        assert "KEY#marketing" not in keys(tables)
        assert told(tables, Event.WITHDRAWN) == [(Purpose.MARKETING, "page:/account/privacy")]
        assert button not in member.get("/account/privacy").text

    @pytest.mark.parametrize("was", ["yes", "no"])
    def test_a_no_that_is_said_again_is_harmless(
        self, member: Browser, tables: Tables, given_up: int, was: str
    ) -> None:
        answer(member, "marketing", was)
        publish(tables, given_up)
        assert answer(member, "marketing", "no").status == 303
        before = told(tables, Event.WITHDRAWN), told(tables, Event.DECLINED), keys(tables)
        again = answer(member, "marketing", "no")
        assert (again.status, again.location) == (303, "/account/privacy?said=no")
        assert before == (told(tables, Event.WITHDRAWN), told(tables, Event.DECLINED), keys(tables))

    @pytest.mark.promise("PS-11")
    def test_is_withdrawn_by_the_browsers_own_no(
        self, member: Browser, tables: Tables, given_up: int
    ) -> None:
        answer(member, "marketing", "yes")
        publish(tables, given_up)
        signing_in = TestTheBrowsersOwnNoAtSignIn()
        assert signing_in.sign_in(**signing_in.GPC).status == 303
        assert "KEY#marketing" not in keys(tables)

    def test_takes_no_new_yes(self, member: Browser, tables: Tables, given_up: int) -> None:
        publish(tables, given_up)
        assert answer(member, "marketing", "yes").status == 409


class TestTheBrowsersOwnNoAtSignIn:
    GPC: ClassVar[dict[str, str]] = {"Sec-GPC": "1"}

    def sign_in(self, **headers: str) -> Answer:
        browser = Browser()
        fields = {"csrf": browser.token("/login"), "login": REGISTRATION["login"]}
        body = urlencode({**fields, "password": PASSWORD}).encode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        return browser.send("POST", "/login", body, {**form, **headers})

    @pytest.mark.promise("PS-11")
    def test_withdraws_what_was_chosen(self, member: Browser, tables: Tables) -> None:
        answer(member, "marketing", "yes")
        assert self.sign_in(**self.GPC).status == 303
        assert "KEY#marketing" not in keys(tables)
        assert told(tables, Event.WITHDRAWN) == [(Purpose.MARKETING, "gpc")]
        assert "said by your browser" in member.get("/account/privacy").words

    @pytest.mark.promise("PS-11")
    def test_is_taken_once_and_not_again_after_a_later_yes(
        self, member: Browser, tables: Tables
    ) -> None:
        self.sign_in(**self.GPC)
        answer(member, "marketing", "yes")
        self.sign_in(**self.GPC)
        assert "KEY#marketing" in keys(tables)

    @pytest.mark.promise("PS-11")
    def test_leaves_a_yes_that_was_said_in_spite_of_it(
        self, member: Browser, tables: Tables
    ) -> None:
        answer(member, "marketing", "yes", **self.GPC)
        self.sign_in(**self.GPC)
        assert "KEY#marketing" in keys(tables)

    def test_without_it_nothing_is_withdrawn(self, member: Browser, tables: Tables) -> None:
        answer(member, "marketing", "yes")
        self.sign_in()
        assert "KEY#marketing" in keys(tables)

    @pytest.mark.promise("PS-11")
    def test_ends_a_wish_that_waits_for_its_link(
        self, wishing: Browser, mails: Mails, tables: Tables
    ) -> None:
        self.sign_in(**self.GPC)
        assert opt_ins(tables) == []
        assert keys(tables) == {"KEY#account", "KEY#billing", "KEY#policy_notice"}


class TestMoving:
    NEW: ClassVar[dict[str, str]] = {"email": "mora@weir.example", "password": PASSWORD}

    @pytest.mark.promise("PS-75")
    def test_ticks_nothing_whatever_was_said_before_and_says_how_it_stands(
        self, member: Browser, tables: Tables
    ) -> None:
        assert "checked" not in member.get("/account/email").text
        answer(member, "marketing", "yes")
        answer(member, "partner_mail", "yes")
        before = list(wiring.vault().ledger.rows(subject_of(tables)))
        page = member.get("/account/email")
        assert list(wiring.vault().ledger.rows(subject_of(tables))) == before, "nothing is opened"
        assert "checked" not in page.text
        assert re.search(
            r"Today: yes, since 26 November 2026 ?\. Leave the box empty and that yes ends once the"
            r" new address is confirmed", page.words,
        )  # fmt: skip
        assert "Today: a yes that waits for its link." in page.words
        answer(member, "partner_mail", "no")
        assert "Today: no." in member.get("/account/email").words

    @pytest.mark.promise("PS-74")
    def test_an_old_yes_counts_until_the_new_address_is_confirmed_and_not_after(
        self, member: Browser, mails: Mails, tables: Tables
    ) -> None:
        """As the form says: an empty box beside the new address is a no to it."""
        answer(member, "marketing", "yes")
        member.post("/account/email", {**self.NEW, **NO_CHOICES})
        assert "Today: yes" in member.get("/account/email").words
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert "KEY#marketing" not in keys(tables)
        assert "Today: yes" not in member.get("/account/email").words

    @pytest.mark.promise("PS-75")
    def test_asking_without_an_answer_is_refused(self, member: Browser) -> None:
        refused = member.post("/account/email", self.NEW)
        assert refused.status == 422
        assert 'id="choice_marketing-error"' in refused.text

    @pytest.mark.promise("PS-74")
    def test_a_no_beside_the_new_address_withdraws_with_the_move(
        self, member: Browser, mails: Mails, tables: Tables
    ) -> None:
        answer(member, "marketing", "yes")
        member.post("/account/email", {**self.NEW, **NO_CHOICES})
        assert "KEY#marketing" in keys(tables)
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert keys(tables) & {"KEY#marketing", "KEY#partner_mail"} == set()
        assert tables.accounts.get(f"SUBJECT#{subject_of(tables)}", "SEALED#marketing") is None
        assert told(tables, Event.WITHDRAWN) == [(Purpose.MARKETING, "page:/email")]

    def test_what_stays_chosen_is_sealed_anew_with_the_new_address(
        self, member: Browser, mails: Mails, tables: Tables
    ) -> None:
        answer(member, "marketing", "yes")
        member.post("/account/email", {**self.NEW, **YES})
        Browser().post(f"/email/{mails.link('email_change')}", {})
        for purpose in (Purpose.MARKETING, Purpose.PARTNER_MAIL):
            subject = subject_of(tables)
            opened = wiring.vault().open(subject, purpose, "mail:test")
            assert opened._fields == {"email": self.NEW["email"]}

    def test_the_page_of_the_link_says_what_the_button_puts_into_force(
        self, member: Browser, mails: Mails
    ) -> None:
        member.post("/account/email", {**self.NEW, **NO_CHOICES, "choice_marketing": "yes"})
        words = Browser().get(f"/email/{mails.link('email_change')}").words
        assert re.search(r"deals and news\. Yes\. .*never see your address\. No\.", words)
