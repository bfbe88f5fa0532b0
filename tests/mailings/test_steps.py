"""From draft to sent: who may take which step, that two people do, and what the ledger says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR
from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.mailings.rules import OwnMailing, State, TextRefused, WrongState
from chalicelib.mailings.texts import Kind
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.rules import verify
from chalicelib.staff.rules import Role
from tests.conftest import FakeClock
from tests.interleaving import Turns
from tests.mailings.conftest import APPROVER, AUTHOR
from tests.mailings.test_rules import GOOD, content
from tests.staff.conftest import signed_in

if TYPE_CHECKING:
    from tests.browser import Browser
    from tests.mailings.conftest import House

FORM = {
    "kind": "announcement", "text": "maintenance",
    **{name: GOOD[name] for name in ("day", "begins", "ends", "what")},
}  # fmt: skip
NEW = "/staff/mailings/new?kind=announcement&text=maintenance"


def state(mailing: str) -> State:
    return wiring.mailings().mailing(mailing).state


@pytest.mark.promise("PS-63")
class TestTwoPeople:
    def test_the_author_cannot_approve(self, house: House) -> None:
        mailing = house.draft(Kind.ANNOUNCEMENT)
        wiring.mailings().submit(AUTHOR, mailing)
        seen = wiring.mailings().mailing(mailing).content.sha256
        with pytest.raises(OwnMailing):
            wiring.mailings().approve(AUTHOR, mailing, seen)
        assert state(mailing) is State.SUBMITTED

    def test_the_table_refuses_the_author_too(self, house: House) -> None:
        from chalicelib.storage.dynamo import ConditionFailed

        mailing = house.draft(Kind.ANNOUNCEMENT)
        wiring.mailings().submit(AUTHOR, mailing)
        found = wiring.mailings().mailing(mailing)
        store = wiring.mailings().store
        with pytest.raises(ConditionFailed):
            store.table.apply(store.approve(mailing, found.content.sha256, AUTHOR))

    def test_what_was_looked_at_is_approved_and_nothing_else(self, house: House) -> None:
        mailing = house.draft(Kind.ANNOUNCEMENT)
        wiring.mailings().submit(AUTHOR, mailing)
        with pytest.raises(WrongState):
            wiring.mailings().approve(APPROVER, mailing, "0" * 64)

    def test_a_draft_cannot_be_approved_nor_an_unapproved_one_sent(self, house: House) -> None:
        mailing = house.draft(Kind.ANNOUNCEMENT)
        seen = wiring.mailings().mailing(mailing).content.sha256
        with pytest.raises(WrongState):
            wiring.mailings().approve(APPROVER, mailing, seen)
        with pytest.raises(WrongState):
            wiring.mailings().schedule(AUTHOR, mailing, house.clock.now)
        wiring.mailings().submit(AUTHOR, mailing)
        with pytest.raises(WrongState):
            wiring.mailings().schedule(AUTHOR, mailing, house.clock.now)

    def test_it_is_not_changed_after_it_was_submitted(self, house: House) -> None:
        mailing = house.draft(Kind.ANNOUNCEMENT)
        wiring.mailings().change(AUTHOR, mailing, content(Kind.ANNOUNCEMENT, what="A fan."))
        wiring.mailings().submit(AUTHOR, mailing)
        with pytest.raises(WrongState):
            wiring.mailings().change(AUTHOR, mailing, content(Kind.ANNOUNCEMENT, what="Other."))
        assert wiring.mailings().mailing(mailing).content.fields["what"] == "A fan."

    def test_promotion_is_refused_before_anything_is_stored(self, house: House) -> None:
        with pytest.raises(TextRefused):
            house.draft(Kind.ANNOUNCEMENT, content(Kind.ANNOUNCEMENT, what="20% off!"))
        assert house.tables.items("accounts") == []

    def test_only_the_author_changes_and_submits(self, house: House) -> None:
        mailing = house.draft(Kind.ANNOUNCEMENT)
        with pytest.raises(WrongState):
            wiring.mailings().submit(APPROVER, mailing)
        with pytest.raises(WrongState):
            wiring.mailings().change(APPROVER, mailing, content(Kind.ANNOUNCEMENT))

    @pytest.mark.usefixtures("both_engines")
    @pytest.mark.parametrize("seed", range(4))
    def test_a_change_and_a_submission_at_once_never_mix(self, house: House, seed: int) -> None:
        mailing, other = house.draft(Kind.ANNOUNCEMENT), content(Kind.ANNOUNCEMENT, what="A fan.")
        turns, real = Turns(seed), wiring.database().client
        wiring.database().client = turns.client(real)
        service = wiring.mailings()
        turns.run(
            lambda: service.change(AUTHOR, mailing, other), lambda: service.submit(AUTHOR, mailing)
        )
        wiring.database().client = real
        found = service.mailing(mailing)
        if found.state is State.SUBMITTED:
            assert found.sha256 == found.content.sha256

    @pytest.mark.usefixtures("both_engines")
    @pytest.mark.parametrize("seed", range(4))
    def test_an_approval_and_a_refusal_at_once_are_one_of_them(
        self, house: House, seed: int
    ) -> None:
        mailing = house.draft(Kind.ANNOUNCEMENT)
        wiring.mailings().submit(AUTHOR, mailing)
        service = wiring.mailings()
        seen = service.mailing(mailing).content.sha256
        turns, real = Turns(seed), wiring.database().client
        wiring.database().client = turns.client(real)
        results = turns.run(
            lambda: service.approve(APPROVER, mailing, seen),
            lambda: service.refuse("stf_third", mailing, "Unclear."),
        )
        wiring.database().client = real
        found = service.mailing(mailing)
        failed = [r for r in results if r is not None]
        assert all(isinstance(r, WrongState) for r in failed)
        assert found.state in {State.APPROVED, State.REFUSED}
        assert (found.approved is None) or found.approved == seen


class TestTheLedger:
    def test_every_step_is_on_the_chain_of_whoever_took_it(self, house: House) -> None:
        mailing = house.approved(Kind.ANNOUNCEMENT)
        wiring.mailings().schedule(AUTHOR, mailing, house.clock.now)
        wiring.mailings().cancel(AUTHOR, mailing)
        ledger = Ledger(house.tables.accounts)
        told = {
            who: [str(row.entry.reason) for row in ledger.rows(who)] for who in (AUTHOR, APPROVER)
        }
        assert told == {
            AUTHOR: [f"mailing:{s}:{mailing}" for s in ("draft", "submit", "schedule", "cancel")],
            APPROVER: [f"mailing:approve:{mailing}"],
        }
        assert verify(ledger.rows(AUTHOR))

    def test_a_form_sent_twice_is_one_draft(self, house: House) -> None:
        what = content(Kind.OFFER)
        first = wiring.mailings().draft(AUTHOR, "one form", what)
        house.clock.advance(HOUR)
        assert wiring.mailings().draft(AUTHOR, "one form", what) == first
        assert len(wiring.mailings().search("", "", None, 10)[0]) == 1


class TestScreens:
    @pytest.mark.promise("PS-66")
    def test_an_approved_text_shows_from_its_first_instant_to_its_last(self, house: House) -> None:
        mailing, now = house.approved(Kind.SCREEN), house.clock.now
        wiring.mailings().schedule(AUTHOR, mailing, now + HOUR, now + DAY)
        at = {
            name: [text.title for text in wiring.mailings().screens("app_1", instant)]
            for name, instant in {
                "before": now + HOUR - 1, "first": now + HOUR, "last": now + DAY - 1,
                "after": now + DAY,
            }.items()
        }  # fmt: skip
        title = "Halyard: maintenance on 31 March 2027"
        assert at == {"before": [], "first": [title], "last": [title], "after": []}
        assert wiring.mailings().screens("app_2", now + HOUR) == []

    @pytest.mark.parametrize("act", ["cancel", "refuse"])
    def test_one_that_is_called_off_shows_no_more(self, house: House, act: str) -> None:
        mailing, now = house.approved(Kind.SCREEN), house.clock.now
        wiring.mailings().schedule(AUTHOR, mailing, now, now + DAY)
        house.stop(act, mailing)
        assert wiring.mailings().screens("app_1", now) == []

    @pytest.mark.promise("PS-66")
    def test_a_text_that_is_not_the_approved_one_does_not_show(self, house: House) -> None:
        mailing, now = house.approved(Kind.SCREEN), house.clock.now
        wiring.mailings().schedule(AUTHOR, mailing, now, now + DAY)
        table = house.tables.accounts
        table.apply(
            table.update(
                "SCREENS#app_1", mailing, "SET content.#f.what = :new", {":new": "Buy it."},
                condition="attribute_exists(pk)", names={"#f": "fields"},
            )
        )  # fmt: skip
        assert wiring.mailings().screens("app_1", now) == []

    @pytest.mark.parametrize("until", [None, 0, 91 * DAY])
    def test_it_has_an_end_within_ninety_days(self, house: House, until: int | None) -> None:
        mailing, now = house.approved(Kind.SCREEN), house.clock.now
        end = None if until is None else now + until
        with pytest.raises(InvalidInput):
            wiring.mailings().schedule(AUTHOR, mailing, now, end)


class TestPages:
    def write(self, browser: Browser, **changed: str) -> str:
        """A draft made on the page; its path."""
        once = "A" * 42 + str(len(changed))
        answer = browser.post("/staff/mailings", {**FORM, "once": once, **changed}, page=NEW)
        assert answer.status == 303, answer.words
        path, _, done = answer.location.partition("?")
        assert done == "done=saved"
        return path

    def test_empty_is_now_on_a_clock_that_goes_on(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mailing, service = house.approved(Kind.SCREEN), signed_in("simon", Role.SERVICE)
        path = f"/staff/mailings/{mailing}"

        def ticking(clock: FakeClock) -> int:
            clock.advance(1)
            return clock.now

        monkeypatch.setattr(FakeClock, "__call__", ticking)
        ends = {"at": "", "until": "2026-12-24 12:00"}
        answer = service.post(f"{path}/schedule", ends, page=path)
        assert answer.location == f"{path}?done=scheduled"
        assert state(mailing) is State.SCHEDULED

    def test_two_people_bring_a_mailing_to_its_readers(self, house: House) -> None:
        house.join("kim", yes=False)
        service = signed_in("anna.service", Role.SERVICE)
        privacy = signed_in("ben.privacy", Role.PRIVACY)
        path = self.write(service)
        assert "Cetrus will not answer on 31 March 2027" in service.get(path).words
        assert service.post(f"{path}/submit", {}, page=path).location == f"{path}?done=submitted"
        page = privacy.get(path)
        seen = page.text.partition('name="seen" value="')[2].partition('"')[0]
        answer = privacy.post(f"{path}/approve", {"seen": seen}, page=path)
        assert answer.location == f"{path}?done=approved"
        answer = service.post(f"{path}/send", {"people": "uncounted"}, page=path)
        assert answer.location == f"{path}?done=sent"
        wiring.mailing_planner().run()
        house.hand_over()
        assert [str(mail["To"]) for mail in house.handed] == ["kim@example.com"]
        assert "Sent 1" in service.get(path).words

    def test_who_has_something_to_do_is_told_on_the_first_page(self, house: House) -> None:
        service = signed_in("anna.service", Role.SERVICE)
        privacy = signed_in("ben.privacy", Role.PRIVACY)
        both = signed_in("cleo.both", Role.SERVICE, Role.PRIVACY)
        path = self.write(both)
        both.post(f"{path}/submit", {}, page=path)
        told = {who: "1 waits for you" in each.get("/staff").words for who, each in
                {"service": service, "privacy": privacy, "both": both}.items()}  # fmt: skip
        assert told == {"service": False, "privacy": True, "both": False}
        seen = wiring.mailings().mailing(path.rpartition("/")[2]).content.sha256
        privacy.post(f"{path}/approve", {"seen": seen}, page=path)
        assert "1 waits for you" in service.get("/staff").words
        assert "waits for you" not in privacy.get("/staff").words
        assert "Written by you" in both.get(path).words
        assert "Approved by another member of staff" in both.get(path).words
        assert "stf_" not in service.get(path).words

    def test_what_goes_out_is_stopped_by_a_button_of_that_word(self, house: House) -> None:
        house.join("kim")
        mailing = house.scheduled(Kind.OFFER)
        path = f"/staff/mailings/{mailing}"
        both = signed_in("cleo.both", Role.SERVICE, Role.PRIVACY)
        assert "Cancel it" in both.get(path).text
        wiring.mailing_planner().run()
        page = both.get(path)
        assert "Stop holds back" in page.words
        assert page.text.count(">Stop</button>") == 1
        assert "an order that was paid" in page.words
        answer = both.post(f"{path}/refuse", {"why": "Wrong day."}, page=path)
        assert answer.location == f"{path}?done=refused"
        assert state(mailing) is State.REFUSED

    def test_promotion_is_told_in_place_and_what_was_typed_is_kept(self, house: House) -> None:
        service = signed_in("anna.service", Role.SERVICE)
        form = {**FORM, "once": "B" * 43, "what": "All of it is 20% off."}
        answer = service.post("/staff/mailings", form, page=NEW)
        assert answer.status == 422
        assert "only offers may" in answer.words
        assert "20% off." in answer.text

    @pytest.mark.promise("PS-36")
    def test_a_form_that_chooses_people_by_anything_is_refused(self, house: House) -> None:
        service = signed_in("anna.service", Role.SERVICE)
        form = {**FORM, "once": "C" * 43, "audience": "usage>10h"}
        answer = service.post("/staff/mailings", form, page=NEW)
        assert answer.status == 422
        assert "audience: This form has no such field." in answer.words
        assert not [i for i in house.tables.items("accounts") if i["type"] == "mailing"]

    def test_an_author_with_both_roles_is_not_offered_to_approve(self, house: House) -> None:
        both = signed_in("cleo.both", Role.SERVICE, Role.PRIVACY)
        path = self.write(both)
        both.post(f"{path}/submit", {}, page=path)
        assert "/approve" not in both.get(path).text
        seen = wiring.mailings().mailing(path.rpartition("/")[2]).content.sha256
        answer = both.post(f"{path}/approve", {"seen": seen}, page=path)
        assert (answer.status, "somebody else has to approve" in answer.words) == (409, True)

    @pytest.mark.parametrize(
        ("role", "step"),
        [
            (Role.SERVICE, "approve"), (Role.SERVICE, "refuse"), (Role.PRIVACY, "submit"),
            (Role.PRIVACY, "send"),
            (Role.PRIVACY, "schedule"), (Role.OPERATOR, "approve"), (Role.BILLING, "cancel"),
        ],
    )  # fmt: skip
    def test_a_step_needs_its_role(self, house: House, role: Role, step: str) -> None:
        mailing = house.draft(Kind.ANNOUNCEMENT)
        browser = signed_in("dan.other", role)
        path = f"/staff/mailings/{mailing}"
        browser.get(path)
        answer = browser.post_raw(f"{path}/{step}", b"csrf=x")
        assert answer.status == 403
        assert state(mailing) is State.DRAFT

    def test_the_list_is_searched_and_paged(self, house: House) -> None:
        for number in range(22):
            house.draft(Kind.OFFER, content(Kind.OFFER, headline=f"Number {number:02d}"))
            house.clock.advance(1)
        service = signed_in("anna.service", Role.SERVICE)
        first = service.get("/staff/mailings")
        assert "Number 21" in first.words
        assert "Number 01" not in first.words
        older = first.text.partition("/staff/mailings?cursor=")[2].partition('"')[0]
        assert "Number 01" in service.get(f"/staff/mailings?cursor={older}").words
        assert "Number 07" in service.get("/staff/mailings?q=number+07").words
        assert "No mailing here fits" in service.get("/staff/mailings?q=nothing").words
        assert "No mailing here fits" in service.get("/staff/mailings?state=sent").words
        assert service.get("/staff/mailings?state=unheard").status == 404

    def test_a_draft_is_changed_on_its_page(self, house: House) -> None:
        service = signed_in("anna.service", Role.SERVICE)
        path = self.write(service)
        assert 'value="2027-03-31"' in service.get(f"{path}/text").text
        form = {**FORM, "day": "2027-04-01"}
        assert service.post(f"{path}/text", form).location == f"{path}?done=saved"
        assert "1 April 2027" in service.get(path).words

    def test_a_mailing_of_nobody_is_not_found(self, house: House) -> None:
        service = signed_in("anna.service", Role.SERVICE)
        assert service.get("/staff/mailings/mlg_none").status == 404
        with pytest.raises(NotFound):
            wiring.mailings().mailing("mlg_none")
