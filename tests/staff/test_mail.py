"""Mail to those who work here: to each once a fact, at an address that is sealed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied
from chalicelib.staff.rules import NobodyOfThatName, Role
from tests.staff.conftest import PASSWORD

if TYPE_CHECKING:
    from chalicelib.mail.rules import Argument
    from tests.conftest import FakeClock, Tables

NEWS: dict[str, Argument] = {
    "version": "4",
    "changes": ["To ask you how an application serves you."],
}


@pytest.fixture(autouse=True)
def everything(tables: Tables, clock: FakeClock) -> Tables:
    return tables


def hire(name: str, *roles: Role) -> str:
    """A member with an address; their id."""
    member = wiring.staff().add(name, PASSWORD, roles or [Role.SERVICE])
    wiring.staff().address(name, f"{name}@example.org")
    return member.id


def messages(tables: Tables) -> list[tuple[str, str]]:
    found = (item for item in tables.items("accounts") if item["type"] == "message")
    return sorted((item["template"], item["account"]) for item in found)


class TestAddress:
    def test_it_is_sealed_for_mail_to_staff_and_nothing_else(self, tables: Tables) -> None:
        member = hire("ada")
        assert "example.org" not in tables.dump()
        assert set(wiring.vault().granted(member)) == {Purpose.STAFF}
        rows = [row.entry for row in wiring.vault().ledger.rows(member)]
        assert [entry.event for entry in rows] == [Event.STAFF_ADDED, Event.COLLECTED]

    def test_another_takes_its_place(self) -> None:
        member = hire("ada")
        wiring.staff().address("ada", "ada.lund@example.org")
        opened = wiring.vault().open(member, Purpose.STAFF, "test")
        assert opened._fields == {"email": "ada.lund@example.org"}

    def test_nobody_of_that_name_has_none(self) -> None:
        with pytest.raises(NobodyOfThatName):
            wiring.staff().address("nobody", "ada@example.org")

    def test_it_is_erased_when_they_leave(self) -> None:
        member = hire("ada")
        wiring.staff().end("ada")
        with pytest.raises(PurposeDenied):
            wiring.vault().open(member, Purpose.STAFF, "test")
        assert not list(wiring.staff_store().written_to())


class TestTelling:
    @pytest.mark.promise("PS-54")
    def test_each_who_works_here_is_told_once_and_nobody_who_left(self, tables: Tables) -> None:
        ada, ben, _ = hire("ada"), hire("ben", Role.PRIVACY), hire("cyd")
        wiring.staff().end("cyd")
        assert wiring.staff_mail().tell("staff_policy", ("4:abc",), NEWS) == 2
        assert wiring.staff_mail().tell("staff_policy", ("4:abc",), NEWS) == 0
        assert messages(tables) == sorted([("staff_policy", ada), ("staff_policy", ben)])

    def test_who_gave_no_address_is_not_written_to(self, tables: Tables) -> None:
        wiring.staff().add("dot", PASSWORD, [Role.SERVICE])
        assert wiring.staff_mail().tell("staff_policy", ("4:abc",), NEWS) == 0
        assert messages(tables) == []

    def test_who_leaves_before_it_is_sent_gets_nothing(self) -> None:
        member = hire("ada")
        assert wiring.directory().account(member)
        wiring.staff().end("ada")
        assert wiring.directory().account(member) is None
