"""Leaving, coming back and taking along, by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.mail.links import link_token
from chalicelib.mail.outbox import message_of
from chalicelib.rights import wiring as rights
from tests.edge import test_pages_in_chromium as pages
from tests.edge.test_pages_in_chromium import address, chromium, flaws, page
from tests.rights.conftest import MORA, PASSWORD, PROFILE, buy
from tests.rights.test_pages import ERASE, mailed
from tests.rights.test_reading import everything, to_read

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from tests.payments.conftest import FakeProcessor

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "everything", "page"]  # fixtures of another folder
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


def opened(page: Page, found: dict[str, Any]) -> None:
    """As it is saved, and opened later without us."""
    page.goto("about:blank")
    page.set_content(to_read(found))


def test_the_file_to_read_is_sound(page: Page, everything: dict[str, Any]) -> None:
    opened(page, everything)
    assert not flaws(page, "rights export to read")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_the_file_to_read_of_an_account_without_anything_is_sound(
    page: Page, mora: Account
) -> None:
    opened(page, rights.export().of(MORA))
    assert not flaws(page, "rights export of nothing to read")


def test_on_a_phone_each_value_of_a_table_has_its_label_and_on_paper_each_page_its_heads(
    page: Page, everything: dict[str, Any]
) -> None:
    opened(page, everything)
    label = "e => getComputedStyle(e, '::before').content"
    first = page.locator("#t-computers td").first
    narrow = (page.viewport_size or {"width": 0})["width"] < 700
    assert first.evaluate(label) == ('"Computer"' if narrow else "none")
    page.emulate_media(media="print")
    assert first.evaluate(label) == "none"
    heads = page.locator("#t-computers thead")
    assert heads.evaluate("e => getComputedStyle(e).display") == "table-header-group"
    page.set_viewport_size({"width": 680, "height": 960})  # A4 within its margins
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    if pages.SHOTS:
        page.pdf(path=Path(pages.SHOTS) / "rights-export.pdf", format="A4")
