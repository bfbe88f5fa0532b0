"""Leaving, coming back and taking along, by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.edge.pages import environment
from chalicelib.mail.links import link_token
from chalicelib.mail.outbox import message_of
from chalicelib.rights import wiring as rights
from tests.edge import test_pages_in_chromium as pages
from tests.edge.test_pages_in_chromium import address, chromium, flaws, page
from tests.rights.conftest import MORA, PASSWORD, PROFILE, buy
from tests.rights.test_pages import ERASE, mailed

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from tests.payments.conftest import FakeProcessor

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "page"]  # fixtures of another folder
looked_at = partial(pages.looked_at, "rights")
pressed = partial(pages.pressed, "rights")
DEACTIVATE, EXPORT = "/account/privacy/deactivate", "/account/privacy/export"


def sign_in(page: Page) -> None:
    page.goto("/login")
    page.fill("#login", PROFILE["login"])
    page.fill("#password", PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()


def test_the_pages_of_an_account_without_anything_are_sound(page: Page, mora: Account) -> None:
    sign_in(page)
    assert not looked_at(
        page, {"privacy": "/account/privacy", "erase": ERASE, "deactivate": DEACTIVATE,
               "export": EXPORT}
    )  # fmt: skip


def test_erasing_is_sound_at_each_step(
    page: Page, mora: Account, processor: FakeProcessor, crew: Plan
) -> None:
    buy(processor, crew)
    sign_in(page)
    page.goto(ERASE)
    assert not flaws(page, "rights erase with a license")
    page.fill("#hours", "99")
    page.fill("#password", "not this one")
    assert not pressed(page, "Erase the account", "erase refused")
    assert page.title().startswith("Error: ")
    page.fill("#hours", "24")
    page.fill("#password", PASSWORD)
    assert not pressed(page, "Erase the account", "erase planned")
    stop = message_of("erasure_planned", MORA, wiring.now())
    link = f"/rights/stop/{link_token(wiring.link_key(), stop)}"
    assert not looked_at(page, {"stop by mail": link})
    page.goto(ERASE)
    assert not pressed(page, "Stop the erasure", "erase stopped")
    kinds = ("erased", "planned", "deactivated", "stopped", "none")
    assert not looked_at(page, {f"done {what}": f"/rights/done?what={what}" for what in kinds})


def test_resting_and_coming_back_are_sound(page: Page, mora: Account) -> None:
    sign_in(page)
    page.goto(DEACTIVATE)
    assert not pressed(page, "Deactivate the account", "deactivate refused")
    page.fill("#password", PASSWORD)
    assert not pressed(page, "Deactivate the account", "deactivated")
    sign_in(page)
    assert not flaws(page, "rights deactivated at sign in")
    page.get_by_role("link", name="Reactivate it, or have it erased").click()
    assert not flaws(page, "rights reactivate")
    assert not pressed(page, "Go on", "reactivate refused")
    assert not looked_at(page, {"reactivate with a new password": "/reactivate?password=set"})
    assert not looked_at(page, {"mailed while it rests": mailed(mora)})


def test_the_mailed_link_is_sound(page: Page, mora: Account) -> None:
    link = mailed(mora)
    assert not looked_at(page, {"mailed": link})
    assert not pressed(page, "Do that", "mailed refused")
    assert not looked_at(page, {"mailed none": "/rights/none"})


def test_the_file_to_read_is_sound(
    page: Page, mora: Account, processor: FakeProcessor, crew: Plan
) -> None:
    """As it is saved, and opened later without us."""
    buy(processor, crew)
    file = environment().get_template("rights/export_read.html")
    page.goto("about:blank")
    page.set_content(file.render(found=rights.export().of(MORA)))
    assert not flaws(page, "rights export to read")
