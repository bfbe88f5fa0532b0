"""The statement as people read it: on the smallest phone, by its contents, in lines to be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from chalicelib.privacy import policies, statement
from tests.served import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOTS = os.environ.get("SCREENSHOTS")
PATHS = ("/privacy", "/privacy/v/4", "/privacy/v/3/changes", "/privacy/security")
WIDEST = """() => Math.max(...[...document.querySelectorAll('main p')].map(
    p => p.offsetWidth / parseFloat(getComputedStyle(p).fontSize)))"""


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


def test_nothing_is_wider_than_the_screen_and_lines_can_be_read(page: Page) -> None:
    for path in PATHS:
        answer = page.goto(path)
        assert answer
        assert answer.status == 200
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
        assert page.evaluate(WIDEST) < 45, path  # in ems: about eighty letters
        if SHOTS:
            width = page.viewport_size or {"width": 0}
            name = f"{path.strip('/').replace('/', '-')}-{width['width']}.png"
            page.screenshot(path=Path(SHOTS) / name, full_page=True)


def test_the_contents_lead_to_each_section(page: Page) -> None:
    page.goto("/privacy")
    for section in statement.read(policies.IN_FORCE).sections:
        page.get_by_role("navigation", name="Contents").get_by_role(
            "link", name=section.title, exact=True
        ).click()
        heading = page.get_by_role("heading", name=section.title, exact=True)
        expect(heading).to_be_in_viewport()
