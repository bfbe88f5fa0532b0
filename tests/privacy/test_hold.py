"""Keys on hold: a deactivated account's data opens for no purpose, and all of it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.ids import new_id
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, verify
from chalicelib.storage.dynamo import ConditionFailed
from tests.crash import at_every_call
from tests.privacy.test_vault import PROFILE, fields_of

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

FORM = "page:/account/privacy/deactivate"
YES = {Purpose.MARKETING: True, Purpose.PARTNER_MAIL: False}


def collected() -> str:
    subject = new_id("sub")
    writes = wiring.vault().collect(subject, PROFILE, wiring.now(), "register", YES)
    wiring.database().transact(*writes)
    return subject


def hold(subject: str) -> None:
    wiring.vault().commit(lambda: wiring.vault().hold(subject, FORM))


def release(subject: str) -> None:
    wiring.vault().commit(lambda: wiring.vault().release(subject, FORM))


def events(subject: str) -> list[Event]:
    return [row.entry.event for row in wiring.vault().ledger.rows(subject)]


@pytest.fixture
def subject(tables: Tables, clock: FakeClock) -> str:
    return collected()


@pytest.mark.promise("PS-73")
class TestHold:
    def test_nothing_opens_while_keys_are_on_hold(self, subject: str) -> None:
        hold(subject)
        for purpose in Purpose:
            with pytest.raises(PurposeDenied):
                wiring.vault().open(subject, purpose, "test")
        assert wiring.vault().granted(subject) == {}

    def test_what_was_held_opens_again_as_it_was(self, subject: str, tables: Tables) -> None:
        before = sorted(tables.items("keys"), key=lambda item: item["sk"])
        hold(subject)
        release(subject)
        assert sorted(tables.items("keys"), key=lambda item: item["sk"]) == before
        assert fields_of(subject, Purpose.ACCOUNT)["name"] == "Kim Canary"
        assert fields_of(subject, Purpose.MARKETING) == {"email": "canary@example.com"}

    def test_the_ledger_tells_of_every_key_that_went_and_came(self, subject: str) -> None:
        kinds = len(wiring.vault().granted(subject))
        hold(subject)
        release(subject)
        assert events(subject).count(Event.DEACTIVATED) == kinds
        assert events(subject).count(Event.REACTIVATED) == kinds
        assert verify(wiring.vault().ledger.rows(subject))

    def test_twice_is_once(self, subject: str, tables: Tables) -> None:
        for act in (hold, release):
            act(subject)
            before = tables.dump()
            act(subject)
            assert tables.dump() == before

    @pytest.mark.promise("PS-83")
    def test_nothing_is_granted_or_noted_anew_while_keys_are_on_hold(self, subject: str) -> None:
        vault = wiring.vault()
        hold(subject)
        for build in (
            lambda: vault.grant(subject, Purpose.PARTNER_MAIL, PROFILE, "page:/x"),
            lambda: vault.note(subject, Purpose.COMPUTERS, "computer_label:a", "Den", "page:/x"),
        ):
            with pytest.raises(ConditionFailed):
                vault.commit(build)
        assert vault.granted(subject) == {}

    @pytest.mark.promise("PS-83")
    def test_nothing_is_granted_after_an_erasure(self, subject: str) -> None:
        vault = wiring.vault()
        vault.erase(subject)
        with pytest.raises(ConditionFailed):
            vault.commit(lambda: vault.grant(subject, Purpose.PARTNER_MAIL, PROFILE, "page:/x"))
        assert vault.granted(subject) == {}

    def test_a_choice_made_while_keys_are_being_held_is_held_too(
        self, subject: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look at the keys and the move, another request grants one more."""
        vault, read = wiring.vault(), wiring.vault().store.grants

        def grants_then_somebody_grants(of: str) -> object:
            monkeypatch.undo()
            found = read(of)
            vault.commit(lambda: vault.grant(of, Purpose.PARTNER_MAIL, PROFILE, "page:/x"))
            return found

        monkeypatch.setattr(vault.store, "grants", grants_then_somebody_grants)
        vault.commit(lambda: vault.hold(subject, FORM))
        assert vault.granted(subject) == {}
        release(subject)
        assert Purpose.PARTNER_MAIL in vault.granted(subject)

    @pytest.mark.promise("PS-70")
    def test_what_is_on_hold_can_be_erased(self, subject: str, tables: Tables) -> None:
        kinds = len(wiring.vault().granted(subject))
        hold(subject)
        wiring.vault().erase(subject)
        assert tables.items("keys") == []
        assert events(subject).count(Event.ERASED) == kinds
        release(subject)
        assert tables.items("keys") == []

    @pytest.mark.guarantee("G12")
    def test_a_death_at_any_call_leaves_keys_in_one_place(self, tables: Tables) -> None:
        def judge(subject: str) -> None:
            held, standing = wiring.vault().store.held(subject), wiring.vault().granted(subject)
            assert bool(held) != bool(standing)
            hold(subject)
            release(subject)
            assert fields_of(subject, Purpose.ACCOUNT)["login"] == "canary"

        assert at_every_call(collected, hold, judge) > 4
