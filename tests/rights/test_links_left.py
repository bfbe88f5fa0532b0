"""What an erasure leaves by keyed hashes of an address: nothing of it leads to the account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.store import Claim
from chalicelib.core.clock import DAY, purge_at
from chalicelib.mail.rules import MailClass
from chalicelib.mail.templates import TOPICS
from chalicelib.mail.wishes import WayOut, class_row, suppression_of, topic_row, way_out_hash
from chalicelib.mailings.texts import Kind
from chalicelib.rights import wiring as rights
from tests.browser import Browser
from tests.cases.conftest import deliver, raw
from tests.mail.test_feedback import KIM, bounce, member, take
from tests.mail.test_notices import ONE_CLICK, link_of_a_notice
from tests.mailings.conftest import House, house
from tests.mailings.test_rules import content
from tests.rights.conftest import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item
    from tests.conftest import FakeClock, Tables

__all__ = ["house", "member"]


def hashes(address: str) -> set[str]:
    """Every hash that is stored in place of this address, by whoever has the key."""
    keyed, named = wiring.keyed(), suppression_of(wiring.keyed(), address)
    rows = [*map(class_row, MailClass), *map(topic_row, TOPICS)]
    tokens = [WayOut(named, row, None).token(keyed) for row in rows]
    return {named, keyed.of("email", email_identity(address)), *(
        way_out_hash(keyed, token) for token in tokens
    )}  # fmt: skip


def ties(tables: Tables, address: str, account: str) -> list[tuple[str, str]]:
    """Items that hold the account's id beside a hash of the address."""
    known = hashes(address)

    def found() -> Iterator[tuple[str, str]]:
        for name in ("accounts", "usage", "keys"):
            for item in tables.items(name):
                text = json.dumps(item, default=str)
                if account in text and any(each in text for each in known):
                    yield item["pk"], item["sk"]

    return list(found())


def of(tables: Tables, account: str, kind: str) -> list[Item]:
    return [i for i in tables.items("accounts") if i["type"] == kind and account in str(i)]


def erase(account: str) -> None:
    rights.erasure().ask(account, 0)
    assert sweep()["failed"] == 0


@pytest.mark.promise("PS-70")
class TestNothingLeadsFromAnAddress:
    def test_to_the_account_that_got_a_notice_of_each_kind_and_stopped_one(
        self, member: str, tables: Tables
    ) -> None:
        path = link_of_a_notice(member)
        assert ties(tables, KIM, member)
        assert Browser().post_raw(path, ONE_CLICK).status == 200
        take(bounce(wiring.now()))
        erase(member)
        assert ties(tables, KIM, member) == []
        assert of(tables, member, "unsubscribe_listed") == []

    def test_to_the_account_that_got_offers_and_mail_of_partners(self, house: House) -> None:
        account, address, store = house.join("kim"), "kim@example.com", wiring.account_store()
        found = store.account(account)
        assert found
        store.transact(store.put_claim(Claim.LOGIN, found.login_claim, account))
        for kind in (Kind.OFFER, Kind.PARTNER):
            assert house.sent(kind, content(kind)) == [address]
        assert ties(house.tables, address, account)
        erase(account)
        assert ties(house.tables, address, account) == []

    def test_nor_where_the_request_died_and_the_sweep_goes_on(
        self, member: str, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link_of_a_notice(member)
        erasure = rights.erasure()
        with monkeypatch.context() as patched:
            patched.setattr(type(erasure.estate), "clear", lambda *_: None)
            erasure.ask(member, 0)
        assert ties(tables, KIM, member)
        clock.advance(DAY)
        assert sweep()["finished"] == 1
        assert ties(tables, KIM, member) == []

    def test_a_link_that_is_another_account_s_by_now_stays_theirs(
        self, house: House, tables: Tables
    ) -> None:
        first = house.join("kim")
        house.sent(Kind.OFFER, content(Kind.OFFER))
        (listed,) = of(tables, first, "unsubscribe_listed")
        row = tables.accounts.get(f"UNSUBSCRIBE#{listed['sk'].removeprefix('STOPS#')}",
                                  "UNSUBSCRIBE")  # fmt: skip
        assert row
        tables.accounts.apply(tables.accounts.put({**row, "account": "acc_next"}))
        wiring.wishes().part(first, house.clock())
        kept = tables.accounts.get(row["pk"], row["sk"])
        assert kept == {**row, "account": "acc_next"}


@pytest.mark.promise("PS-60")
class TestAnOldLink:
    @pytest.fixture
    def path(self, member: str, clock: FakeClock) -> str:
        found = link_of_a_notice(member)
        erase(member)
        clock.advance(DAY)
        return found

    def test_still_stops_mail_to_the_address_and_writes_nothing_of_the_account(
        self, member: str, path: str, tables: Tables
    ) -> None:
        assert Browser().post_raw(path, ONE_CLICK).status == 200
        (stopped,) = wiring.wishes().in_force(suppression_of(wiring.keyed(), KIM))
        assert stopped["sk"].startswith("TOPIC#")
        assert of(tables, member, "notices") == []
        assert ties(tables, KIM, member) == []

    def test_by_mail_too(self, member: str, path: str, tables: Tables) -> None:
        token = path.rpartition("/")[2]
        assert deliver(raw(f"unsubscribe {token}")) == {"removed": 1}
        assert of(tables, member, "notices") == []
        assert of(tables, member, "stopped") == []

    def test_goes_ninety_days_after_the_erasure(
        self, member: str, path: str, tables: Tables, clock: FakeClock
    ) -> None:
        (row,) = [i for i in tables.items("accounts") if i["type"] == "unsubscribe"]
        assert row["purge_at"] == purge_at(clock.now + 89 * DAY)

    @pytest.mark.guarantee("G12")
    def test_that_is_pressed_while_the_account_leaves_writes_nothing_of_it(
        self, member: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = link_of_a_notice(member).rpartition("/")[2]
        stopping = wiring.stopping()
        standing, looked = stopping.standing, list[str]()

        def leaves_then(account: str) -> object:
            stands = standing(account)
            if not looked:
                erase(account)
            looked.append(account)
            return stands

        monkeypatch.setattr(stopping, "standing", leaves_then)
        assert stopping.stop(token)
        assert wiring.wishes().in_force(suppression_of(wiring.keyed(), KIM))
        assert of(tables, member, "notices") == []
