"""Staff pages, looked at by Chromium and axe, on a phone and a desk, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.staff.rules import Role
from tests.edge.test_pages_in_chromium import address, chromium, flaws, page
from tests.staff.conftest import NAME, PASSWORD
from tests.visits.test_trends import busy

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.visits.logs import Door

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "page"]  # fixtures of another folder


def test_staff_pages_are_sound(door: Door, page: Page) -> None:
    wiring.staff().add(NAME, PASSWORD, [Role.OPERATOR])
    found = {}
    page.goto("/staff/trends")
    found["door"] = flaws(page, "staff login")
    page.fill("#name", NAME)
    page.fill("#password", "wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    found["refused"] = flaws(page, "staff login refused")
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("No clicks from").wait_for()
    found["empty"] = flaws(page, "trends empty")
    busy(door)
    page.reload()
    page.get_by_role("heading", name="Pages", exact=True).wait_for()
    found["full"] = flaws(page, "trends")
    page.get_by_role("link", name="Countries", exact=True).click()
    page.get_by_role("heading", name="Countries").wait_for()
    found["family"] = flaws(page, "trends of a family")
    page.goto("/staff/trends?from=tomorrow")
    found["mistyped"] = flaws(page, "trends mistyped")
    page.goto("/staff")
    found["home"] = flaws(page, "staff")
    assert not {name: flaw for name, flaw in found.items() if flaw}
