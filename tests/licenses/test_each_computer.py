"""Each computer takes the application itself, counts as one, and holds a seat of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib import wiring
from chalicelib.core.clock import MINUTE
from chalicelib.core.ids import new_id
from tests.browser import Browser
from tests.catalog.test_catalog import artifact, publish

if TYPE_CHECKING:
    from tests.conftest import FakeClock
    from tests.identity.conftest import Desk
    from tests.program import Program

SEATS = 2
COMPUTER = re.compile(r'<code title="([^"]+)"')


@pytest.fixture
def crew(desk: Desk) -> str:
    """A subscription with two seats, of an application with an installer."""
    publish(desk.application, artifact(desk.application))
    plan = wiring.catalog().add_plan(
        desk.application, kind="subscription", name="Crew", price="9.00", currency="USD",
        period_months=1,
    )  # fmt: skip
    license_id = new_id("lic")
    writes = wiring.licenses().grant(
        license_id, desk.account, plan, wiring.now(), "pi_1", seats=SEATS
    )
    desk.tables.accounts.transact(*writes)
    return license_id


def taken(program: Program) -> str:
    """The link by which this computer's program gets the installer."""
    found = program.get(f"/v1/applications/{program.application}/release?platform=linux")
    path = urlsplit(found["url"]).path
    answer = Browser().send("GET", path, b"", program.credentials("GET", path))
    assert answer.status == 303, answer.text
    return answer.location


@pytest.mark.promise("PS-25")
class TestEachComputer:
    def test_takes_the_application_by_a_link_of_five_minutes_that_names_nobody(
        self, desk: Desk, crew: str, clock: FakeClock
    ) -> None:
        links = []
        for _ in range(3):
            links.append(taken(desk.program()))
            clock.advance(MINUTE)
        for link in links:
            asked = parse_qs(urlsplit(link).query)
            assert asked["X-Amz-Expires"] == ["300"]
            assert desk.account not in link

    def test_is_listed_as_one_however_often_it_runs(
        self, desk: Desk, crew: str, clock: FakeClock
    ) -> None:
        programs = [desk.program() for _ in range(3)]
        for number in range(6):
            program = programs[number % 3]
            lease = program.launch(f"launch-{number}", license_id=crew)["lease"]
            clock.advance(MINUTE)
            program.end(lease)
        page = desk.browser.get("/account/computers")
        assert "3 computers" in page.words
        assert sorted(COMPUTER.findall(page.text)) == sorted(p.computer.id for p in programs)

    @pytest.mark.guarantee("G1")
    def test_holds_a_seat_and_one_more_than_there_are_is_refused(
        self, desk: Desk, crew: str
    ) -> None:
        programs = [desk.program() for _ in range(SEATS + 1)]
        *running, late = [
            program.launch(f"launch-{number}", license_id=crew)
            for number, program in enumerate(programs)
        ]
        assert [one["code"] for one in running] == ["VALID"] * SEATS
        assert (late["valid"], late["code"]) == (False, "SEATS_FULL")
        programs[0].end(running[0]["lease"])
        assert programs[-1].launch("launch-again", license_id=crew)["valid"]
