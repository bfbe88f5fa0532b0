"""What mailed links lead to, notices and their end, by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import HOUR
from chalicelib.privacy.rules import Entry, Event, Purpose
from chalicelib.rights import wiring as rights
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION, Mails, browser, mails
from tests.accounts.test_choices import YES
from tests.browser import Browser as Session
from tests.edge import test_pages_in_chromium as pages
from tests.edge.test_pages_in_chromium import address, chromium, enter, flaws, page, sign_in
from tests.mail.test_feedback import bounce, complaint, take
from tests.mail.test_notices import link_of_a_notice

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.browser
__all__ = ["address", "browser", "chromium", "mails", "page"]  # fixtures of other folders
looked_at = partial(pages.looked_at, "link")
pressed = partial(pages.pressed, "link")


def account_of(tables: Tables) -> str:
    (account,) = (i["pk"] for i in tables.items("accounts") if i["type"] == "account")
    return str(account).removeprefix("ACCOUNT#")


def test_from_registration_to_the_second_yes(page: Page, browser: Session, mails: Mails) -> None:
    browser.post("/register", {**REGISTRATION, **YES})
    page.goto("/login")
    page.fill("#login", PROFILE["login"])
    page.fill("#password", PASSWORD)
    assert not pressed(page, "Sign in", "not confirmed")
    welcome = f"/verify/{mails.link('welcome')}"
    assert not looked_at(page, {"confirm": welcome})
    page.fill("#password", "not this one")
    assert not pressed(page, "Confirm and sign in", "confirm refused")
    page.fill("#password", PASSWORD)
    assert not pressed(page, "Confirm and sign in", "account just confirmed")
    assert not looked_at(page, {"confirm used": welcome, "own choices": "/account/privacy"})
    yes = f"/choices/{mails.link('partner_opt_in')}"
    assert not looked_at(page, {"second yes": yes})
    page.get_by_role("main").get_by_role("button").last.click()
    page.wait_for_load_state()
    assert not flaws(page, "link second yes said")
    assert not looked_at(page, {"second yes used": yes})


def test_what_was_answered_and_what_others_did(
    page: Page, browser: Session, mails: Mails, clock: FakeClock, tables: Tables
) -> None:
    browser.post("/register", {**REGISTRATION, **YES})
    browser.post(f"/verify/{mails.link('welcome')}", {"password": PASSWORD})
    (item,) = (i for i in tables.items("accounts") if i["type"] == "account")
    vault, subject = wiring.vault(), str(item["subject"])
    for reason in ("mail:receipt:0f", "page:/account/setup", "mail:usage_summary:0e"):
        clock.advance(HOUR)
        vault.open(subject, Purpose.ACCOUNT, reason)
    for act in ("customer", "payment_page"):
        entry = Entry(Event.SHARED, Purpose.BILLING, None, f"share:processor:{act}:0f")
        vault.commit(partial(vault.note_of, subject, entry))
    rights.erasure().ask(account_of(tables), 20)
    enter(page)
    paths = {
        "overview of an erasure": "/account", "setup of an erasure": "/account/setup",
        "own privacy": "/account/privacy", "history": "/account/privacy?show=all",
        "history by row": "/account/privacy?show=rows", "answers": "/account/privacy?show=answers",
        "nothing of others": "/account/privacy?show=others&before=3",
        "receipt": "/account/privacy/receipts/4", "move with a yes": "/account/email",
    }  # fmt: skip
    assert not looked_at(page, paths)


def test_a_new_password(page: Page, mails: Mails) -> None:
    sign_in(page)
    page.context.clear_cookies()
    Session().post("/forgot", {"email": PROFILE["email"]})
    assert not looked_at(page, {"reset": f"/reset/{mails.link('password_reset')}"})
    page.fill("#password", "short")
    page.get_by_role("main").get_by_role("button").last.click()
    page.wait_for_load_state()
    assert page.title().startswith("Error: ")
    assert not flaws(page, "link reset refused")


def test_notices_and_their_end(page: Page, tables: Tables, clock: FakeClock) -> None:
    sign_in(page)
    notices, zone = "/account/notices", "/account/setup/zone"
    assert not looked_at(page, {"notices": notices, "zone": zone})
    page.goto(notices)
    assert not pressed(page, "Save the notices", "notices saved")
    stop = link_of_a_notice(account_of(tables))
    assert not looked_at(page, {"stop": stop, "stop unknown": "/unsubscribe/none"})
    page.goto(stop)
    assert not pressed(page, "Stop this mail", "stopped")
    take(bounce(clock.now, PROFILE["email"]), complaint(clock.now, PROFILE["email"]))
    assert not looked_at(page, {"notices stopped": notices})


def test_errors_in_words(page: Page) -> None:
    assert not looked_at(page, {"nowhere": "/apps/nowhere", "stranger": "/account/usage"})
    page.goto("/login")
    page.context.clear_cookies()
    page.fill("#login", "nobody")
    page.fill("#password", PASSWORD)
    assert not pressed(page, "Sign in", "stale form")
