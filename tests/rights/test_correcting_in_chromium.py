"""Correcting by a mailed link, by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.edge import test_pages_in_chromium as pages
from tests.edge.test_pages_in_chromium import address, chromium, page
from tests.rights.test_pages import mailed

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from chalicelib.accounts.rules import Account

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "page"]  # fixtures of another folder
looked_at = partial(pages.looked_at, "rights")
pressed = partial(pages.pressed, "rights")


def test_the_details_are_shown_refused_and_saved(page: Page, mora: Account) -> None:
    assert not looked_at(page, {"mailed with details": mailed(mora)})
    assert not pressed(page, "Show my details", "details by mail")
    page.fill("#city", "")
    assert not pressed(page, "Save the details", "details by mail refused")
    assert page.title().startswith("Error: ")
    page.fill("#city", "Ballina")
    assert not pressed(page, "Save the details", "details corrected")
    assert page.title().startswith("Your details are corrected")
