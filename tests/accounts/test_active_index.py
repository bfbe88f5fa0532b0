"""The index of active accounts: entered by the write that confirms, left by what ends (PS-83)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import Account, State
from chalicelib.accounts.store import SHARDS, active_shard
from chalicelib.core.clock import DAY
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION
from tests.accounts.watch import watched
from tests.browser import Browser

if TYPE_CHECKING:
    from tests.accounts.conftest import Mails
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-83")


def indexed() -> list[str]:
    store = wiring.account_store()
    return [account for shard in range(SHARDS) for account in store.active(shard)]


def account_item(tables: Tables) -> dict[str, object]:
    (item,) = [i for i in tables.items("accounts") if i["type"] == "account"]
    return item


def test_only_who_confirmed_the_address_is_in_it(browser: Browser, mails: Mails) -> None:
    browser.post("/register", REGISTRATION)
    assert indexed() == []
    browser.post(f"/verify/{mails.link('welcome')}", {"password": PASSWORD})
    assert len(indexed()) == 1


def test_a_password_set_by_mail_confirms_and_enters(browser: Browser, mails: Mails) -> None:
    browser.post("/register", REGISTRATION)
    Browser().post("/forgot", {"email": PROFILE["email"]})
    link = f"/reset/{mails.link('password_reset')}"
    assert browser.post(link, {"password": PASSWORD}).location == "/account"
    assert len(indexed()) == 1


def test_another_password_leaves_it_where_it_is(member: Browser) -> None:
    before = indexed()
    account = before[0]
    wiring.recovery().change_password(account, PASSWORD, "three pears in winter")
    assert indexed() == before


def test_whom_nobody_confirmed_ends_without_ever_being_in_it(
    browser: Browser, clock: FakeClock
) -> None:
    browser.post("/register", REGISTRATION)
    clock.advance(3 * DAY)
    assert wiring.cleanup().run(lambda: 60_000)["accounts"] == 1
    assert indexed() == []


class TestWhoWasConfirmedBefore:
    @pytest.fixture
    def old(self, member: Browser, tables: Tables) -> Tables:
        """The account as a release without the index left it."""
        item = account_item(tables)
        del item["gsi1pk"], item["gsi1sk"]
        tables.accounts.apply(tables.accounts.put(item))
        assert indexed() == []
        return tables

    def sign_in(self) -> None:
        name, browser = PROFILE["login"], Browser()
        assert browser.post("/login", {"login": name, "password": PASSWORD}).location == "/account"

    def test_the_next_sign_in_enters_it_once(self, old: Tables) -> None:
        with watched() as first:
            self.sign_in()
        assert len(indexed()) == 1
        with watched() as second:
            self.sign_in()
        assert sum(step[1] == "UpdateItem" for step in first) == 1 + sum(
            step[1] == "UpdateItem" for step in second
        )

    def test_an_account_that_is_ending_is_not_entered(self, old: Tables) -> None:
        item = account_item(old)
        old.accounts.apply(old.accounts.put({**item, "state": "ending"}))
        wiring.account_store().enter_index(str(item["pk"]).removeprefix("ACCOUNT#"))
        assert indexed() == []


def test_it_is_walked_in_the_order_of_ids_from_any_place(tables: Tables) -> None:
    store = wiring.account_store()
    made = Account("", State.ACTIVE, "sub_x", "c", "l", "no verifier", 0)
    for number in range(20):
        store.transact(store.put_account(replace(made, id=f"acc_{number:02d}")))
    ids = sorted(f"acc_{number:02d}" for number in range(20))
    for shard in range(SHARDS):
        mine = [account for account in ids if active_shard(account) == shard]
        assert list(store.active(shard)) == mine
        assert list(store.active(shard, mine[1])) == mine[2:]
