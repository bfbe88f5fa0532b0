"""The officer's page of versions and the start page after a change, by Chromium and axe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.staff.rules import Role
from tests.edge.test_pages_in_chromium import address, chromium, flaws, page
from tests.privacy.crowd import MEMBER
from tests.staff.conftest import NAME, PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "page"]  # fixtures of another folder


def test_the_pages_of_a_change_are_sound(page: Page) -> None:
    wiring.staff().add(NAME, PASSWORD, [Role.PRIVACY])
    page.goto("/staff/policy")
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/staff/policy")
    found = {"prepared": flaws(page, "policy prepared")}
    page.get_by_role("button", name="Publish version 4").click()
    found["refused"] = flaws(page, "policy refused")
    wiring.publishing().publish(4, MEMBER)
    page.goto("/staff/policy")
    found["published"] = flaws(page, "policy published")
    page.goto("/")
    found["start page"] = flaws(page, "home after a change")
    assert not {name: flaw for name, flaw in found.items() if flaw}
