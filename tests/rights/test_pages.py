"""The pages of leaving, as a browser meets them."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.rules import FORGOT_WINDOW, LinkKind, State, window
from chalicelib.core.clock import DAY, HOUR, to_text
from chalicelib.mail.links import link_token
from chalicelib.mail.outbox import message_of
from chalicelib.mail.rules import State as Sent
from chalicelib.privacy.folding import fold
from chalicelib.privacy.rules import Event, Purpose
from chalicelib.rights import wiring as rights
from chalicelib.rights.store import fiscal_subject
from tests.browser import Browser
from tests.rights.conftest import MORA, PASSWORD, PROFILE, buy, opens, register, sweep, tombstone

if TYPE_CHECKING:
    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

ERASE, DEACTIVATE = "/account/privacy/erase", "/account/privacy/deactivate"
EXPORT = "/account/privacy/export"
NEW = "three pears in winter"


@pytest.fixture
def browser(mora: Account, tables: Tables) -> Browser:
    made = Browser()
    made.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
    return made


def mailed(mora: Account) -> str:
    """The link that a mail of the person's brings them, to the account as it is now."""
    account = wiring.account_store().account(mora.id)
    outbox, now = wiring.outbox(), wiring.now()
    message, letter = outbox.message(
        "rights_link", fact=(mora.id, now), claim=mora.email_claim, arguments={}, due=now, now=now
    )
    link = wiring.links().make(message, LinkKind.RIGHTS, mora.email_claim, now, account=account)
    wiring.account_store().transact(letter, link)
    return f"/rights/{link_token(wiring.link_key(), message)}"


@pytest.mark.promise("PS-71")
class TestErasing:
    def test_the_page_says_what_ends_and_what_must_stay_and_changes_nothing(
        self, browser: Browser, processor: FakeProcessor, crew: Plan, tables: Tables
    ) -> None:
        buy(processor, crew)
        before = {item["sk"] for item in tables.items("accounts") if item["type"] != "ledger"}
        page = browser.get(ERASE).text
        for words in ("Your license ends", "Your subscription is canceled", "1 January 2037"):
            assert words in page
        assert {i["sk"] for i in tables.items("accounts") if i["type"] != "ledger"} == before

    def test_the_setup_page_leads_there(self, browser: Browser) -> None:
        for page in ("/account/setup", "/account/privacy"):
            text = browser.get(page).text
            for path in (ERASE, DEACTIVATE, EXPORT):
                assert f'href="{path}"' in text

    def test_it_needs_the_password_again(self, browser: Browser, mora: Account) -> None:
        for wrong in ({"hours": "0", "password": "not this"}, {"hours": "0", "password": ""}):
            assert browser.post(ERASE, wrong).status in {401, 422}
        assert Purpose.ACCOUNT in opens(mora.subject)

    def test_only_whole_hours_of_a_day_can_be_chosen(self, browser: Browser) -> None:
        for hours in ("25", "-1", "1.5", "", "٣", "one"):
            answer = browser.post(ERASE, {"hours": hours, "password": PASSWORD})
            assert answer.status == 422, hours
            assert rights.erasure().planned(MORA) is None

    def test_with_no_hours_it_is_done_in_the_request(self, browser: Browser, mora: Account) -> None:
        began = time.monotonic()
        answer = browser.post(ERASE, {"hours": "0", "password": PASSWORD})
        assert time.monotonic() - began < 5
        assert answer.location == "/rights/done?what=erased"
        assert opens(mora.subject) == []
        told = browser.get("/rights/done?what=erased").words
        assert "erased" in told
        assert "No mail confirms it" in told
        assert browser.get("/account").status == 303

    def test_until_its_hour_it_can_be_stopped_on_the_page(
        self, browser: Browser, mora: Account, clock: FakeClock
    ) -> None:
        browser.post(ERASE, {"hours": "24", "password": PASSWORD})
        assert "Stop the erasure" in browser.get(ERASE).text
        browser.post(f"{ERASE}/stop", {}, page=ERASE)
        assert "is stopped" in browser.get(f"{ERASE}?stopped=1").text
        clock.advance(DAY)
        sweep()
        assert Purpose.ACCOUNT in opens(mora.subject)

    @pytest.mark.parametrize("page", ["/account", "/account/privacy", "/account/setup"])
    def test_where_its_owner_looks_first_it_says_when_and_can_be_stopped(
        self, browser: Browser, clock: FakeClock, page: str
    ) -> None:
        assert "will be erased" not in browser.get(page).words
        browser.post(ERASE, {"hours": "3", "password": PASSWORD})
        found = browser.get(page)
        due = f'<time datetime="{to_text(clock.now + 3 * HOUR)}">'
        assert due in found.text.partition("This account will be erased")[2]
        assert f'action="{ERASE}/stop"' in found.text
        assert browser.post(f"{ERASE}/stop", {}, page=page).location == f"{ERASE}?stopped=1"
        assert "will be erased" not in browser.get(page).words

    def test_and_by_the_mailed_link_whose_page_changes_nothing(
        self, browser: Browser, mora: Account, clock: FakeClock
    ) -> None:
        browser.post(ERASE, {"hours": "3", "password": PASSWORD})
        message = message_of("erasure_planned", MORA, clock.now)
        link = f"/rights/stop/{link_token(wiring.link_key(), message)}"
        assert Browser().get(link).status == 200
        assert rights.erasure().planned(MORA)
        assert Browser().post(link, {}).location == "/rights/done?what=stopped"
        assert rights.erasure().planned(MORA) is None
        assert Browser().get(link).status == 404


