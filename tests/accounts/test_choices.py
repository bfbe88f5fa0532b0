"""What registration asks beside the address: an answer to each, nothing ticked, no key for a no."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import UNCONFIRMED_LIFE
from chalicelib.core.clock import MINUTE
from chalicelib.privacy import policies, published
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied
from tests.accounts.conftest import NO_CHOICES, REGISTRATION

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item
    from tests.browser import Answer, Browser
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
            {"pk": published.PK, "sk": published.IN_FORCE, "type": "policy_in_force", "v": 1,
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
