"""The hosted page in a browser: by keyboard, without scripts, on a phone, in light and dark."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from infra.local.processor import Handle
from tests.infra.processor.conftest import Shop, open_payment, open_setup

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A phone's page with scripts off."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    yield context.new_page()
    context.close()


def at_shop(shop: Shop) -> dict[str, Any]:
    """Addresses in the shop: on another host name than the processor's, as they really are."""
    origin = f"http://localhost:{urlsplit(shop.url).port}"
    return {"success_url": f"{origin}/orders/o1", "cancel_url": f"{origin}/apps/halyard"}


def type_card(page: Page, number: str) -> None:
    """Fill in and send the form by keyboard alone, from the top of the page."""
    page.focus("#number")
    for text in (number, "12/34", "123"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")


class TestByKeyboardWithoutScripts:
    def test_a_declined_card_is_said_in_place_and_a_good_one_leads_back(
        self, plain: Page, api: stripe.StripeClient, shop: Shop
    ) -> None:
        plain.goto(open_setup(api, **at_shop(shop)).url)
        type_card(plain, "4000 0000 0000 0002")
        assert "Your card was declined." in plain.inner_text('[role="alert"]')
        assert plain.title().startswith("Error: ")
        type_card(plain, "4242424242424242")
        plain.wait_for_url("**/orders/o1")
        assert plain.inner_text("h1") == "Back in the shop"

    def test_the_banks_question_is_answered_by_keyboard(
        self, plain: Page, api: stripe.StripeClient, shop: Shop
    ) -> None:
        plain.goto(open_payment(api, **at_shop(shop)).url)
        type_card(plain, "4000 0000 0000 3220")
        plain.wait_for_url("**/confirm")
        plain.focus("button[value=confirm]")
        plain.keyboard.press("Enter")
        plain.wait_for_url("**/orders/o1")

    def test_a_test_card_is_filled_in_by_its_link(
        self, plain: Page, api: stripe.StripeClient, shop: Shop
    ) -> None:
        plain.goto(open_setup(api, **at_shop(shop)).url)
        plain.click("text=4000 0000 0000 9995")
        assert plain.input_value("#number") == "4000 0000 0000 9995"
        plain.click("text=Save this card")
        assert "insufficient funds" in plain.inner_text('[role="alert"]')

    def test_cancel_leads_back_and_leaves_the_session_open(
        self, plain: Page, api: stripe.StripeClient, shop: Shop
    ) -> None:
        session = open_setup(api, **at_shop(shop))
        plain.goto(session.url)
        plain.click("text=Cancel and go back")
        plain.wait_for_url("**/apps/halyard")
        assert api.v1.checkout.sessions.retrieve(session.id).status == "open"


def test_each_wrong_field_is_named_and_linked(
    plain: Page, api: stripe.StripeClient, shop: Shop
) -> None:
    plain.goto(open_setup(api, **at_shop(shop)).url)
    type_card(plain, "4111 1111 1111 1111")
    plain.wait_for_selector('[role="alert"]')
    assert plain.input_value("#number") == ""
    assert plain.get_attribute("#number", "aria-invalid") == "true"
    assert plain.get_attribute("#expiry", "aria-invalid") is None
    links = plain.locator('[role="alert"] a')
    assert [link.get_attribute("href") for link in links.all()] == ["#number"]
    assert "test card" in links.first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_scrolls_sideways_or_breaks_a_rule_of_axe(
    browser: Browser,
    processor: Handle,
    api: stripe.StripeClient,
    shop: Shop,
    scheme: Any,
    width: int,
) -> None:
    processor.set_endpoint(shop.url, ["whsec_1"])
    setup, payment = open_setup(api, **at_shop(shop)), open_payment(api, **at_shop(shop))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()

    def check() -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    for url in (setup.url, payment.url, f"{processor.url}/_sim/"):
        page.goto(url)
        check()
    page.goto(setup.url)
    page.click("text=Save this card")
    check()
    type_card(page, "4000000000003220")
    page.wait_for_url("**/confirm")
    check()
    api.v1.checkout.sessions.expire(payment.id)
    page.goto(payment.url)
    check()
    context.close()


def test_axe_finds_what_is_wrong(browser: Browser) -> None:
    """The negative control: a page full of mistakes does not pass."""
    page = browser.new_page()
    page.set_content("<html><body><img src=x><input><button></button></body></html>")
    assert Axe().run(page).violations_count >= 3
    page.close()