@pytest.mark.promise("PS-73")
class TestResting:
    def test_the_password_and_the_page_put_it_to_rest_and_bring_it_back(
        self, browser: Browser, mora: Account
    ) -> None:
        assert browser.post(DEACTIVATE, {"password": "wrong"}).status == 401
        answer = browser.post(DEACTIVATE, {"password": PASSWORD})
        assert answer.location == "/rights/done?what=deactivated"
        assert opens(mora.subject) == []
        name = {"login": PROFILE["login"], "password": PASSWORD}
        told = browser.post("/login", name)
        assert told.status == 403
        assert "/reactivate" in told.text
        back = browser.post("/reactivate", {**name, "what": "reactivate"})
        assert back.location == "/account?back=1"
        assert browser.get("/account").status == 200
        assert PROFILE["name"] in browser.get("/account/setup").text

    def test_who_rests_can_be_erased_there(self, browser: Browser, mora: Account) -> None:
        browser.post(DEACTIVATE, {"password": PASSWORD})
        form = {"login": PROFILE["email"], "password": PASSWORD, "what": "erase"}
        answer = browser.post("/reactivate", form)
        assert answer.location == "/rights/done?what=erased"
        assert opens(mora.subject) == []

    def test_who_rests_is_erased_at_once_or_not_at_all(self, mora: Account) -> None:
        rights.deactivation().deactivate(MORA)
        store = rights.erasure().store
        resting, link = store.leaving(MORA), mailed(mora)
        assert 'value="0"' in Browser().get(link).text
        refused = Browser().post(link, {"what": "erase", "hours": "24"})
        assert refused.status == 409
        assert "enter 0 hours" in refused.words
        assert store.leaving(MORA) == resting
        form = {"login": PROFILE["login"], "password": PASSWORD, "what": "reactivate"}
        assert Browser().post("/reactivate", form).location == "/account?back=1"
        assert Purpose.ACCOUNT in opens(mora.subject)

    def test_and_by_the_mailed_link_too(self, mora: Account) -> None:
        rights.deactivation().deactivate(MORA)
        answer = Browser().post(mailed(mora), {"what": "erase", "hours": "0"})
        assert answer.location == "/rights/done?what=erased"
        assert tombstone(MORA) is None
        sweep()
        assert tombstone(MORA)

    def test_the_page_of_the_mailed_link_offers_nothing_else_then(
        self, mora: Account, tables: Tables
    ) -> None:
        hours, choice = "From 0, which erases at once, to 24", "Deactivate the account"
        active = Browser().get(mailed(mora)).text
        assert hours in active
        assert choice in active
        rights.deactivation().deactivate(MORA)
        wiring.clock.advance(1)  # type: ignore[attr-defined]
        link = mailed(mora)
        resting = Browser().get(link).text
        for words in (hours, choice, "Hours to wait", 'name="hours" value="24"'):
            assert words not in resting
        for words in ('name="what" value="erase"', 'name="hours" value="0"', "/reactivate"):
            assert words in resting
        stale = Browser().post(link, {"what": "erase", "hours": "24"})
        assert "Hours to wait" not in stale.text

    def test_a_wrong_password_and_an_active_account_are_told_alike(self, browser: Browser) -> None:
        for password in (PASSWORD, "wrong"):
            form = {"login": PROFILE["login"], "password": password, "what": "erase"}
            assert Browser().post("/reactivate", form).status == 401


