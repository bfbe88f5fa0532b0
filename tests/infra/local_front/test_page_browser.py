"""The control page in a browser: its buttons pass the guard, and axe finds nothing to object to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from infra.local.front.control import Control
from infra.local.front.http import serve
from tests.infra.local_front.test_control import Surface

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=FLAGS.split()
        )
        yield started
        started.close()


@pytest.fixture
def address() -> Iterator[tuple[str, Surface]]:
    surface = Surface()
    server = serve(surface.answer)
    surface.control = Control(surface.cloud, surface.seed, server.port)
    server.start()
    yield f"http://localhost:{server.port}/_local/", surface
    server.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_has_no_violations(
    browser: Browser, address: tuple[str, Surface], scheme: str
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(address[0])
    assert Axe().run(page).violations_count == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()


def test_its_buttons_work(browser: Browser, address: tuple[str, Surface]) -> None:
    url, surface = address
    page = browser.new_page()
    page.goto(url)
    for name in ("+ 1 hour", "Stop the clock", "Run mail_sweep now", "Settle: run all that waits"):
        page.get_by_role("button", name=name).click()
        assert page.get_by_role("status").is_visible()
    assert surface.cloud.told == [
        ("advance", 3600.0),
        ("freeze", True),
        ("run", "mail_sweep"),
        "settle",
    ]
    page.close()


def test_a_page_elsewhere_cannot_press_them(browser: Browser, address: tuple[str, Surface]) -> None:
    url, surface = address
    page = browser.new_page()
    page.set_content(f'<form method="post" action="{url}settle"><button>Win</button></form>')
    page.get_by_role("button").click()
    page.wait_for_url(url + "settle")
    assert "foreign_origin" in page.content()
    assert surface.cloud.told == []
    page.close()
