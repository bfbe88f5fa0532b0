"""Names of computers: sealed under a purpose of their own, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts import labels
from chalicelib.accounts.labels import TooManyLabels
from chalicelib.accounts.rules import AccountGone
from chalicelib.privacy import policies, rules
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied
from tests.crash import at_every_call
from tests.identity.conftest import Desk, desk, offer
from tests.interleaving import Between

if TYPE_CHECKING:
    from tests.conftest import Tables

__all__ = ["desk", "offer"]  # fixtures of another folder
HERE = "page:/account/computers"


def named(desk: Desk) -> dict[str, str]:
    return wiring.labels().of(desk.account, HERE)


def name(desk: Desk, computer: str, label: str) -> None:
    wiring.labels().name(desk.account, computer, label)


def rows(desk: Desk) -> list[tuple[Event, Purpose | None, str | None]]:
    subject = wiring.accounts().subject_of(desk.account)
    found = wiring.vault().ledger.rows(subject)
    return [(r.entry.event, r.entry.purpose, r.entry.policy) for r in found]


class TestNaming:
    @pytest.mark.promise("PS-46")
    def test_gives_changes_and_takes_away(self, desk: Desk) -> None:
        assert named(desk) == {}
        name(desk, "cmp-one", "Studio")
        name(desk, "cmp-two", "Büro: links, =1+1")
        assert named(desk) == {"cmp-one": "Studio", "cmp-two": "Büro: links, =1+1"}
        name(desk, "cmp-one", "Attic")
        name(desk, "cmp-two", "")
        name(desk, "cmp-three", "")
        assert named(desk) == {"cmp-one": "Attic"}

    @pytest.mark.guarantee("G8")
    @pytest.mark.promise("PS-36")
    def test_leaves_no_name_in_clear_anywhere(self, desk: Desk, tables: Tables) -> None:
        name(desk, "cmp-one", "Canary of Mora")
        assert "Canary of Mora" not in tables.dump()
        pks = {item["pk"].partition("#")[0] for item in tables.items("usage")}
        assert "SUBJECT" not in pks

    @pytest.mark.promise("PS-74")
    def test_is_granted_by_the_first_name_alone_under_the_version_that_names_it(
        self, desk: Desk
    ) -> None:
        subject = wiring.accounts().subject_of(desk.account)
        with pytest.raises(PurposeDenied):
            wiring.vault().open(subject, Purpose.COMPUTERS, HERE)
        assert {grant.purpose for grant in wiring.vault().store.grants(subject)} == {
            Purpose.ACCOUNT, Purpose.BILLING, Purpose.POLICY_NOTICE,
        }  # fmt: skip
        before = len(rows(desk))
        name(desk, "cmp-one", "Studio")
        name(desk, "cmp-one", "Attic")
        named(desk)
        second = rules.read_policy(2, policies.VERSIONS[2]).id
        assert rows(desk)[before:] == [
            (Event.COLLECTED, Purpose.COMPUTERS, second),
            (Event.CORRECTED, Purpose.COMPUTERS, second),
            (Event.OPENED, Purpose.COMPUTERS, second),
        ]

    def test_survives_a_correction_of_the_profile(self, desk: Desk) -> None:
        name(desk, "cmp-one", "Studio")
        wiring.accounts().correct(desk.account, {"city": "Sligo"})
        assert named(desk) == {"cmp-one": "Studio"}
        assert wiring.accounts().profile(desk.account)["city"] == "Sligo"

    @pytest.mark.guarantee("G10")
    def test_is_gone_with_the_account(self, desk: Desk) -> None:
        name(desk, "cmp-one", "Studio")
        wiring.vault().erase(wiring.accounts().subject_of(desk.account))
        assert named(desk) == {}

    def test_has_a_limit(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(labels, "MOST", 2)
        name(desk, "cmp-one", "One")
        name(desk, "cmp-two", "Two")
        with pytest.raises(TooManyLabels):
            name(desk, "cmp-three", "Three")
        name(desk, "cmp-one", "Uno")
        name(desk, "cmp-two", "")
        name(desk, "cmp-three", "Three")
        assert named(desk) == {"cmp-one": "Uno", "cmp-three": "Three"}

    def test_needs_an_active_account(self, desk: Desk, tables: Tables) -> None:
        item = tables.accounts.get(f"ACCOUNT#{desk.account}", "ACCOUNT")
        assert item
        tables.accounts.apply(tables.accounts.put(item | {"state": "unconfirmed"}))
        with pytest.raises(AccountGone):
            name(desk, "cmp-one", "Studio")
        assert named(desk) == {}


class TestAtOnce:
    @pytest.mark.parametrize("known", [True, False])
    def test_two_names_both_stay(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, *, known: bool
    ) -> None:
        if known:
            name(desk, "cmp-old", "Old")
        database = wiring.database()
        between = Between(database.client, lambda: name(desk, "cmp-two", "Two"))
        monkeypatch.setattr(database, "client", between)
        name(desk, "cmp-one", "One")
        assert named(desk) == {"cmp-one": "One", "cmp-two": "Two"} | (
            {"cmp-old": "Old"} if known else {}
        )

    @pytest.mark.guarantee("G12")
    def test_at_any_crash_the_name_is_there_or_not_and_the_ledger_holds(self, desk: Desk) -> None:
        numbers = iter(range(1_000))

        def judge(computer: str) -> None:
            name(desk, computer, "Studio")
            assert named(desk)[computer] == "Studio"
            subject = wiring.accounts().subject_of(desk.account)
            assert rules.verify(wiring.vault().ledger.rows(subject))

        tried = at_every_call(
            lambda: f"cmp-{next(numbers)}", lambda computer: name(desk, computer, "Studio"), judge
        )
        assert tried >= 8


class TestPolicies:
    def test_version_two_never_changes(self) -> None:
        """What was promised stands: an edit of it fails here first. Write a new version instead."""
        assert rules.read_policy(2, policies.VERSIONS[2]).id == "2:0d10c33586501420"

    def test_a_purpose_stays_bound_to_the_version_that_first_said_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert rules.policy_for(Purpose.ACCOUNT, 3).number == 1
        assert rules.policy_for(Purpose.COMPUTERS, 3).number == 2
        third = {
            **policies.VERSIONS[2],
            "billing": {**policies.VERSIONS[2]["billing"], "kept": "x"},
        }
        monkeypatch.setitem(policies.VERSIONS, 3, third)
        monkeypatch.setattr(policies, "IN_FORCE", 3)
        assert rules.policy_for(Purpose.ACCOUNT, 3).number == 1
        assert rules.policy_for(Purpose.BILLING, 3).number == 3
        assert rules.policy_for(Purpose.COMPUTERS, 3).number == 2

    def test_nothing_is_collected_for_a_purpose_that_is_not_in_force(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(policies, "IN_FORCE", 1)
        with pytest.raises(PurposeDenied):
            name(desk, "cmp-one", "Studio")
