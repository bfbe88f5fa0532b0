"""A program says what the license needs and no more: nothing else is taken, let alone kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.edge.bodies import NO_SUCH

if TYPE_CHECKING:
    from tests.conftest import Tables
    from tests.identity.conftest import Desk
    from tests.program import Program

CANARY = "zq-said-too-much"


@pytest.fixture
def program(desk: Desk) -> Program:
    desk.license()
    return desk.program()


@pytest.mark.promise("PS-26")
@pytest.mark.parametrize("extra", ["hostname", "mac_address", "serial", "user", "email"])
def test_a_first_launch_with_anything_of_a_person_or_machine_is_refused(
    program: Program, tables: Tables, extra: str
) -> None:
    answer = program.launch(**{extra: CANARY})
    assert answer.status == 422
    assert answer["errors"] == [{"field": extra, "detail": NO_SUCH}]
    assert CANARY not in tables.dump()
    assert "LAUNCH#" not in tables.dump()


@pytest.mark.promise("PS-27")
def test_what_an_application_gathers_does_not_come_through_a_heartbeat(
    program: Program, tables: Tables
) -> None:
    lease = program.launch()["lease"]
    shown = program.computer.shown(lease)
    assert program.beat(lease, 1, shown=shown, telemetry={"clicks": CANARY}).status == 422
    assert CANARY not in tables.dump()
    assert program.beat(lease, 1, shown=shown)["valid"]


@pytest.mark.promise("PS-27")
def test_the_page_of_downloads_says_where_the_statement_ends(desk: Desk) -> None:
    desk.license()
    words = desk.browser.get("/account/downloads").words
    assert "it does not cover what an application's own software may collect" in words
