"""Orders and subscriptions in each of their states, by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY
from tests.edge import test_pages_in_chromium as pages
from tests.edge.test_pages_in_chromium import address, chromium, flaws, page
from tests.rights.conftest import MORA, PASSWORD, PROFILE, buy, register

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock
    from tests.payments.conftest import FakeProcessor

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "page"]  # fixtures of another folder
looked_at = partial(pages.looked_at, "pay")
SUBSCRIPTIONS = "/account/subscriptions"


def enter(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/login")
    page.fill("#login", PROFILE["login"])
    page.fill("#password", PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/account")


def placed(plan: Plan, attempt: str) -> str:
    seats = {"seats": 2} if plan.kind == "subscription" else {}
    order = wiring.orders().place(MORA, "halyard", plan.id, attempt, **seats)
    wiring.orders().card_page(order, "https://cetrus.test/orders/x")
    return order.id


def test_orders_are_sound_in_each_state(
    page: Page, plan: Plan, crew: Plan, day_pass: Plan, trial: Plan, processor: FakeProcessor
) -> None:
    register()
    enter(page)
    assert not looked_at(page, {"no orders": "/orders", "no subscriptions": SUBSCRIPTIONS})
    orders = {each.kind: buy(processor, each, each.kind).id for each in (plan, crew, day_pass)}
    orders["abandoned"] = placed(day_pass, "abandoned")
    processor.expire(f"cs_{orders['abandoned']}")
    wiring.orders().settle(MORA, orders["abandoned"])
    orders["other amount"] = placed(day_pass, "refused")
    processor.complete(f"cs_{orders['other amount']}", received=1)
    wiring.orders().settle(MORA, orders["other amount"])
    orders["waiting"] = placed(day_pass, "waiting")
    paths = {f"order {name}": f"/orders/{order}" for name, order in orders.items()}
    left = f"/orders/{orders['waiting']}?canceled=1"
    assert not looked_at(page, {**paths, "order left": left})
    assert "You left the processor's page" in page.inner_text("main")
    assert not looked_at(page, {"orders": "/orders"})
    assert not looked_at(page, {"order of nobody": "/orders/ord_none"})


def test_subscriptions_are_sound_from_the_first_charge_to_the_last(
    page: Page, plan: Plan, crew: Plan, processor: FakeProcessor, clock: FakeClock
) -> None:
    register()
    order = buy(processor, crew)
    assert order.license_id
    of = wiring.subscriptions().of(MORA, order.license_id)
    cancel = f"{SUBSCRIPTIONS}/{of.license_id}/cancel"
    enter(page)
    assert not looked_at(page, {"subscription": SUBSCRIPTIONS, "cancel": cancel})
    page.get_by_role("button", name="Cancel this subscription").click()
    page.wait_for_url("**/subscriptions?done=canceled")
    assert not flaws(page, "pay canceled")
    page.get_by_role("button", name="Keep this subscription").click()
    page.wait_for_url("**/subscriptions?done=kept")
    assert not flaws(page, "pay kept")
    processor.decline = "expired_card"
    clock.now = of.period_end
    wiring.renewals().sweep()
    enter(page)
    assert not looked_at(page, {"card refused": SUBSCRIPTIONS, "cancel unpaid": cancel})
    for _ in range(20):
        clock.advance(DAY)
        wiring.renewals().sweep()
    enter(page)
    assert not looked_at(page, {"ended": SUBSCRIPTIONS})
