"""What the page of a mailing asks before it does something, and what it says when it is done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR
from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.mailings.rules import LONGEST_REASON, CountedAnew, State, TextRefused, WrongState
from chalicelib.mailings.texts import Kind
from chalicelib.staff.rules import Role
from tests.mailings.conftest import APPROVER, AUTHOR
from tests.mailings.test_rules import content
from tests.mailings.test_steps import FORM, NEW, state
from tests.staff.conftest import signed_in

if TYPE_CHECKING:
    from tests.browser import Browser
    from tests.mailings.conftest import House

WHY = "The hour is missing in which people can work again."
STATUS = re.compile(r'<p class="notice" role="status">([^<]+)</p>')


def row(house: House, mailing: str) -> dict[str, Any]:
    found = [item for item in house.tables.items("accounts") if item["pk"] == f"MAILING#{mailing}"]
    return found[0]


def page_of(mailing: str) -> str:
    return f"/staff/mailings/{mailing}"


def submitted(house: House, kind: Kind = Kind.ANNOUNCEMENT) -> str:
    mailing = house.draft(kind)
    wiring.mailings().submit(AUTHOR, mailing)
    return mailing


def told(browser: Browser, path: str) -> list[str]:
    """What the page says with role=status."""
    return STATUS.findall(browser.get(path).text)


@pytest.fixture
def service(house: House) -> Browser:
    return signed_in("anna.service", Role.SERVICE)


@pytest.fixture
def privacy(house: House) -> Browser:
    return signed_in("ben.privacy", Role.PRIVACY)


class TestRefusing:
    def test_the_author_reads_why_and_when_and_not_by_whom(
        self, house: House, service: Browser, privacy: Browser
    ) -> None:
        mailing = submitted(house)
        path = page_of(mailing)
        answer = privacy.post(f"{path}/refuse", {"why": f"  {WHY} "}, page=path)
        assert answer.location == f"{path}?done=refused"
        words = service.get(path).words
        assert "Refused by another member of staff, 25 November 2026, 12:00 UTC ." in words
        assert f"Reason: {WHY}" in words
        assert "stf_" not in service.get(path).text
        assert "Refused by you" in privacy.get(path).words

    @pytest.mark.parametrize(
        ("why", "flaw"),
        [
            ("", "Say why"), ("  \n ", "Say why"), ("x" * (LONGEST_REASON + 1), "too long"),
            ("See <b>this</b>.", "words alone"), ("Ask kim@example.com.", "addresses out"),
        ],
    )  # fmt: skip
    def test_a_refusal_without_a_short_plain_reason_is_none(
        self, house: House, privacy: Browser, why: str, flaw: str
    ) -> None:
        mailing = submitted(house)
        answer = privacy.post(f"{page_of(mailing)}/refuse", {"why": why}, page=page_of(mailing))
        assert (answer.status, flaw in answer.words) == (422, True)
        assert "<details open>" in answer.text
        assert state(mailing) is State.SUBMITTED
        assert "why" not in row(house, mailing)

    def test_the_hint_asks_for_nothing_about_a_person(self, house: House, privacy: Browser) -> None:
        hint = privacy.get(page_of(submitted(house))).text.partition('id="why-hint">')[2]
        assert "no names, addresses or anything else about a person" in hint.partition("<")[0]

    def test_the_reason_is_kept_in_the_mailing_and_nowhere_else(self, house: House) -> None:
        mailing = submitted(house)
        wiring.mailings().refuse(APPROVER, mailing, WHY)
        holding = [i for i in house.tables.items("accounts") if WHY in repr(i)]
        assert [item["pk"] for item in holding] == [f"MAILING#{mailing}"]
        assert (holding[0]["why"], holding[0]["refuser"]) == (WHY, APPROVER)


class TestWritingItAgain:
    def test_the_form_is_filled_and_makes_a_new_mailing(
        self, house: House, service: Browser
    ) -> None:
        mailing = submitted(house)
        wiring.mailings().refuse(APPROVER, mailing, WHY)
        before = row(house, mailing)
        link = f"/staff/mailings/new?again={mailing}"
        assert f'href="{link}"' in service.get(page_of(mailing)).text
        page = service.get(link)
        assert 'value="2027-03-31"' in page.text
        assert FORM["what"] in page.words
        once = re.findall(r'name="once" value="([^"]+)"', page.text)[0]
        answer = service.post("/staff/mailings", {**FORM, "once": once}, page=link)
        new = answer.location.partition("?")[0].rpartition("/")[2]
        assert new != mailing
        assert wiring.mailings().mailing(new).state is State.DRAFT
        assert row(house, mailing) == before

    def test_one_that_is_not_over_has_no_second_draft(self, house: House, service: Browser) -> None:
        mailing = submitted(house)
        assert "again=" not in service.get(page_of(mailing)).text
        assert service.get(f"/staff/mailings/new?again={mailing}").status == 404
        assert service.get("/staff/mailings/new?again=mlg_none").status == 404
        with pytest.raises(NotFound):
            wiring.mailings().over(mailing)

    def test_who_writes_nothing_is_not_led_to_the_form(
        self, house: House, privacy: Browser
    ) -> None:
        mailing = submitted(house)
        wiring.mailings().refuse(APPROVER, mailing, WHY)
        assert "again=" not in privacy.get(page_of(mailing)).text


class TestSendingNow:
    def test_the_page_names_the_kind_the_audience_and_how_many_at_most(
        self, house: House, service: Browser
    ) -> None:
        for name in ("kim", "lee", "max"):
            house.join(name, yes=False)
        house.crowd.leave(house.join("left"))
        mailing = house.approved(Kind.OFFER)
        wiring.mailing_planner().run()
        words = service.get(page_of(mailing)).words
        assert "This offer goes to established members" in words
        assert "At most 3 people: so many had an active account on" in words
        assert "Send it now to at most 3 people" in words
        assert "cannot be called back" in words

    def test_it_goes_out_to_the_number_that_was_shown_and_no_other(
        self, house: House, service: Browser
    ) -> None:
        house.join("kim")
        mailing = house.approved(Kind.ANNOUNCEMENT)
        path = page_of(mailing)
        assert "has not been counted yet" in service.get(path).words
        wiring.mailing_planner().run()
        answer = service.post(f"{path}/send", {"people": "uncounted"}, page=path)
        assert (answer.status, "counted again" in answer.words) == (409, True)
        with pytest.raises(CountedAnew):
            wiring.mailings().send_now(AUTHOR, mailing, 2)
        assert state(mailing) is State.APPROVED
        answer = service.post(f"{path}/send", {"people": "1"}, page=path)
        assert answer.location == f"{path}?done=sent"
        wiring.mailing_planner().run()
        house.hand_over()
        assert len(house.handed) == 1

    @pytest.mark.parametrize("people", [None, "", "-1", "some", "1" * 13])
    def test_a_form_without_the_number_sends_nothing(
        self, house: House, service: Browser, people: str | None
    ) -> None:
        mailing = house.approved(Kind.ANNOUNCEMENT)
        fields = {} if people is None else {"people": people}
        path = page_of(mailing)
        assert service.post(f"{path}/send", fields, page=path).status == 422
        assert state(mailing) is State.APPROVED

    def test_an_empty_time_sends_nothing(self, house: House, service: Browser) -> None:
        mailing = house.approved(Kind.ANNOUNCEMENT)
        path = page_of(mailing)
        answer = service.post(f"{path}/schedule", {"at": ""}, page=path)
        assert (answer.status, "choose to send it now" in answer.words) == (422, True)
        assert state(mailing) is State.APPROVED

    def test_what_nobody_approved_and_what_is_no_mail_is_not_sent_now(self, house: House) -> None:
        for mailing in (submitted(house), house.approved(Kind.SCREEN)):
            before = state(mailing)
            with pytest.raises(WrongState):
                wiring.mailings().send_now(AUTHOR, mailing, None)
            assert state(mailing) is before

    def test_it_is_counted_once_and_only_while_it_waits(self, house: House) -> None:
        house.join("kim")
        mailing, screen = submitted(house), submitted(house, Kind.SCREEN)
        assert wiring.mailings().store.due(house.clock.now) == [mailing]
        wiring.mailing_planner().run()
        assert wiring.mailings().store.due(house.clock.now + DAY) == []
        assert row(house, mailing)["people"] == 1
        assert "people" not in row(house, screen)
        assert state(mailing) is State.SUBMITTED
        assert house.messages() == []

    def test_a_count_does_not_unschedule_what_was_scheduled_meanwhile(self, house: House) -> None:
        from chalicelib.mailings.rules import Count
        from chalicelib.storage.dynamo import ConditionFailed

        mailing = house.approved(Kind.ANNOUNCEMENT)
        seen = wiring.mailings().mailing(mailing)
        wiring.mailings().schedule(AUTHOR, mailing, house.clock.now + HOUR)
        with pytest.raises(ConditionFailed):
            wiring.mailings().store.counted(seen, Count(1, house.clock.now))
        assert wiring.mailings().store.due(house.clock.now + HOUR) == [mailing]


class TestWhatJustHappened:
    def test_each_step_is_told_in_one_line(
        self, house: House, service: Browser, privacy: Browser
    ) -> None:
        answer = service.post("/staff/mailings", {**FORM, "once": "A" * 43}, page=NEW)
        path = answer.location.partition("?")[0]
        said = [told(service, answer.location)]
        seen = {"seen": wiring.mailings().mailing(path.rpartition("/")[2]).content.sha256}
        time = {"at": "2027-03-30 06:30"}
        for who, step, fields in (
            (service, "submit", {}), (privacy, "approve", seen), (service, "schedule", time),
            (service, "cancel", {}),
        ):  # fmt: skip
            said.append(told(who, who.post(f"{path}/{step}", fields, page=path).location))
        first = [line.partition(".")[0] for (line,) in said]
        assert first == [
            "The draft is saved", "Submitted", "Approved", "Scheduled", "Canceled",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "words", ["approved", "sent", "canceled", "refused", "Your+password", "<b>", "saved%20x"]
    )
    def test_an_address_makes_the_page_say_nothing_that_is_not_so(
        self, house: House, service: Browser, words: str
    ) -> None:
        path = page_of(house.draft(Kind.ANNOUNCEMENT))
        assert told(service, f"{path}?done={words}") == []
        assert service.get(f"{path}?done={words}").words == service.get(path).words


class TestWhatIsOver:
    def test_a_time_that_is_past_is_refused_at_its_field(
        self, house: House, service: Browser
    ) -> None:
        mailing = house.approved(Kind.ANNOUNCEMENT)
        path = page_of(mailing)
        answer = service.post(f"{path}/schedule", {"at": "2026-11-25 11:59"}, page=path)
        assert answer.status == 422
        error = answer.text.partition('id="at-error">')[2].partition("<")[0]
        assert error == "This is past already. Choose a time to come."
        assert state(mailing) is State.APPROVED

    @pytest.mark.parametrize(
        ("day", "ends", "field"),
        [
            ("2026-11-24", "23:59", "day"),
            ("2026-11-25", "12:00", "ends"),
            ("2025-01-01", "23:00", "day"),
        ],
    )
    def test_a_maintenance_that_is_over_is_not_announced(
        self, house: House, service: Browser, day: str, ends: str, field: str
    ) -> None:
        form = {**FORM, "day": day, "begins": "06:00", "ends": ends, "once": "A" * 43}
        answer = service.post("/staff/mailings", form, page=NEW)
        assert answer.status == 422
        error = answer.text.partition(f'id="{field}-error">')[2].partition("<")[0]
        assert "over already" in error
        assert not [i for i in house.tables.items("accounts") if i["type"] == "mailing"]

    def test_one_that_ends_in_a_minute_is_still_announced(self, house: House) -> None:
        what = content(Kind.ANNOUNCEMENT, day="2026-11-25", ends="12:01")
        assert state(house.draft(Kind.ANNOUNCEMENT, what)) is State.DRAFT

    @pytest.mark.parametrize("kind", [Kind.ANNOUNCEMENT, Kind.SERVICE])
    def test_one_that_is_over_meanwhile_is_neither_submitted_changed_nor_sent(
        self, house: House, kind: Kind
    ) -> None:
        what = content(
            kind, "maintenance" if kind is Kind.ANNOUNCEMENT else "application_maintenance",
            day="2026-11-26",
        )  # fmt: skip
        service = wiring.mailings()
        draft, approved = house.draft(kind, what), house.approved(kind, what)
        with pytest.raises(InvalidInput) as late:
            service.schedule(AUTHOR, approved, house.clock.now + DAY)
        assert "over by then" in late.value.errors["at"]
        house.clock.advance(DAY)
        with pytest.raises(TextRefused):
            service.submit(AUTHOR, draft)
        with pytest.raises(TextRefused):
            service.change(AUTHOR, draft, what)
        with pytest.raises(InvalidInput):
            service.send_now(AUTHOR, approved, None)
        assert [state(draft), state(approved)] == [State.DRAFT, State.APPROVED]

    def test_a_day_of_what_went_wrong_may_be_past(self, house: House) -> None:
        what = content(Kind.ANNOUNCEMENT, "incident", day="2026-11-24")
        assert state(house.draft(Kind.ANNOUNCEMENT, what)) is State.DRAFT
