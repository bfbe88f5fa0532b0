"""Accounts that nobody confirms end after two days, decoys like the rest; nothing stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.cleanup import RESERVE, CleanupIncomplete
from chalicelib.accounts.rules import UNCONFIRMED_LIFE
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.privacy.rules import Purpose, PurposeDenied
from chalicelib.storage.dynamo import ConditionFailed
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION
from tests.browser import Browser
from tests.crash import at_every_call

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item
    from tests.accounts.conftest import Mails
    from tests.conftest import FakeClock, Tables

OTHER = {**REGISTRATION, "login": "somebody.else"}
LEFT = {"ledger", "message", "link", "rate", "session"}  # rows without a name, or soon purged


def kinds(tables: Tables) -> set[str]:
    return {item["type"] for name in ("accounts", "usage", "keys") for item in tables.items(name)}


def ended(**numbers: int) -> dict[str, int]:
    """What a run that ended nothing else says."""
    return {"accounts": 0, "guests": 0, "opt_ins": 0, "failed": 0, **numbers}


def accounts(tables: Tables) -> list[Item]:
    return [item for item in tables.items("accounts") if item["type"] == "account"]


class TestUnconfirmed:
    @pytest.mark.promise("PS-70")
    def test_it_is_gone_after_two_days_with_its_names_its_fields_and_its_keys(
        self, browser: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        browser.post("/register", REGISTRATION)
        (account,) = accounts(tables)
        clock.advance(UNCONFIRMED_LIFE)
        assert wiring.cleanup().run(lambda: MINUTE) == ended(accounts=1)
        assert kinds(tables) <= LEFT
        assert tables.items("keys") == []
        with pytest.raises(PurposeDenied):
            wiring.vault().open(account["subject"], Purpose.ACCOUNT, "test")

    def test_until_then_it_stays(
        self, browser: Browser, tables: Tables, clock: FakeClock, mails: Mails
    ) -> None:
        browser.post("/register", REGISTRATION)
        clock.advance(UNCONFIRMED_LIFE - 1)
        assert wiring.cleanup().run(lambda: MINUTE) == ended(accounts=0)
        assert len(accounts(tables)) == 1

    def test_a_decoy_ends_alike_and_leaves_the_address_to_its_owner(
        self, member: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        Browser().post("/register", OTHER)
        clock.advance(UNCONFIRMED_LIFE)
        assert wiring.cleanup().run(lambda: MINUTE)["accounts"] == 1
        assert [item["state"] for item in accounts(tables)] == ["active"]
        fields = {"login": PROFILE["email"], "password": PASSWORD}
        assert Browser().post("/login", fields).location == "/account"

    def test_name_and_address_can_be_registered_anew(
        self, browser: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        browser.post("/register", REGISTRATION)
        clock.advance(UNCONFIRMED_LIFE)
        wiring.cleanup().run(lambda: MINUTE)
        browser.post("/register", REGISTRATION)
        link = mails.link("welcome")
        assert browser.post(f"/verify/{link}", {"password": PASSWORD}).location == "/account"

    def test_a_confirmed_account_is_never_nominated(
        self, member: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        clock.advance(30 * DAY)
        assert list(wiring.account_store().unconfirmed(clock.now)) == []

    def test_neither_is_one_that_was_confirmed_by_a_reset(
        self, browser: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        browser.post("/register", REGISTRATION)
        browser.post("/forgot", {"email": PROFILE["email"]})
        browser.post(f"/reset/{mails.link('password_reset')}", {"password": PASSWORD})
        clock.advance(30 * DAY)
        assert list(wiring.account_store().unconfirmed(clock.now)) == []

    def test_the_index_only_nominates(
        self, member: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        """An index lags: an account that was confirmed since stays as it is."""
        (account,) = accounts(tables)
        clock.advance(30 * DAY)
        assert not wiring.cleanup().end_account(account["pk"].removeprefix("ACCOUNT#"))
        assert accounts(tables) == [account]

    def test_no_link_is_mailed_that_would_outlive_it(
        self, browser: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        browser.post("/register", REGISTRATION)
        clock.advance(UNCONFIRMED_LIFE - DAY + 1)
        fields = {"login": PROFILE["login"], "password": PASSWORD}
        assert browser.post("/login", fields).status == 403
        assert mails.of("confirm_address") == []

    def test_one_that_fails_does_not_keep_the_others(
        self, browser: Browser, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser.post("/register", REGISTRATION)
        Browser().post("/register", OTHER)
        clock.advance(UNCONFIRMED_LIFE)
        cleanup, broken = wiring.cleanup(), accounts(tables)[0]["subject"]
        erase = cleanup.guests.vault.erase

        def fail_once(subject: str) -> None:
            if subject == broken:
                raise OSError
            erase(subject)

        monkeypatch.setattr(cleanup.guests.vault, "erase", fail_once)
        with pytest.raises(CleanupIncomplete):
            cleanup.run(lambda: MINUTE)
        assert [item["state"] for item in accounts(tables)] == ["ending"]
        monkeypatch.setattr(cleanup.guests.vault, "erase", erase)
        assert cleanup.run(lambda: MINUTE) == ended(accounts=1)
        assert accounts(tables) == []

    def test_a_run_that_has_no_time_left_begins_nobody_and_the_next_goes_on(
        self, browser: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        browser.post("/register", REGISTRATION)
        Browser().post("/register", OTHER)
        clock.advance(UNCONFIRMED_LIFE)
        left = iter([MINUTE, RESERVE - 1])
        assert wiring.cleanup().run(lambda: next(left)) == ended(accounts=1)
        assert len(accounts(tables)) == 1
        assert wiring.cleanup().run(lambda: RESERVE)["accounts"] == 1


class TestRaces:
    def test_a_confirmation_in_between_wins(
        self, both_engines: str, tables: Tables, clock: FakeClock
    ) -> None:
        """The account was read unconfirmed; the link was used before the names were released."""
        wiring.registration().register(PROFILE, PASSWORD)
        (account,) = accounts(tables)
        account_id, store = account["pk"].removeprefix("ACCOUNT#"), wiring.account_store()
        read = store.account(account_id)
        assert read
        store.transact(store.confirm(read, clock.now))
        with pytest.raises(ConditionFailed) as refusal:
            store.transact(*store.release(read, clock.now))
        assert refusal.value.at(0)
        assert [item["state"] for item in accounts(tables)] == ["active"]
        assert wiring.accounts().by_claim(read.email_claim)


@pytest.mark.guarantee("G12")
class TestDeaths:
    def test_killed_at_any_call_the_next_run_finishes(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        numbers = iter(range(1000))
        wiring.registration()

        def prepare() -> str:
            name = f"person{next(numbers)}"
            fields = {**PROFILE, "login": name, "email": f"{name}@kilbride.example"}
            wiring.registration().register(fields, PASSWORD)
            clock.advance(UNCONFIRMED_LIFE)
            return name

        def judge(name: str) -> None:
            wiring.cleanup().run(lambda: MINUTE)
            assert kinds(tables) <= LEFT

        assert at_every_call(prepare, lambda _: wiring.cleanup().run(lambda: MINUTE), judge) > 10

    def test_what_is_ending_can_neither_sign_in_nor_be_confirmed_nor_be_reset(
        self, browser: Browser, mails: Mails, clock: FakeClock, tables: Tables
    ) -> None:
        browser.post("/register", REGISTRATION)
        clock.advance(UNCONFIRMED_LIFE - HOUR)
        Browser().post("/forgot", {"email": PROFILE["email"]})
        reset = mails.link("password_reset")
        clock.advance(HOUR)
        store = wiring.account_store()
        account = store.account(accounts(tables)[0]["pk"].removeprefix("ACCOUNT#"))
        assert account
        store.transact(*store.release(account, clock.now))
        fields = {"login": PROFILE["login"], "password": PASSWORD}
        assert browser.post("/login", fields).status == 401
        assert Browser().get(f"/reset/{reset}").status == 404
        with pytest.raises(ConditionFailed):  # a confirmation that had read its link just before
            store.transact(store.confirm(account, clock.now))