@pytest.mark.promise("PS-73")
class TestThePasswordIsForgotten:
    """Of an account that rests: a new one by mail leads to the way back or out, and is neither."""

    def renewed(self, browser: Browser) -> Browser:
        """A new password is set by the link of the mail that was asked for and sent."""
        rights.deactivation().deactivate(MORA)
        browser.post("/forgot", {"email": PROFILE["email"]})
        answer = browser.post(f"/reset/{self.mail()}", {"password": NEW})
        assert answer.location == "/reactivate?password=set"
        return browser

    def mail(self) -> str:
        """The token of the link, in the mail that really went out."""
        claim = wiring.keyed().of("email", email_identity(PROFILE["email"]))
        number, _ = window(wiring.now(), FORGOT_WINDOW)
        message = message_of("password_reset", claim, number)
        assert wiring.mailer().send(message) is Sent.SENT
        return link_token(wiring.link_key(), message)

    def test_the_account_rests_on_and_nobody_is_signed_in(
        self, browser: Browser, mora: Account, tables: Tables
    ) -> None:
        self.renewed(browser)
        found = wiring.account_store().account(MORA)
        assert found
        assert found.state is State.DEACTIVATED
        assert opens(mora.subject) == []
        assert browser.get("/account").status == 303
        assert MORA not in [name for n in range(4) for name in wiring.account_store().active(n)]
        templates = {item.get("template") for item in tables.items("accounts")}
        assert "password_changed" not in templates

    def test_the_next_page_says_so_and_the_new_password_brings_it_back(
        self, browser: Browser, mora: Account
    ) -> None:
        page = self.renewed(browser).get("/reactivate?password=set").text
        assert "The account stays deactivated" in page
        name = {"login": PROFILE["login"], "what": "reactivate"}
        assert browser.post("/reactivate", {**name, "password": PASSWORD}).status == 401
        back = browser.post("/reactivate", {**name, "password": NEW})
        assert back.location == "/account?back=1"
        assert Purpose.ACCOUNT in opens(mora.subject)

    @pytest.mark.promise("PS-70")
    def test_or_has_it_erased(self, browser: Browser, mora: Account) -> None:
        self.renewed(browser)
        form = {"login": PROFILE["email"], "password": NEW, "what": "erase"}
        assert browser.post("/reactivate", form).location == "/rights/done?what=erased"
        sweep()
        assert tombstone(MORA)

    def test_the_page_of_the_link_says_what_it_does_not_do(
        self, browser: Browser, mora: Account
    ) -> None:
        browser.post("/forgot", {"email": PROFILE["email"]})
        page = f"/reset/{self.mail()}"
        assert "this browser is signed in" in browser.get(page).text
        wiring.clock.advance(FORGOT_WINDOW)  # type: ignore[attr-defined]
        rights.deactivation().deactivate(MORA)
        browser.post("/forgot", {"email": PROFILE["email"]})
        page = f"/reset/{self.mail()}"
        for answer in (browser.get(page), browser.post(page, {"password": "short"})):
            assert "The account stays deactivated" in answer.text
            assert "this browser is signed in" not in answer.text

    def test_the_link_works_once_and_a_way_back_by_then_ends_it(
        self, browser: Browser, mora: Account
    ) -> None:
        self.renewed(browser)
        link = f"/reset/{self.mail_again()}"
        assert Browser().get(link).status == 200
        form = {"login": PROFILE["login"], "password": NEW, "what": "reactivate"}
        assert browser.post("/reactivate", form).location == "/account?back=1"
        assert Browser().get(link).status == 404

    def mail_again(self) -> str:
        wiring.clock.advance(FORGOT_WINDOW)  # type: ignore[attr-defined]
        Browser().post("/forgot", {"email": PROFILE["email"]})
        return self.mail()

    @pytest.mark.promise("PS-79")
    def test_the_ledger_says_what_the_address_was_opened_for(
        self, browser: Browser, mora: Account
    ) -> None:
        self.renewed(browser)
        rows = list(wiring.vault().ledger.rows(mora.subject))
        assert re.fullmatch("mail:password_reset:[0-9a-f]{20}", rows[-1].entry.reason or "")
        assert fold(rows).ungranted_uses == 0


