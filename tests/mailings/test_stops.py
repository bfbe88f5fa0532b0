"""A stop ends the mail at once, and with it each yes behind the mail: also when it was mailed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.mail.rules import LAWS, MailClass
from chalicelib.mailings.texts import Kind
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.rules import Event, Purpose
from chalicelib.rights import wiring as rights
from tests.browser import Browser
from tests.cases.conftest import deliver, raw, verdicts
from tests.crash import at_every_call
from tests.mailings.conftest import YES
from tests.mailings.test_rules import content

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item
    from tests.mailings.conftest import House

OF_OFFERS = frozenset({Purpose.MARKETING, Purpose.SURVEYS})
OF_PARTNERS = frozenset({Purpose.PARTNER_MAIL})
FORGED = verdicts(dmarc="fail")


@pytest.fixture
def kim(house: House) -> str:
    """A member under the version that asks about surveys too, who said yes to everything."""
    account = house.crowd.join("kim", 4, chosen={**YES, Purpose.SURVEYS: True})
    house.order(account)
    return account


def granted(subject: str = "sub_kim") -> set[Purpose]:
    return set(wiring.vault().granted(subject)) & {*OF_OFFERS, *OF_PARTNERS}


def waiting(house: House) -> list[Item]:
    return [item for item in house.tables.items("accounts") if item["type"] == "stopped"]


def sealed(house: House, subject: str = "sub_kim") -> set[str]:
    found = house.tables.items("accounts")
    return {i["sk"].removeprefix("SEALED#") for i in found if i["pk"] == f"SUBJECT#{subject}"}


def withdrawn(subject: str = "sub_kim") -> list[tuple[Purpose | None, str | None]]:
    rows = [row.entry for row in wiring.vault().ledger.rows(subject)]
    return [(e.purpose, e.reason) for e in rows if e.event is Event.WITHDRAWN]


def token(house: House, kind: Kind) -> str:
    """Of the way out in a mail of this kind that just went out."""
    assert house.sent(kind, content(kind, body="So that there is one.")) == ["kim@example.com"]
    (found,) = re.findall(r"/unsubscribe/([\w-]{43})>", str(house.handed[-1]["List-Unsubscribe"]))
    return str(found)


def sweep() -> dict[str, int]:
    return rights.rights_sweep().run(lambda: 60_000)


@pytest.mark.promise("PS-60")
class TestByLink:
    @pytest.mark.parametrize("kind", [Kind.OFFER, Kind.PARTNER])
    def test_it_ends_each_yes_that_mail_of_the_class_is_opened_for(
        self, house: House, kim: str, kind: Kind
    ) -> None:
        purposes = LAWS[MailClass(kind)].purposes
        before, path = granted(), f"/unsubscribe/{token(house, kind)}"
        assert Browser().post_raw(path, b"List-Unsubscribe=One-Click").status == 200
        assert granted() == before - purposes
        assert sealed(house).isdisjoint(purposes)
        assert {purpose for purpose, _ in withdrawn()} == purposes
        assert waiting(house) == []

    @pytest.mark.guarantee("G12")
    def test_wherever_it_dies_nothing_is_stopped_or_all_of_it(self, house: House) -> None:
        number = iter(range(100))

        def prepare() -> str:
            name = f"p{next(number)}"
            account = house.crowd.join(name, 4, chosen={**YES, Purpose.SURVEYS: True})
            house.order(account)
            house.sent(Kind.OFFER, content(Kind.OFFER, body=f"For {name}."))
            mail = next(m for m in house.handed if m["To"] == f"{name}@example.com")
            (found,) = re.findall(r"/unsubscribe/([\w-]{43})>", str(mail["List-Unsubscribe"]))
            return str(found)

        def judge(way: str) -> None:
            found = wiring.stopping().way_out(way)
            assert found
            stopped = wiring.wishes().in_force(found.suppression)
            subject = f"sub_{str(found.account).removeprefix('acc_')}"
            assert granted(subject) == ({*OF_PARTNERS} if stopped else {*OF_OFFERS, *OF_PARTNERS})
            wiring.stopping().stop(way)
            assert granted(subject) == OF_PARTNERS

        assert at_every_call(prepare, lambda way: wiring.stopping().stop(way), judge) > 4

    def test_also_of_whoever_rests(self, house: House, kim: str) -> None:
        way = token(house, Kind.OFFER)
        house.crowd.leave(kim, "deactivated")
        vault = wiring.vault()
        vault.commit(lambda: vault.hold("sub_kim", "page:/account/privacy/deactivate"))
        wiring.stopping().stop(way)
        vault.commit(lambda: vault.release("sub_kim", "page:/reactivate"))
        assert granted() == OF_PARTNERS

    def test_where_the_account_is_gone_the_address_alone_is_left_alone(
        self, house: House, kim: str
    ) -> None:
        way = token(house, Kind.OFFER)
        wiring.vault().erase("sub_kim")
        house.tables.accounts.apply(house.tables.accounts.delete(f"ACCOUNT#{kim}", "ACCOUNT"))
        found = wiring.stopping().stop(way)
        assert found
        (row,) = wiring.wishes().in_force(found.suppression)
        assert row["sk"] == "CLASS#offer"


@pytest.mark.promise("PS-76")
class TestByMail:
    @pytest.mark.parametrize("above", ["", verdicts(), FORGED])
    def test_a_remove_ends_the_yes_to_partners_and_no_other_forged_or_not(
        self, house: House, kim: str, above: str
    ) -> None:
        keys = set(wiring.vault().granted("sub_kim"))
        assert deliver(raw("REMOVE", above=above)) == {"removed": 1}
        house.hand_over()  # the confirmation
        assert house.sent(Kind.PARTNER) == []
        assert sweep()["failed"] == 0
        assert set(wiring.vault().granted("sub_kim")) == keys - OF_PARTNERS
        assert Purpose.PARTNER_MAIL not in sealed(house)
        assert withdrawn() == [(Purpose.PARTNER_MAIL, "stop:mail")]
        assert waiting(house) == []

    @pytest.mark.parametrize(
        ("kind", "left"), [(Kind.OFFER, OF_PARTNERS), (Kind.PARTNER, OF_OFFERS)]
    )
    def test_a_mail_program_s_own_stop_ends_each_yes_of_the_class(
        self, house: House, kim: str, kind: Kind, left: frozenset[Purpose]
    ) -> None:
        assert deliver(raw(f"unsubscribe {token(house, kind)}")) == {"removed": 1}
        sweep()
        assert granted() == left
        assert waiting(house) == []

    def test_whoever_takes_in_mail_ends_no_key(self, house: House, kim: str) -> None:
        before = house.tables.items("keys")
        way = token(house, Kind.PARTNER)
        deliver(raw(f"unsubscribe {way}"), "in/a")
        deliver(raw("REMOVE", above=FORGED), "in/b")
        kept = [item for item in house.tables.items("keys") if item["pk"] == "SUBJECT#sub_kim"]
        assert kept == [item for item in before if item["pk"] == "SUBJECT#sub_kim"]
        assert [(row["pk"], row["sk"]) for row in waiting(house)] == [
            (f"NOTICES#{kim}", "STOPPED#partner")
        ]

    def test_the_stop_and_what_is_left_to_do_are_one_write(self, house: House, kim: str) -> None:
        def judge(_: int) -> None:
            stopped = [i for i in house.tables.items("accounts") if i["type"] == "suppression"]
            assert len(waiting(house)) == len(stopped)
            for item in [*stopped, *waiting(house)]:
                house.tables.accounts.apply(house.tables.accounts.delete(item["pk"], item["sk"]))

        numbers = iter(range(100))

        def prepare() -> int:
            house.clock.advance(1)
            return next(numbers)

        assert at_every_call(prepare, lambda n: deliver(raw("REMOVE"), f"in/{n}"), judge) > 4

    @pytest.mark.guarantee("G12")
    def test_a_sweep_that_dies_anywhere_is_finished_by_the_next(
        self, house: House, kim: str
    ) -> None:
        fields = {"email": "kim@example.com"}
        numbers = iter(range(100))
        vault = wiring.vault()

        def prepare() -> None:
            vault.commit(lambda: vault.grant("sub_kim", Purpose.PARTNER_MAIL, fields, "test"))
            wiring.stops().yes_again(kim, MailClass.PARTNER, Purpose.PARTNER_MAIL)
            deliver(raw("REMOVE"), f"in/{next(numbers)}")
            assert waiting(house)

        def judge(_: None) -> None:
            assert (Purpose.PARTNER_MAIL in granted()) is bool(waiting(house))
            sweep()
            assert granted() == OF_OFFERS
            assert waiting(house) == []

        assert at_every_call(prepare, lambda _: sweep(), judge) > 4

    def test_a_yes_that_is_said_again_before_the_sweep_stands(self, house: House, kim: str) -> None:
        deliver(raw("REMOVE"))
        house.hand_over()  # the confirmation
        wiring.choosing().change(kim, Purpose.PARTNER_MAIL, yes=True)
        assert waiting(house) == []
        sweep()
        assert Purpose.PARTNER_MAIL in granted()
        assert house.sent(Kind.PARTNER) == ["kim@example.com"]

    def test_a_yes_to_one_purpose_leaves_the_other_of_its_class_stopped(
        self, house: House, kim: str
    ) -> None:
        way = token(house, Kind.OFFER)
        deliver(raw(f"unsubscribe {way}"))
        wiring.choosing().change(kim, Purpose.MARKETING, yes=True)
        sweep()
        assert granted() == {Purpose.MARKETING, *OF_PARTNERS}

    def test_a_yes_in_the_very_moment_of_the_sweep_is_not_lost(
        self, house: House, kim: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        way = token(house, Kind.OFFER)
        deliver(raw(f"unsubscribe {way}"))
        choosing = wiring.choosing()
        opened = choosing.vault.open

        def swept_first(*parts: object, **named: object) -> object:
            sweep()
            return opened(*parts, **named)  # type: ignore[call-overload]

        monkeypatch.setattr(choosing.vault, "open", swept_first)
        choosing.change(kim, Purpose.MARKETING, yes=True)
        assert Purpose.MARKETING in granted()
        assert Purpose.SURVEYS not in granted()

    def test_a_remove_again_ends_a_yes_that_was_left(self, house: House, kim: str) -> None:
        deliver(raw("REMOVE"), "in/a")
        (row,) = waiting(house)
        house.tables.accounts.apply(house.tables.accounts.delete(row["pk"], row["sk"]))
        deliver(raw("REMOVE"), "in/b")
        sweep()
        assert granted() == OF_OFFERS

    def test_a_stranger_s_remove_leaves_nothing_to_do(self, house: House, kim: str) -> None:
        deliver(raw("REMOVE", "Lee <lee@example.com>", verdicts()))
        assert waiting(house) == []
        assert granted() == {*OF_OFFERS, *OF_PARTNERS}

    def test_whoever_erases_the_account_first_leaves_nothing_to_do(
        self, house: House, kim: str
    ) -> None:
        deliver(raw("REMOVE"))
        account = wiring.account_store().account(kim)
        assert account
        rights.erasure().estate.clear(account)
        assert waiting(house) == []
        assert sweep()["failed"] == 0

    def test_what_is_left_of_an_account_that_is_gone_goes_too(self, house: House, kim: str) -> None:
        deliver(raw("REMOVE"))
        wiring.vault().erase("sub_kim")
        house.tables.accounts.apply(house.tables.accounts.delete(f"ACCOUNT#{kim}", "ACCOUNT"))
        sweep()
        assert waiting(house) == []

    def test_one_that_fails_keeps_no_other_and_the_run_says_so(
        self, house: House, kim: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from chalicelib.rights.sweep import SweepIncomplete

        house.crowd.join("lee", 4, chosen={**YES, Purpose.SURVEYS: True})
        deliver(raw("REMOVE"), "in/a")
        deliver(raw("REMOVE", "Lee <lee@example.com>"), "in/b")
        append = Ledger.after

        def fails(ledger: Ledger, head: object, subject: str, *rest: object) -> object:
            if subject == "sub_kim":
                raise RuntimeError("no")
            return append(ledger, head, subject, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(Ledger, "after", fails)
        with pytest.raises(SweepIncomplete):
            sweep()
        monkeypatch.undo()
        assert [row["pk"] for row in waiting(house)] == [f"NOTICES#{kim}"]
        assert granted("sub_lee") == OF_OFFERS
