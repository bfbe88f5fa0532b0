"""The proof page as people read it, with nothing to show and with all, on the smallest phone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from chalicelib import wiring
from chalicelib.core.clock import HOUR, MINUTE
from chalicelib.mail.rules import State, Why
from chalicelib.privacy import wiring as records
from chalicelib.privacy.timings import Which
from tests.privacy.test_night import mailed
from tests.privacy.test_proof import PAGE, publish
from tests.privacy.test_vault import collected
from tests.served import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOTS = os.environ.get("SCREENSHOTS")

LINKAGE = {
    "accounts linked by what is kept, 200 visitors a day": "5 of 1000; 5 by guessing",
    "the same by a row a visit, 2000 visitors a day, which is not kept": "875 of 1000",
}


@pytest.fixture(params=[320, 1280])
def page(request: pytest.FixtureRequest, tables: Tables, clock: FakeClock) -> Iterator[Page]:
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        opened = browser.new_page(
            viewport={"width": request.param, "height": 640}, base_url=address
        )
        yield opened
        browser.close()


def fits(page: Page, name: str, section: str = "") -> None:
    page.goto(PAGE + section)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    if SHOTS:
        width = page.viewport_size or {"width": 0}
        page.screenshot(path=Path(SHOTS) / f"proof-{name}-{width['width']}.png", full_page=True)


def test_it_fits_with_nothing_and_with_everything(
    page: Page, clock: FakeClock, tmp_path: Path
) -> None:
    fits(page, "empty")
    fits(page, "empty-section", "/about")
    publish(tmp_path, linkage=LINKAGE)
    collected()
    clock.advance(HOUR + 10 * MINUTE)
    records.head_maker().run()
    for which, took in zip(Which, (412, 95_000, 38, 61), strict=True):
        wiring.times().note(which, clock.now - took, clock.now)
    mailed("msg_a", State.SENT, clock.now - HOUR)
    mailed("msg_b", State.REFUSED, clock.now - HOUR, Why.UNAPPROVED)
    records.night_check().run()
    fits(page, "full")
    fits(page, "full-section", "/about")
    fits(page, "longest-section", "/security")


def test_a_section_leads_to_its_sentences_and_back(page: Page, tmp_path: Path) -> None:
    publish(tmp_path)
    page.goto(PAGE)
    link = page.locator("[aria-labelledby=sections] a").first
    name = link.inner_text()
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("link", name="Proof", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Proof")


def test_a_promise_that_was_named_above_is_one_step_away(page: Page, tmp_path: Path) -> None:
    publish(tmp_path)
    page.goto(f"{PAGE}/collection")
    link = page.locator("dt a").first
    name = link.inner_text()
    link.click()
    expect(page.locator(f"#{name}")).to_be_in_viewport()
