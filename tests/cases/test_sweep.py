"""Cases that nobody closes: those who see to privacy are alerted in time, and once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.cases import wiring as hearing
from chalicelib.cases.rules import MESSAGES_A_DAY, TERMS, Kind, State, Step
from chalicelib.cases.sweep import SweepIncomplete
from chalicelib.core.clock import DAY, HOUR
from chalicelib.staff.rules import Role
from tests.cases.conftest import (
    SENDER,
    by_form,
    deliver,
    found,
    hire,
    messages,
    raw,
    verdicts,
)
from tests.crash import at_every_call

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

STAFF_MAILS = ("case_waiting", "case_overdue")


def run() -> dict[str, int]:
    return {name: value for name, value in hearing.case_sweep().run().items() if value}


class TestDueDates:
    @pytest.mark.promise("PS-72")
    def test_a_request_about_data_is_alerted_after_twenty_days_and_due_after_thirty(self) -> None:
        assert (TERMS[Kind.DATA].alert, TERMS[Kind.DATA].due) == (20 * DAY, 30 * DAY)

    @pytest.mark.promise("PS-09")
    @pytest.mark.parametrize("kind", [Kind.CONCERN, Kind.SECURITY])
    def test_concerns_and_security_are_due_sooner(self, kind: Kind) -> None:
        assert TERMS[kind].alert < TERMS[kind].due < TERMS[Kind.DATA].due


class TestEscalation:
    @pytest.mark.promise("PS-72")
    def test_on_the_twenty_first_day_a_request_is_alerted_once(
        self, tables: Tables, clock: FakeClock, officer: str
    ) -> None:
        case = by_form(Kind.DATA)
        clock.advance(20 * DAY - 1)
        assert run() == {}
        clock.advance(1)
        assert run() == {"alerted": 1}
        assert run() == {}
        (mail,) = messages(tables, *STAFF_MAILS)
        assert (mail["template"], mail["account"]) == ("case_waiting", officer)
        assert mail["arguments"]["case"] == case.id

    @pytest.mark.promise("PS-09")
    @pytest.mark.parametrize("kind", list(Kind))
    def test_what_is_overdue_is_told_to_all_who_see_to_privacy_and_once(
        self, tables: Tables, clock: FakeClock, officer: str, kind: Kind
    ) -> None:
        others = {hire("ben", Role.PRIVACY, Role.SERVICE)}
        hire("cyd", Role.OPERATOR)
        wiring.staff().add("dot", "green door behind the mill", [Role.PRIVACY])  # no address
        case = by_form(kind)
        for _ in range(TERMS[kind].due // HOUR + 48):
            clock.advance(HOUR)
            run()
        told = [mail["account"] for mail in messages(tables, "case_overdue")]
        assert sorted(told) == sorted({officer} | others)
        assert found(case.id).state is State.ESCALATED

    @pytest.mark.promise("PS-09")
    def test_without_anybody_to_tell_it_is_tried_until_there_is_somebody(
        self, tables: Tables, clock: FakeClock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        by_form(Kind.CONCERN)
        clock.advance(TERMS[Kind.CONCERN].due)
        assert run() == {}
        officer = hire("ada", Role.PRIVACY)
        assert run() == {"escalated": 1}
        (mail,) = messages(tables, *STAFF_MAILS)
        assert mail["account"] == officer

    def test_a_closed_case_is_left_alone(
        self, tables: Tables, clock: FakeClock, officer: str
    ) -> None:
        wiring.cases().close(by_form(Kind.DATA).id)
        clock.advance(100 * DAY)
        assert run() == {}
        assert wiring.cases().listed() == []
        assert messages(tables, *STAFF_MAILS) == []

    def test_mail_to_staff_says_nothing_of_who_wrote_or_what(
        self, tables: Tables, clock: FakeClock, officer: str
    ) -> None:
        by_form(Kind.DATA)
        clock.advance(30 * DAY)
        run()
        (mail,) = messages(tables, *STAFF_MAILS)
        assert mail["arguments"].keys() == {"case", "about", "since", "due"}

    @pytest.mark.guarantee("G12")
    def test_a_death_at_any_call_is_finished_by_the_next_run(
        self, tables: Tables, clock: FakeClock, officer: str
    ) -> None:
        def prepare() -> str:
            clock.advance(HOUR)
            case = by_form(Kind.SECURITY, email=f"kim{clock.now}@example.com")
            clock.advance(TERMS[Kind.SECURITY].due)
            return case.id

        def judge(case_id: str) -> None:
            run()
            assert found(case_id).state is State.ESCALATED
            mails = [m for m in messages(tables, *STAFF_MAILS) if m["arguments"]["case"] == case_id]
            assert len(mails) == 1

        assert at_every_call(prepare, lambda _: run(), judge) > 4

    def test_one_that_fails_does_not_keep_the_others(
        self, clock: FakeClock, officer: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken, other = by_form(Kind.DATA), by_form(Kind.DATA, message="other words")
        clock.advance(30 * DAY)
        sweep, stock = hearing.case_sweep(), wiring.cases().store.case

        def case(case_id: str) -> object:
            if case_id == broken.id:
                raise ConnectionError
            return stock(case_id)

        with monkeypatch.context() as patch:
            patch.setattr(sweep.cases.store, "case", case)
            with pytest.raises(SweepIncomplete):
                sweep.run()
        assert found(other.id).state is State.ESCALATED
        assert found(broken.id).state is State.ACKNOWLEDGED


class TestAcknowledging:
    @pytest.mark.promise("PS-09")
    def test_what_the_day_s_limit_held_back_is_acknowledged_on_the_next_and_once(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        for number in range(MESSAGES_A_DAY + 1):
            mail = raw(f"Help {number}", above=verdicts())
            assert deliver(mail, f"in/{number}") == {"case": 1}
        assert len(messages(tables)) == MESSAGES_A_DAY
        assert run() == {}
        clock.advance(DAY)
        assert run() == {"acknowledged": 1}
        assert run() == {}
        assert len(messages(tables, "case_received")) == MESSAGES_A_DAY + 1

    @pytest.mark.parametrize("above", ["", verdicts(dmarc="fail")])
    def test_who_may_be_forged_is_not_written_to_on_the_days_after_and_still_seen_to(
        self, tables: Tables, clock: FakeClock, officer: str, above: str
    ) -> None:
        for number in range(3):
            assert deliver(raw("Help", above=above), f"in/{number}") == {"case": 1}
        told = len(messages(tables, "case_received"))
        for _ in range(3):
            clock.advance(DAY)
            assert run() == {}
        assert len(messages(tables, "case_received")) == told == (0 if above else 1)
        clock.advance(TERMS[Kind.SUPPORT].due - 3 * DAY)
        assert run() == {"escalated": 3}

    def test_two_at_once_acknowledge_once(self, tables: Tables, clock: FakeClock) -> None:
        case = by_form()
        waiting = replace(case, acknowledged_at=None, state=State.OPEN)
        assert not wiring.cases().acknowledge(waiting)
        assert len(messages(tables)) == 1

    def test_a_machine_s_mail_is_never_acknowledged_and_still_seen_to(
        self, tables: Tables, clock: FakeClock, officer: str
    ) -> None:
        deliver(raw("Help", above="Auto-Submitted: auto-replied\r\n"))
        clock.advance(TERMS[Kind.SUPPORT].due)
        assert run() == {"escalated": 1}
        assert messages(tables, "case_received") == []


class TestCasesOfBefore:
    def test_one_without_subject_and_of_an_old_kind_is_escalated_when_due(
        self, tables: Tables, clock: FakeClock, officer: str
    ) -> None:
        item = {
            "pk": "CASE#cas_old", "sk": "CASE", "type": "case", "v": 1, "id": "cas_old",
            "kind": "complaint", "state": "open", "object": "in/old", "created_at": clock.now,
            "due_at": clock.now + 30 * DAY, "gsi1pk": "CASES_OPEN",
            "gsi1sk": f"{clock.now + 30 * DAY:015d}",
        }  # fmt: skip
        tables.accounts.apply(tables.accounts.put(item))
        assert found("cas_old").kind is Kind.CONCERN
        assert found("cas_old").steps(clock.now) == []
        clock.advance(30 * DAY)
        assert run() == {"escalated": 1}
        assert Step.ESCALATE not in found("cas_old").steps(clock.now)
        assert SENDER not in tables.dump()