@pytest.mark.promise("PS-72")
class TestByMail:
    def test_looking_at_the_link_changes_nothing(self, mora: Account, tables: Tables) -> None:
        link = mailed(mora)
        before = tables.dump()
        page = Browser().get(link)
        assert page.status == 200
        assert "Show my details" in page.text
        assert tables.dump() == before

    @pytest.mark.parametrize(
        ("what", "hours", "leads"),
        [
            ("erase", "0", "erased"), ("erase", "24", "planned"),
            ("deactivate", "24", "deactivated"),
        ],
    )  # fmt: skip
    def test_its_holder_needs_no_password_and_it_works_once(
        self, mora: Account, what: str, hours: str, leads: str
    ) -> None:
        link = mailed(mora)
        answer = Browser().post(link, {"what": what, "hours": hours})
        assert answer.location == f"/rights/done?what={leads}"
        assert (opens(mora.subject) == []) == (hours == "0" or what == "deactivate")
        assert Browser().get(link).status == 404

    def test_nothing_is_chosen_before(self, mora: Account) -> None:
        link = mailed(mora)
        assert "checked" not in Browser().get(link).text
        assert Browser().post(link, {"hours": "0"}).status == 422
        assert Purpose.ACCOUNT in opens(mora.subject)

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/account/setup/password", {"current_password": PASSWORD, "password": NEW}),
            ("/logout/everywhere", {}),
        ],
    )
    def test_a_new_password_and_a_sign_out_everywhere_end_it(
        self, browser: Browser, mora: Account, path: str, fields: dict[str, str]
    ) -> None:
        link = mailed(mora)
        late = Browser()
        token = late.token(link)
        assert browser.post(path, fields, page="/account/setup/password").status == 303
        assert Browser().get(link).status == 404
        asked = f"csrf={token}&what=erase&hours=0".encode()
        assert late.post_raw(link, asked).status == 404
        assert Purpose.ACCOUNT in opens(mora.subject)

    def test_a_new_address_ends_it(self, mora: Account, clock: FakeClock) -> None:
        link = mailed(mora)
        clock.advance(1)
        accounts = wiring.accounts_table()
        item = accounts.get(f"ACCOUNT#{MORA}", "ACCOUNT")
        assert item
        accounts.apply(accounts.put({**item, "addressed_at": clock.now}))
        assert Browser().get(link).status == 404

    def test_a_link_of_an_account_before_does_not_reach_who_registered_after_it(
        self, mora: Account
    ) -> None:
        link = mailed(mora)
        rights.erasure().ask(MORA, 0)
        register("acc_next", verifier="none")
        assert Browser().get(link).status == 404

    def test_who_rests_gets_one_and_can_use_it(self, mora: Account, clock: FakeClock) -> None:
        rights.deactivation().deactivate(MORA)
        link = mailed(mora)
        assert wiring.mailer().send(message_of("rights_link", MORA, clock.now)) is Sent.SENT
        assert Browser().get(link).status == 200

    def test_after_a_day_it_works_no_more(self, mora: Account, clock: FakeClock) -> None:
        link = mailed(mora)
        clock.advance(DAY)
        assert Browser().get(link).status == 404


