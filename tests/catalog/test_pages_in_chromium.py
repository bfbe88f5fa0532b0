"""The pages of plans and prices, looked at by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.catalog.test_pages import plans
from tests.edge.test_pages_in_chromium import (
    address,
    chromium,
    flaws,
    looked_at,
    page,
    sign_in,
)
from tests.identity.conftest import offer

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from chalicelib.catalog.rules import Plan

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "offer", "page", "plans"]  # fixtures of other folders

APP = "/apps/orchard"
PAGES = {
    "apps": "/apps",
    "app plans": APP,
    "app reckoned": f"{APP}?hours=30&computers=2",
    "app mistyped": f"{APP}?hours=many&computers=0",
}


def test_pages_of_prices_are_sound_for_visitors(plans: dict[str, Plan], page: Page) -> None:
    assert not looked_at("", page, PAGES)


def test_the_cards_of_a_row_stand_level(plans: dict[str, Plan], page: Page) -> None:
    page.goto(APP)
    places = page.evaluate(
        "[...document.querySelectorAll('.plans > .card')].map(card => {"
        " const box = card.getBoundingClientRect(); return [box.left, box.top] })"
    )
    columns, rows = (len(set(sides)) for sides in zip(*places, strict=True))
    assert len(places) > 2
    assert rows == -(-len(places) // columns)


def test_pages_of_prices_are_sound_for_customers(plans: dict[str, Plan], page: Page) -> None:
    sign_in(page)
    page.goto(APP)
    found = {"plans": flaws(page, "app plans signed in")}
    page.fill("#hours", "30")
    page.fill("#computers", "2")
    page.get_by_role("button", name="Compare the plans").click()
    page.get_by_text("Cheapest").wait_for()
    assert page.input_value("#seats") == "2"
    page.evaluate("document.querySelector('#seats').removeAttribute('max')")
    page.fill("#seats", "201")
    page.get_by_role("button", name="Pay for the first month").click()
    page.get_by_role("alert").wait_for()
    found["seats"] = flaws(page, "app seats refused")
    assert page.input_value("#seats") == "201"
    assert not {name: flaw for name, flaw in found.items() if flaw}
