"""Publishing a version: one transaction, for good, and said on the start page for thirty days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY
from chalicelib.privacy.publishing import NotNext
from chalicelib.privacy.rules import Event, Purpose, policy, verify
from chalicelib.staff.rules import Role
from tests.browser import Browser
from tests.crash import Calls, at_every_call, recorded
from tests.staff.conftest import signed_in

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

PAGE = "/staff/policy"
MEMBER = "stf_0000000000000000000000000"
SURVEYS = "To ask you, now and then, how an application serves you."


@pytest.fixture
def officer(tables: Tables, clock: FakeClock) -> Browser:
    return signed_in("iris.lund", Role.PRIVACY)


def rows(tables: Tables) -> dict[str, Any]:
    return {item["sk"]: item for item in tables.items("accounts") if item["pk"] == "POLICY"}


def writes(calls: Calls) -> list[str]:
    made = [action for service, action in calls.made if service == "dynamodb"]
    return [action for action in made if action not in {"GetItem", "Query"}]


class TestThePage:
    @pytest.mark.promise("PS-78")
    def test_shows_what_the_next_version_changes_before_anybody_publishes_it(
        self, officer: Browser
    ) -> None:
        words = officer.get(PAGE).words
        assert "Version 3 is in force" in words
        assert f"New: {SURVEYS}" in words
        assert "You are asked first" in words
        assert policy(4).id in words
        assert "Nothing was published" in words

    @pytest.mark.promise("PS-78")
    def test_publishes_what_was_typed_and_says_so_afterwards(
        self, officer: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        answer = officer.post(PAGE, {"version": "4"})
        assert (answer.status, answer.location) == (303, PAGE)
        words = officer.get(PAGE).words
        assert "Version 4 is in force" in words
        assert "No version is prepared" in words
        assert rows(tables)["IN_FORCE"]["number"] == 4
        assert rows(tables)["VERSION#4"]["policy"] == policy(4).id
        assert wiring.vault().in_force() == 4

    @pytest.mark.parametrize("typed", ["", "3", "5", "four", "\uff14", "-4", "4.0", "00004"])
    def test_anything_but_the_next_number_publishes_nothing(
        self, officer: Browser, tables: Tables, typed: str
    ) -> None:
        assert officer.post(PAGE, {"version": typed}).status in {409, 422}
        assert rows(tables) == {}

    def test_a_second_click_publishes_nothing_more(self, officer: Browser, tables: Tables) -> None:
        officer.post(PAGE, {"version": "4"})
        before = rows(tables)
        token = officer.token("/staff")
        answer = officer.post_raw(PAGE, f"csrf={token}&version=4".encode())
        assert answer.status == 409
        assert rows(tables) == before

    @pytest.mark.parametrize("role", [Role.OPERATOR, Role.BILLING, Role.SERVICE])
    def test_is_for_the_privacy_officer_alone(
        self, tables: Tables, clock: FakeClock, role: Role
    ) -> None:
        browser = signed_in("olav.berg", role)
        token = browser.token("/staff")
        assert browser.get(PAGE).status == 403
        assert browser.post_raw(PAGE, f"csrf={token}&version=4".encode()).status == 403
        assert Browser().get(PAGE).location.startswith("/staff/login")
        assert rows(tables) == {}


class TestTheTransaction:
    def test_is_one_and_holds_the_row_of_the_ledger_and_the_job(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        with recorded() as calls:
            wiring.publishing().publish(4, MEMBER)
        assert writes(calls) == ["TransactWriteItems"]
        assert set(rows(tables)) == {"IN_FORCE", "VERSION#4", "NOTICES#4"}
        (row,) = wiring.vault().ledger.rows(MEMBER)
        assert (row.entry.event, row.entry.policy) == (Event.PUBLISHED, policy(4).id)
        assert row.entry.reason == "page:/staff/policy"
        assert verify([row]) == row

    def test_of_two_that_publish_at_once_one_does(self, tables: Tables, clock: FakeClock) -> None:
        first, second = wiring.publishing(), wiring.publishing()
        seen = first.prepared()
        second.publish(4, MEMBER)
        assert seen
        with pytest.raises(NotNext):
            first.publish(4, "stf_1111111111111111111111111")
        assert not list(wiring.vault().ledger.rows("stf_1111111111111111111111111"))

    def test_the_condition_holds_where_the_look_before_was_too_early(
        self, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publishing = wiring.publishing()
        early = publishing.prepared()
        publishing.publish(4, MEMBER)
        before = rows(tables)
        monkeypatch.setattr(publishing, "prepared", lambda: early)
        clock.advance(DAY)
        with pytest.raises(NotNext):
            publishing.publish(4, MEMBER)
        assert rows(tables) == before

    def test_a_death_at_any_call_leaves_all_of_it_or_nothing(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        def prepare() -> None:
            for name in rows(tables):
                tables.accounts.apply(tables.accounts.delete("POLICY", name))

        def judge(_: None) -> None:
            assert len(rows(tables)) in {0, 3}
            if not rows(tables):
                wiring.publishing().publish(4, MEMBER)
            assert len(rows(tables)) == 3
            assert wiring.published().number() == 4

        at_every_call(prepare, lambda _: wiring.publishing().publish(4, MEMBER), judge)

    @pytest.mark.promise("PS-82")
    def test_who_registers_from_then_on_is_under_it_and_nobody_else(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        vault, fields = wiring.vault(), {"email": "mora@kilbride.example"}
        tables.accounts.transact(*vault.collect("sub_before", fields, clock(), "register"))
        wiring.publishing().publish(4, MEMBER)
        chosen = {Purpose.SURVEYS: True}
        tables.accounts.transact(*vault.collect("sub_after", fields, clock(), "register", chosen))
        assert Purpose.SURVEYS not in vault.granted("sub_before")
        assert vault.granted("sub_after")[Purpose.SURVEYS] == policy(4).id


@pytest.mark.promise("PS-78")
class TestTheStartPage:
    def test_says_nothing_before_anything_changed(self, tables: Tables, clock: FakeClock) -> None:
        assert "privacy policy changed" not in Browser().get("/").words

    def test_says_at_once_what_changed_for_thirty_days_and_no_more(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        wiring.publishing().publish(4, MEMBER)
        page = Browser().get("/")
        assert "Our privacy policy changed on" in page.words
        assert 'href="/privacy/v/4/changes"' in page.text
        assert f"New: {SURVEYS} It uses the address that mail is sent to." in page.words
        assert 'href="/privacy"' in page.text
        assert 'href="/account/privacy"' in page.text
        clock.advance(30 * DAY - 1)
        assert SURVEYS in Browser().get("/").words
        clock.advance(1)
        assert SURVEYS not in Browser().get("/").words

    def test_costs_one_read(self, tables: Tables, clock: FakeClock) -> None:
        wiring.publishing().publish(4, MEMBER)
        with recorded() as calls:
            Browser().get("/")
        assert calls.made == [("dynamodb", "Query")]


@pytest.mark.promise("PS-78")
def test_the_history_is_in_the_order_of_the_numbers_also_from_the_tenth_on(tables: Tables) -> None:
    for number in (10, 4, 11, 5):
        item = {
            "pk": "POLICY", "sk": f"VERSION#{number}", "type": "policy", "v": 1,
            "number": number, "policy": f"{number}:x", "at": number,
        }  # fmt: skip
        tables.accounts.apply(tables.accounts.put(item))
    assert [one.number for one in wiring.published().history()] == [4, 5, 10, 11]
