"""Every page of the site and of accounts, looked at by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from chalicelib import wiring
from chalicelib.core.clock import DAY
from chalicelib.edge.exits import link_out
from chalicelib.mail.links import link_token
from tests.accounts.conftest import PASSWORD, PROFILE
from tests.identity.conftest import Desk, desk, offer
from tests.served import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.browser
__all__ = ["desk", "offer"]  # fixtures of another folder

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOTS = os.environ.get("SCREENSHOTS")
PHONE, DESK = (360, 740), (1280, 900)
TARGET = 44
OPEN_PAGES = {
    "home": "/",
    "status": "/status",
    "privacy": "/privacy",
    "cookies": "/privacy/cookies",
    "security": "/privacy/security",
    "proof": "/privacy/proof",
    "proof of a section": "/privacy/proof/collection",
    "prepared version": "/privacy/v/4",
    "changes of a version": "/privacy/v/3/changes",
    "reading of cookies": "/privacy/cookies/reading",
    "contact": "/contact",
    "contact sent": "/contact?sent=data",
    "problems": "/problems",
    "problem": "/problems/stale_form",
    "unknown problem": "/problems/none",
    "register": "/register",
    "registered": "/register/sent",
    "login": "/login",
    "forgot": "/forgot",
    "forgot sent": "/forgot/sent",
    "link ended": "/reset/none",
}
OWN_PAGES = {
    "account": "/account",
    "own privacy": "/account/privacy",
    "own log": "/account/privacy?show=all",
    "own log by row": "/account/privacy?show=rows&before=3",
    "own answers": "/account/privacy?show=answers",
    "move": "/account/email",
    "setup": "/account/setup",
    "saved": "/account/setup?saved=profile",
    "password": "/account/setup/password",
}
FULL_PAGES = {
    "account full": "/account",
    "usage full": "/account/usage",
    "computers full": "/account/computers",
    "downloads full": "/account/downloads",
    "orders": "/orders",
    "device": "/device",
    "apps": "/apps",
    "app": "/apps/orchard",
}
# Small targets: anything that one presses, links inside sentences excepted (WCAG 2.5.8).
# A box is pressed by its label too, so that the row of both is the target.
SMALL = """least => [...document.querySelectorAll(
    'button, .button, input:not([type=hidden], .choice > *), .choice, select, summary, header a, '
    + 'footer a')]
  .filter(e => e.offsetParent && Math.min(e.offsetWidth, e.offsetHeight) < least - 1)
  .map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def address(tables: Tables, clock: FakeClock) -> Iterator[str]:
    with served() as found:
        yield found


@pytest.fixture(
    params=[(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")],
    ids=["phone-light", "phone-dark", "desk-light", "desk-dark"],
)
def page(request: pytest.FixtureRequest, chromium: Browser, address: str) -> Iterator[Page]:
    (width, height), scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        base_url=address,
        java_script_enabled=True,
    )
    context.set_default_timeout(10_000)
    opened = context.new_page()
    opened.goto(address)
    yield opened
    context.close()


@pytest.fixture
def full(desk: Desk, clock: FakeClock) -> Desk:
    """Somebody with a license who has used it on some days, and runs it now."""
    desk.license()
    program = desk.program(signed_in=False)
    for day in range(9):
        program.token = None
        program.sign_in(desk.browser)
        lease = program.launch(f"launch-{day}")["lease"]
        clock.advance(200_000 + day * 9_000)
        program.end(lease)
        clock.advance(DAY)
    wiring.license_sweep().run()
    program.token = None
    program.sign_in(desk.browser)
    program.launch("launch-now")
    return desk


def flaws(page: Page, name: str) -> list[Any]:
    """What axe, the width and the size of targets have against the page as it stands."""
    keep(page, name)
    found: list[Any] = [
        (v["id"], [node["html"][:120] for node in v["nodes"]])
        for v in Axe().run(page).response["violations"]
    ]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("scrolls sideways")
    return [*found, *page.evaluate(SMALL, TARGET)]


def keep(page: Page, name: str) -> None:
    if SHOTS:
        size = page.viewport_size or {"width": 0}
        dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        file = f"{name.replace(' ', '-')}-{size['width']}-{'dark' if dark else 'light'}.png"
        page.screenshot(path=Path(SHOTS) / file, full_page=True)


def looked_at(area: str, page: Page, paths: dict[str, str]) -> dict[str, list[Any]]:
    """The flaws of each page by its name, where it has any."""
    found = {}
    for name, path in paths.items():
        page.goto(path)
        found[name] = flaws(page, f"{area} {name}".strip())
    return {name: wrong for name, wrong in found.items() if wrong}


def pressed(area: str, page: Page, button: str, name: str) -> list[Any]:
    """The flaws of what stands there after a button of the page was pressed."""
    page.get_by_role("main").get_by_role("button", name=button).click()
    page.wait_for_load_state()
    return flaws(page, f"{area} {name}")


def sign_in(page: Page) -> None:
    message = wiring.registration().register(PROFILE, PASSWORD)
    wiring.recovery().confirm(link_token(wiring.link_key(), message or ""), PASSWORD)
    enter(page)


def enter(page: Page) -> None:
    """By the form, since no driver may set a `__Host-` cookie."""
    page.goto("/login")
    page.fill("#login", PROFILE["login"])
    page.fill("#password", PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/account")


def test_open_pages_are_sound(page: Page) -> None:
    paths = {**OPEN_PAGES, "exit": link_out("https://example.org/a/page?of=it", wiring.keyed())}
    assert not looked_at("", page, paths)


def test_own_pages_are_sound(page: Page) -> None:
    sign_in(page)
    found = {}
    for name, path in OWN_PAGES.items():
        page.goto(path)
        found[name] = flaws(page, name)
    assert not {name: flaw for name, flaw in found.items() if flaw}


def test_pages_of_a_full_account_are_sound(page: Page, full: Desk) -> None:
    enter(page)
    found = {}
    for name, path in FULL_PAGES.items():
        page.goto(path)
        if page.locator("details").count():
            page.locator("summary").first.click()
        found[name] = flaws(page, name)
    assert not {name: flaw for name, flaw in found.items() if flaw}


def test_a_refused_form_leads_to_its_fields(page: Page) -> None:
    page.goto("/register")
    page.fill("#name", "Mora Kilbride")
    page.fill("#email", "mora")
    page.get_by_role("button", name="Create the account").click()
    assert page.title().startswith("Error: ")
    assert page.evaluate("document.activeElement.className") == "summary"
    assert page.input_value("#name") == "Mora Kilbride"
    page.get_by_role("link", name="This is not an email address").click()
    assert page.evaluate("document.activeElement.id") == "email"
    assert not flaws(page, "register refused")
