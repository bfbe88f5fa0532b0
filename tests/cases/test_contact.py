"""The contact form: anybody may write, what they wrote is sealed, and nobody can mail it on."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from chalicelib import wiring
from chalicelib.cases import wiring as hearing
from chalicelib.cases.rules import (
    KEPT,
    MESSAGES_A_DAY,
    TERMS,
    CaseClosed,
    Kind,
    State,
)
from chalicelib.core.clock import DAY
from chalicelib.mail.letters import Letterhead, compose
from chalicelib.mail.store import to_message
from chalicelib.mail.templates import TEMPLATES
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied
from chalicelib.privacy.sinks import Recipient
from chalicelib.staff.rules import Role
from tests.browser import Browser
from tests.cases.conftest import (
    FORM,
    SENDER,
    by_form,
    cases,
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

FIELDS = {"about": "data", **FORM}


class TestThePage:
    @pytest.mark.promise("PS-67")
    def test_anybody_may_write_and_is_told_until_when_an_answer_comes(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        answer = Browser().post("/contact", FIELDS)
        assert (answer.status, answer.location) == (303, "/contact?sent=data")
        page = Browser().get(answer.location)
        assert "25 December 2026" in page.words  # thirty days after 25 November
        (case,) = cases(tables)
        assert (case["kind"], case["due_at"]) == ("data", clock.now + 30 * DAY)

    @pytest.mark.promise("PS-08")
    def test_from_the_start_page_it_is_one_click_to_ask_for_a_correction(self) -> None:
        assert 'href="/contact"' in Browser().get("/").text
        assert '<option value="data"' in Browser().get("/contact").text

    @pytest.mark.promise("PS-08")
    def test_a_link_may_say_what_it_is_about(self) -> None:
        page = Browser().get("/contact?about=data")
        assert '<option value="data" selected>' in page.text
        assert "selected" not in Browser().get("/contact?about=anything").text

    @pytest.mark.parametrize(
        ("flawed", "sentence"),
        [
            ({"about": ""}, "Choose what it is about."),
            ({"about": "offer"}, "Choose what it is about."),
            ({"email": "nobody"}, "not an email address"),
            ({"message": ""}, "Write what it is about."),
            ({"message": "x" * 4001}, "at most 4000"),
            ({"message": "my card 4242 4242 4242 4242"}, "looks like a card number"),
            ({"phone": "call me"}, "not a phone number"),
            ({"name": "www.example.com"}, "Leave web addresses out"),
            ({"more": "x"}, "no such field"),
        ],
    )
    def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
        self, tables: Tables, flawed: dict[str, str], sentence: str
    ) -> None:
        answer = Browser().post("/contact", {**FIELDS, **flawed})
        assert answer.status == 422
        assert sentence in answer.words
        assert FIELDS["phone"] in answer.text or "phone" in flawed
        assert cases(tables) == []

    def test_a_form_of_another_site_is_refused(self, tables: Tables) -> None:
        assert Browser().post_raw("/contact", urlencode(FIELDS).encode()).status == 403
        assert cases(tables) == []

    def test_a_wrong_sent_shows_the_form(self) -> None:
        assert "<textarea" in Browser().get("/contact?sent=anything").text


class TestWhatIsKept:
    @pytest.mark.promise("PS-67")
    def test_the_words_are_sealed_to_be_answered_and_for_nothing_else(self, tables: Tables) -> None:
        case = by_form()
        dump = tables.dump()
        assert not [value for value in FORM.values() if value in dump]
        assert case.subject
        assert set(wiring.vault().granted(case.subject)) == {Purpose.SUPPORT}

    @pytest.mark.promise("PS-67")
    def test_they_are_read_while_the_case_is_open_and_the_ledger_says_so(self) -> None:
        case = by_form()
        assert wiring.cases().read(case.id)[1] == FORM
        assert case.subject
        rows = [row.entry for row in wiring.vault().ledger.rows(case.subject)]
        assert [row.event for row in rows] == [Event.COLLECTED, Event.OPENED]
        wiring.cases().close(case.id)
        with pytest.raises(CaseClosed):
            wiring.cases().read(case.id)

    def test_they_are_erased_ninety_days_after_the_case_is_closed(self, clock: FakeClock) -> None:
        case = by_form()
        clock.advance(400 * DAY)
        assert wiring.cleanup().run(lambda: 100_000)["guests"] == 0
        assert wiring.cases().close(case.id).state is State.CLOSED
        clock.advance(KEPT - 1)
        assert wiring.cleanup().run(lambda: 100_000)["guests"] == 0
        clock.advance(1)
        assert wiring.cleanup().run(lambda: 100_000)["guests"] == 1
        assert case.subject
        with pytest.raises(PurposeDenied):
            wiring.vault().open(case.subject, Purpose.SUPPORT, "test")
        assert found(case.id).state is State.CLOSED

    def test_closing_again_is_harmless(self, clock: FakeClock) -> None:
        case = by_form()
        first = wiring.cases().close(case.id)
        clock.advance(DAY)
        assert wiring.cases().close(case.id) == first


class TestTheAcknowledgment:
    @pytest.mark.promise("PS-56")
    @pytest.mark.parametrize("kind", list(Kind))
    def test_it_is_written_with_the_case_and_says_until_when(
        self, tables: Tables, clock: FakeClock, kind: Kind
    ) -> None:
        case = by_form(kind)
        (message,) = messages(tables)
        assert (message["template"], message["account"]) == ("case_received", case.subject)
        assert (case.state, case.acknowledged_at) == (State.ACKNOWLEDGED, clock.now)
        assert case.due_at == clock.now + TERMS[kind].due

    def test_it_quotes_nothing_so_that_nobody_has_us_mail_a_stranger(self, tables: Tables) -> None:
        by_form()
        (row,) = messages(tables)
        message = to_message(row)
        to = Recipient(SENDER, FORM["name"], "", "")
        head = Letterhead("Cetrus <support@cetrus.test>", "cetrus.test", "https://cetrus.test")
        mail = compose(head, message, TEMPLATES["case_received"], to, "").raw.decode()
        assert "Kim" not in mail
        assert FORM["message"] not in mail
        assert FORM["phone"] not in mail

    def test_the_same_words_again_are_the_same_case(self, tables: Tables, clock: FakeClock) -> None:
        first = by_form()
        assert by_form().id == first.id
        assert len(cases(tables)) == len(messages(tables)) == 1
        clock.advance(DAY)
        assert by_form().id != first.id

    def test_a_mailbox_is_not_filled_by_strangers(self, tables: Tables) -> None:
        for number in range(20):
            by_form(message=f"number {number}")
        assert len(messages(tables)) < 10

    def test_the_other_names_of_a_mailbox_count_as_one(self, tables: Tables) -> None:
        for number in range(20):
            by_form(email=f"victim+{number}@example.org")
        assert len(messages(tables)) == MESSAGES_A_DAY
        assert len(cases(tables)) == 20
        for address in ("+1@example.org", "+2@example.org", "victim@example.net"):
            by_form(email=address)
        assert len(messages(tables)) == MESSAGES_A_DAY + 3

    @pytest.mark.parametrize("above", ["", verdicts()])
    def test_mail_in_somebody_s_name_uses_up_nothing_of_the_form_s(
        self, tables: Tables, above: str
    ) -> None:
        for number in range(MESSAGES_A_DAY):
            deliver(raw("Help", above=above), f"in/{number}")
        before = len(messages(tables))
        for number in range(MESSAGES_A_DAY):
            by_form(message=f"number {number}")
        assert len(messages(tables)) - before == MESSAGES_A_DAY

    def test_one_address_is_written_to_five_times_a_day(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        for number in range(MESSAGES_A_DAY + 1):
            by_form(message=f"number {number}", email=SENDER.upper() if number % 2 else SENDER)
        assert len(messages(tables)) == MESSAGES_A_DAY
        by_form(message="one more", email="other@example.com")
        assert len(messages(tables)) == MESSAGES_A_DAY + 1
        clock.advance(DAY)
        by_form(message="one more")
        assert len(messages(tables)) == MESSAGES_A_DAY + 2

    @pytest.mark.promise("PS-67")
    def test_whoever_sends_the_form_cannot_tell_how_often_others_did(self, tables: Tables) -> None:
        answers = [
            Browser().post("/contact", {**FIELDS, "message": f"number {number}"})
            for number in range(MESSAGES_A_DAY + 2)
        ]
        assert {(answer.status, answer.location) for answer in answers} == {
            (303, "/contact?sent=data")
        }
        assert len(cases(tables)) == MESSAGES_A_DAY + 2

    @pytest.mark.promise("PS-67")
    def test_what_comes_above_the_count_is_read_and_seen_to_and_never_acknowledged(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        for number in range(MESSAGES_A_DAY):
            by_form(message=f"number {number}")
        more = by_form(message="one more")
        assert by_form(message="one more").id == more.id
        assert (more.state, more.acknowledged_at) == (State.OPEN, None)
        assert wiring.cases().read(more.id)[1] == {**FORM, "message": "one more"}
        clock.advance(DAY)
        assert hearing.case_sweep().run()["acknowledged"] == 0
        assert len(messages(tables)) == MESSAGES_A_DAY
        hire("ada", Role.PRIVACY)
        clock.advance(TERMS[more.kind].due - DAY)
        hearing.case_sweep().run()
        assert found(more.id).state is State.ESCALATED

    @pytest.mark.guarantee("G12")
    def test_a_death_at_any_call_and_the_form_sent_again_make_one_case_and_one_mail(
        self, tables: Tables
    ) -> None:
        numbers = count(1)
        wiring.keyed()  # its key is read once a process

        def judge(address: str) -> None:
            before = len(cases(tables)), len(messages(tables))
            assert before[0] == before[1]
            by_form(email=address)
            assert len(cases(tables)) == len(messages(tables)) == next(judged)

        judged = count(2)  # the first is the one that nobody killed
        tried = at_every_call(
            lambda: f"kim{next(numbers)}@example.com", lambda to: by_form(email=to), judge
        )
        assert tried > 6