@pytest.mark.promise("PS-71")
class TestWhereItWasAskedFor:
    """The ledger tells the way that was really taken, also where the work is done hours later."""

    def reasons(self, subject: str, event: Event) -> set[str | None]:
        rows = wiring.vault().ledger.rows(subject)
        return {row.entry.reason for row in rows if row.entry.event is event}

    def kept(self) -> set[str | None]:
        return self.reasons(fiscal_subject(MORA), Event.COLLECTED)

    def test_an_erasure_on_the_page(
        self, browser: Browser, processor: FakeProcessor, crew: Plan
    ) -> None:
        buy(processor, crew)
        browser.post(ERASE, {"hours": "0", "password": PASSWORD})
        assert self.kept() == {f"page:{ERASE}"}

    @pytest.mark.parametrize("hours", ["0", "3"])
    def test_an_erasure_by_the_mailed_link(
        self, mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock, hours: str
    ) -> None:
        buy(processor, crew)
        Browser().post(mailed(mora), {"what": "erase", "hours": hours})
        clock.advance(4 * HOUR)
        sweep()
        assert self.kept() == {"page:/rights"}

    def test_an_erasure_in_place_of_coming_back(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        buy(processor, crew)
        rights.deactivation().deactivate(MORA)
        given = {"login": PROFILE["login"], "password": PASSWORD, "what": "erase"}
        Browser().post("/reactivate", given)
        assert self.kept() == {"page:/reactivate"}

    def test_a_deactivation_on_the_page_and_by_the_mailed_link(
        self, browser: Browser, mora: Account
    ) -> None:
        browser.post(DEACTIVATE, {"password": PASSWORD})
        assert self.reasons(mora.subject, Event.DEACTIVATED) == {f"page:{DEACTIVATE}"}
        account = wiring.account_store().account(MORA)
        assert account
        rights.deactivation().reactivate(account)
        Browser().post(mailed(mora), {"what": "deactivate", "hours": "0"})
        found = self.reasons(mora.subject, Event.DEACTIVATED)
        assert found == {f"page:{DEACTIVATE}", "page:/rights"}


class TestExport:
    @pytest.mark.promise("PS-69")
    @pytest.mark.promise("PS-79")
    def test_all_that_is_held_is_in_it_within_ten_seconds(
        self, browser: Browser, processor: FakeProcessor, crew: Plan, mora: Account
    ) -> None:
        buy(processor, crew)
        began = time.monotonic()
        answer = browser.get(f"{EXPORT}.json")
        assert time.monotonic() - began < 10
        assert answer.headers["Cache-Control"] == "no-store"
        found = json.loads(answer.text)
        assert found["profile"] == PROFILE
        assert {row["purpose"] for row in found["grants"]} == set(
            map(str, wiring.vault().granted(mora.subject))
        )
        for section in ("licenses", "orders", "payments", "subscriptions", "uses", "sessions"):
            assert found[section], section

    @pytest.mark.promise("PS-79")
    def test_making_it_is_in_it(self, browser: Browser, mora: Account) -> None:
        found = json.loads(browser.get(f"{EXPORT}.json").text)
        here = [row for row in found["uses"] if row["reason"] == "page:/account/privacy/export"]
        assert [row["event"] for row in here] == [str(Event.OPENED)] * 2

    def test_it_holds_nothing_of_anybody_else(self, browser: Browser, mora: Account) -> None:
        other = {**PROFILE, "login": "other.one", "email": "other@elsewhere.example"}
        register("acc_other", {**other, "name": "Other Person"})
        text = browser.get(f"{EXPORT}.json").text
        for value in ("other@elsewhere.example", "Other Person", "acc_other"):
            assert value not in text

    def test_a_correction_is_in_the_next_one(self, browser: Browser) -> None:
        wiring.accounts().correct(MORA, {"city": "Newtown"})
        found = json.loads(browser.get(f"{EXPORT}.json").text)
        assert found["profile"]["city"] == "Newtown"
        assert PROFILE["city"] not in json.dumps(found)

    def test_it_can_be_read_without_a_program(self, browser: Browser) -> None:
        page = browser.get(f"{EXPORT}.html")
        assert PROFILE["street"] in page.text
        assert browser.get(EXPORT).status == 200

    def test_nobody_gets_it_without_signing_in(self, mora: Account) -> None:
        for path in (EXPORT, f"{EXPORT}.json", f"{EXPORT}.html"):
            assert Browser().get(path).status == 303


@pytest.mark.promise("PS-69")
def test_the_processor_is_told_nothing_that_could_be_wrong(
    mora: Account, processor: FakeProcessor, crew: Plan
) -> None:
    """A customer there is an account's reference and a card: there is nothing to correct."""
    buy(processor, crew)
    told = repr((processor.customers, processor.checkouts, processor.asked))
    for value in PROFILE.values():
        if len(value) > 2:
            assert value not in told
