"""Usage, computers and sessions of a busy account, by Chromium, axe and keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, MINUTE
from tests.accounts.conftest import PASSWORD, PROFILE
from tests.browser import Browser as Session
from tests.edge.test_pages_in_chromium import address, chromium, enter, flaws, page
from tests.identity.conftest import Desk, desk, offer

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.conftest import FakeClock

pytestmark = pytest.mark.browser
LONG = "A name of forty characters, all of them."
__all__ = ["address", "chromium", "desk", "offer", "page"]  # fixtures of other modules
PAGES = {
    "usage month": "/account/usage",
    "usage all": "/account/usage?month=all",
    "usage nothing": "/account/usage?month=2026-01",
    "computers": "/account/computers",
    "computers found": "/account/computers?q=studio",
    "computers done": "/account/computers?done=ended",
    "sessions": "/account/sessions",
    "sessions done": "/account/sessions?done=others",
}


@pytest.fixture
def busy(desk: Desk, clock: FakeClock) -> Desk:
    """Three computers with names and without, use over two months, one blocked, one running."""
    license_id = desk.license()
    programs = [desk.program(signed_in=False) for _ in range(3)]
    for turn in range(9):
        program = programs[turn % 3]
        program.sign_in(desk.browser)
        lease = program.launch(f"launch-{turn}")["lease"]
        clock.advance(MINUTE * (1 + turn % 4) + turn * 1_001)
        program.end(lease)
        clock.advance(DAY)
    wiring.license_sweep().run()
    wiring.labels().name(desk.account, programs[0].computer.id, "Studio, by the window")
    wiring.labels().name(desk.account, programs[1].computer.id, LONG)
    wiring.licenses().block(desk.account, license_id, programs[2].computer.id)
    Session().post("/login", {"login": PROFILE["login"], "password": PASSWORD})
    programs[0].sign_in(desk.browser)
    programs[0].launch("launch-now")
    clock.advance(100_000)
    return desk


def test_pages_of_the_account_are_sound(page: Page, busy: Desk) -> None:
    enter(page)
    found = {}
    for name, path in PAGES.items():
        page.goto(path)
        for summary in page.locator("details > summary").all()[:1]:
            summary.click()
        found[name] = flaws(page, name)
    assert not {name: flaw for name, flaw in found.items() if flaw}


def test_a_launch_is_ended_by_keyboard_alone(page: Page, busy: Desk) -> None:
    enter(page)
    page.goto("/account/computers")
    page.get_by_role("button", name="End Orchard on Studio, by the window").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/computers?done=ended")
    assert page.get_by_role("status").inner_text().startswith("Ended, and billed up to now")
    assert page.get_by_text("Nothing runs now").is_visible()
