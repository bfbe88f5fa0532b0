"""The launch screen: the license's own terms and approved texts of the application, always."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core import signing
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.licenses.screens import STALENESS, Texts
from chalicelib.mailings.rules import Content, OwnMailing, TextRefused
from chalicelib.mailings.texts import KINDS, TEXTS, Kind
from tests.crash import recorded
from tests.program import claims_of

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables
    from tests.identity.conftest import Desk
    from tests.program import Program

AUTHOR, SECOND = "stf_author", "stf_second"
WHAT = "Drawings are kept in a second place from then on."
NUMBERS = itertools.count()


@pytest.fixture
def program(desk: Desk) -> Program:
    desk.license()
    return desk.program()


def launched(program: Program) -> Any:
    return program.launch(f"launch-{next(NUMBERS)}")


def content(application: str, name: str = "Orchard", **fields: str) -> Content:
    filled = {"day": "2027-03-31", "what": WHAT, **fields}
    return Content(Kind.SCREEN, "application_change", filled, application, name)


def agreed(application: str, clock: FakeClock, **fields: str) -> str:
    """A text that one person wrote, another approved, and that shows for a day from an hour on."""
    mailings = wiring.mailings()
    found = mailings.draft(AUTHOR, f"once-{next(NUMBERS)}", content(application, **fields))
    mailings.submit(AUTHOR, found)
    seen = mailings.mailing(found).sha256
    assert seen
    mailings.approve(SECOND, found, seen)
    at = clock() + HOUR
    mailings.schedule(AUTHOR, found, at, at + DAY)
    return found


@pytest.mark.promise("PS-64")
class TestTheScreen:
    def test_carries_the_approved_text_of_its_application_from_its_hour_to_its_end(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        agreed(desk.application.id, clock)
        assert WHAT not in launched(program)["screen"]["body"]
        clock.advance(HOUR)
        program = desk.program()
        body = launched(program)["screen"]["body"]
        assert "0.37 USD an hour" in body
        assert "Orchard changes on 31 March 2027. From 31 March 2027 on, this" in body
        assert WHAT in body
        clock.advance(DAY)
        assert WHAT not in launched(desk.program())["screen"]["body"]

    def test_carries_no_text_of_another_application(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        agreed("app_other", clock)
        agreed(desk.application.id, clock, what="Brushes keep their names.")
        clock.advance(HOUR)
        texts = wiring.licenses().launching.texts
        assert WHAT in texts.of("app_other")[0]
        body = launched(desk.program())["screen"]["body"]
        assert "Brushes keep their names." in body
        assert WHAT not in body
        assert texts.of("app_third") == ()

    def test_and_the_lease_name_each_other(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        agreed(desk.application.id, clock)
        clock.advance(HOUR)
        answer = launched(desk.program())
        parts = {name: answer["screen"][name] for name in ("id", "title", "body")}
        digest = hashlib.sha256(signing.canonical(parts)).hexdigest()
        assert digest == answer["screen"]["sha256"] == claims_of(answer["lease"])["screen"]

    def test_of_a_launch_stays_what_it_was_signed_for_when_a_text_begins(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        agreed(desk.application.id, clock)
        clock.advance(HOUR - MINUTE)
        program = desk.program()
        first = program.launch("launch-kept")
        clock.advance(2 * MINUTE)
        assert program.launch("launch-kept").body == first.body
        assert WHAT in launched(program)["screen"]["body"]

    def test_never_comes_without_a_lease_nor_a_lease_without_it(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        answers = [program.launch("a-first"), program.launch("a-first"), program.check()]
        lease = answers[0]["lease"]
        answers.append(program.launch("a-first", segment=1))
        clock.advance(301_000)
        answers.append(program.launch("a-first"))
        answers.append(program.launch("a-first", segment=1))
        wiring.licenses().suspend(wiring.licenses().of_account(desk.account)[0].license)
        answers += [program.launch("a-second"), program.end(lease)]
        shown = [("lease" in a.body, "screen" in a.body) for a in answers]
        assert set(shown) == {(True, True), (False, False)}


@pytest.mark.promise("PS-65")
class TestCannotBeDeclined:
    def test_a_heartbeat_without_its_receipt_is_refused_with_an_approved_text_too(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        agreed(desk.application.id, clock)
        clock.advance(HOUR)
        program = desk.program()
        answer = launched(program)
        lease = answer["lease"]
        assert program.beat(lease, 1)["code"] == "SCREEN_REQUIRED"
        plain = hashlib.sha256(b"the screen without the text").hexdigest()
        wrong = program.computer.shown(lease, sha256=plain)
        assert program.beat(lease, 1, shown=wrong)["code"] == "SCREEN_REQUIRED"
        assert program.beat(lease, 1, shown=program.computer.shown(lease))["valid"]

    def test_no_choice_of_a_person_takes_it_away(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        """Every choice about mail is off, and the screen is as it was."""
        agreed(desk.application.id, clock)
        clock.advance(HOUR)
        before = launched(desk.program())["screen"]
        wiring.notices().choose(desk.account, [])
        clock.advance(2 * MINUTE)
        assert launched(desk.program())["screen"]["body"] == before["body"]


@pytest.mark.promise("PS-66")
class TestIsNoPlaceForPromotion:
    @pytest.mark.parametrize(
        "what",
        [
            "Buy a second seat now.", "Our special offer ends soon.", "It costs 4.99 EUR less.",
            "Ask for code ORCHARD25 today.", "Now with d.i.s.c.o.u.n.t for you.",
        ],
    )  # fmt: skip
    def test_a_text_that_promotes_is_refused(self, desk: Desk, what: str) -> None:
        with pytest.raises(TextRefused):
            wiring.mailings().draft(AUTHOR, "once", content(desk.application.id, what=what))

    @pytest.mark.parametrize("what", ["See https://partner.example for more.", "<b>New</b> pens."])
    def test_so_is_one_that_leads_elsewhere_or_holds_markup(self, desk: Desk, what: str) -> None:
        with pytest.raises(TextRefused):
            wiring.mailings().draft(AUTHOR, "once", content(desk.application.id, what=what))

    def test_no_text_for_offers_or_partners_fits_a_screen(self) -> None:
        fitting = {name for name, text in TEXTS.items() if Kind.SCREEN in text.kinds}
        promoting = {n for n, t in TEXTS.items() if t.kinds & {Kind.OFFER, Kind.PARTNER}}
        assert fitting
        assert not fitting & promoting
        assert KINDS[Kind.SCREEN].of_application

    def test_its_author_alone_shows_nothing(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        mailings = wiring.mailings()
        found = mailings.draft(AUTHOR, "once", content(desk.application.id))
        mailings.submit(AUTHOR, found)
        with pytest.raises(OwnMailing):
            mailings.approve(AUTHOR, found, str(mailings.mailing(found).sha256))
        clock.advance(HOUR)
        assert WHAT not in launched(desk.program())["screen"]["body"]

    def test_a_text_that_was_changed_behind_the_approval_is_not_shown(
        self, desk: Desk, program: Program, clock: FakeClock, tables: Tables
    ) -> None:
        agreed(desk.application.id, clock)
        clock.advance(HOUR)
        (item,) = [i for i in tables.items("accounts") if i["pk"].startswith("SCREENS#")]
        item["content"]["fields"]["what"] = "Buy one, get one."
        tables.accounts.apply(tables.accounts.put(item))
        answer = launched(desk.program())
        assert answer["valid"]
        assert "Buy one" not in answer["screen"]["body"]

    def test_a_text_that_was_stopped_is_gone_within_a_minute(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        found = agreed(desk.application.id, clock)
        clock.advance(HOUR)
        program = desk.program()
        assert WHAT in launched(program)["screen"]["body"]
        wiring.mailings().refuse(SECOND, found, "Not now.")
        clock.advance(STALENESS)
        assert WHAT not in launched(program)["screen"]["body"]


class TestWhatItCosts:
    def test_one_query_more_at_the_first_launch_of_a_minute(
        self, desk: Desk, program: Program, clock: FakeClock
    ) -> None:
        costs = []
        for wait in (0, STALENESS - 1, 1):
            clock.advance(wait)
            with recorded() as calls:
                launched(program)
            costs.append([action for _, action in calls.made])
        usual = ["Query", "TransactWriteItems"]
        assert costs == [["Query", *usual], usual, ["Query", *usual]]

    def test_a_check_and_a_heartbeat_never_ask_for_them(
        self, program: Program, clock: FakeClock
    ) -> None:
        lease = launched(program)["lease"]
        clock.advance(STALENESS)
        with recorded() as calls:
            program.check()
            program.beat(lease, 1, shown=program.computer.shown(lease))
        assert [action for _, action in calls.made] == ["Query", "UpdateItem"]

    def test_a_clock_that_goes_back_reads_anew(self, clock: FakeClock) -> None:
        reads: list[str] = []

        def read(application: str) -> tuple[()]:
            reads.append(application)
            return ()

        texts, go = Texts(read, clock), clock.advance
        for wait in (0, STALENESS - 1, -STALENESS):
            go(wait)
            texts.of("app_one")
        texts.of("app_two")
        assert reads == ["app_one", "app_one", "app_two"]
