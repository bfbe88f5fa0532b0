"""The pages of people and addresses, looked at by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, MINUTE
from chalicelib.mail.links import link_token
from tests.edge import test_pages_in_chromium as pages
from tests.edge.test_pages_in_chromium import address, chromium, enter, flaws, page
from tests.identity.conftest import PASSWORD
from tests.licenses.test_members import invite, newest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.conftest import FakeClock, Tables
    from tests.identity.conftest import Desk

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "page"]  # fixtures of another folder
looked_at = partial(pages.looked_at, "")


def link(tables: Tables, template: str) -> str:
    items = [i for i in tables.items("accounts") if i.get("template") == template]
    found = max(items, key=lambda item: (item["created_at"], item["pk"]))
    return link_token(wiring.link_key(), found["id"])


def test_the_pages_of_people_are_sound(
    page: Page, desk: Desk, other_desk: Desk, clock: FakeClock, tables: Tables
) -> None:
    license_id = desk.license()
    people = f"/account/licenses/{license_id}/people"
    enter(page)
    assert not looked_at(page, {"people empty": people})
    invite(other_desk, other_desk.license(), "mora@kilbride.example", "both")
    theirs = newest(tables)
    clock.advance(MINUTE)
    for number in range(12):
        invite(desk, license_id, f"a.long.name.of.number.{number}@architecture.kilbride.example")
    assert not looked_at(page, {"people full": people, "people page two": f"{people}?page=2"})
    assert not looked_at(page, {"invitation": theirs})
    page.get_by_role("button", name="Accept the invitation").click()
    page.wait_for_url("**/account/shared/*")
    program = desk.program()
    for day in range(3):
        program.token = None
        program.sign_in(desk.browser)
        shared = next(i for i in wiring.members().of_account(desk.account)).license
        lease = program.launch(f"launch-{day}", license_id=shared)["lease"]
        clock.advance(200_000 + day * 9_000)
        program.end(lease)
        clock.advance(DAY)
    assert not looked_at(
        page, {"shared": page.url, "account with a shared license": "/account", "people": people}
    )
    page.goto(people)
    page.fill("#email", "no address")
    page.get_by_role("button", name="Send the invitation").click()
    assert page.title().startswith("Error: ")
    assert not flaws(page, "people refused")


def test_a_stranger_s_invitation_is_sound(page: Page, desk: Desk, tables: Tables) -> None:
    invite(desk, desk.license())
    assert not looked_at(page, {"invitation of a stranger": newest(tables)})
    page.get_by_role("link", name="Sign in and accept").click()
    page.fill("#login", "mora.kilbride")
    page.fill("#password", PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/invitations/*")


def test_the_pages_of_another_address_are_sound(
    page: Page, desk: Desk, clock: FakeClock, tables: Tables
) -> None:
    enter(page)
    assert not looked_at(page, {"email": "/account/email"})
    page.fill("#email", "studio@ballymote.example")
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Mail the link").click()
    page.wait_for_url("**/account/email?sent=1")
    assert not flaws(page, "email sent")
    clock.advance(MINUTE)
    move, stop = link(tables, "email_change"), link(tables, "email_change_asked")
    assert not looked_at(
        page, {"email move": f"/email/{move}", "email stop": f"/email/stop/{stop}"}
    )
    page.goto(f"/email/{move}")
    page.get_by_role("button", name="Move the account here").click()
    page.wait_for_url("**/email/done?what=moved")
    assert not flaws(page, "email moved")
    undo = link(tables, "email_changed")
    paths = {f"email {what}": f"/email/done?what={what}" for what in ("stopped", "undone", "none")}
    assert not looked_at(page, {"email undo": f"/email/undo/{undo}", **paths})
    page.goto("/account/email")
    page.get_by_role("button", name="Mail the link").click()
    assert page.title().startswith("Error: ")
    assert not flaws(page, "email refused")
