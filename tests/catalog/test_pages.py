"""`/apps` and an application's page: prices, the calculator, and a form for each plan."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR
from tests.browser import Browser
from tests.identity.conftest import Desk, desk, offer

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Application, Plan
    from tests.conftest import Tables

__all__ = ["desk", "offer"]  # fixtures of another folder
OFFERS: tuple[dict[str, Any], ...] = (
    {"kind": "pass", "name": "Twenty", "price": "5.00", "prepaid_ms": 20 * HOUR,
     "valid_ms": 365 * DAY},
    {"kind": "subscription", "name": "Crew", "price": "9.00", "period_months": 1},
    {"kind": "trial", "name": "Try it", "valid_ms": 14 * DAY},
)  # fmt: skip


@pytest.fixture
def plans(offer: tuple[Application, Plan]) -> dict[str, Plan]:
    """The application of the desk under plans of all four kinds, by kind."""
    application, metered = offer
    made = [wiring.catalog().add_plan(application, currency="USD", **facts) for facts in OFFERS]
    return {plan.kind: plan for plan in (metered, *made)}


def forms(text: str) -> dict[str, dict[str, str]]:
    """The fields of each order form, by its plan."""
    found = {}
    for form in re.findall(r'(?s)<form method="post" action="[^"]*/orders">.*?</form>', text):
        tags = re.findall(r"<input ([^>]*)>", form)
        pairs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in tags]
        fields = {pair["name"]: pair.get("value", "") for pair in pairs}
        found[fields["plan"]] = fields
    return found


class TestPlans:
    def test_each_is_said_in_plain_words(self, plans: dict[str, Plan]) -> None:
        words = Browser().get("/apps/orchard").words
        for sentence in (
            "0.37 USD an hour of use",
            "Each calendar month is to be billed after its end",
            "it is measured and shown, and not charged yet.",
            "5.00 USD for 20 hours of use",
            "You pay 5.00 USD once, now: 0.25 USD an hour.",
            "It is good for 365 days from today; what is left then is lost.",
            "9.00 USD a seat each month",
            "You pay the first month now, and each further one at its start, until you cancel.",
            "Free for 14 days",
            "Your card is saved and not charged, neither now nor when the trial ends.",
        ):
            assert sentence in words

    def test_a_visitor_is_led_to_an_account_and_back(self, plans: dict[str, Plan]) -> None:
        text = Browser().get("/apps/orchard").text
        assert forms(text) == {}
        assert "/login?next=/apps/orchard" in text

    def test_what_one_has_already_is_said_instead_of_offered(
        self, desk: Desk, plans: dict[str, Plan]
    ) -> None:
        assert "You have this" not in desk.browser.get("/apps/orchard").words
        trial = replace(desk, plan=plans["trial"]).license()
        replace(desk, plan=plans["pass"]).license()
        page = desk.browser.get("/apps/orchard")
        assert page.words.count("You have this") == len({"trial", "pass"})
        assert 'href="/account/computers">See where it runs' in page.text
        assert set(forms(page.text)) == {p.id for p in plans.values()} - {plans["trial"].id}
        for path in ("/account", "/account/downloads"):
            assert "<code>pip install ./client</code>" in desk.browser.get(path).text
        wiring.licenses().revoke(trial)
        page = desk.browser.get("/apps/orchard")
        assert "You had your trial" in page.words
        assert plans["trial"].id not in forms(page.text)
        order = {"plan": plans["trial"].id, "terms": "1", "attempt": "again"}
        refused = desk.browser.post("/apps/orchard/orders", order, page="/account/setup/password")
        assert refused.status == 409
        assert 'href="/apps/orchard">Back to its page</a>' in refused.text

    def test_each_has_one_form_and_a_subscription_asks_for_seats(
        self, desk: Desk, plans: dict[str, Plan]
    ) -> None:
        found = forms(desk.browser.get("/apps/orchard").text)
        assert set(found) == {plan.id for plan in plans.values()}
        for kind, plan in plans.items():
            assert found[plan.id]["terms"] == "1"
            assert found[plan.id]["attempt"]
            assert ("seats" in found[plan.id]) is (kind == "subscription")

    def test_a_form_of_other_terms_than_the_plan_has_now_orders_nothing(
        self, desk: Desk, plans: dict[str, Plan]
    ) -> None:
        order = {"plan": plans["pass"].id, "terms": "2", "attempt": "old"}
        refused = desk.browser.post("/apps/orchard/orders", order, page="/apps/orchard")
        assert refused.status == 409
        assert "Nothing was charged" in refused.text

    def test_one_without_plans_says_so(self, tables: Tables) -> None:
        wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Harbor", slug="bare", name="Bare", summary="Bare",
            description="",
        )  # fmt: skip
        words = Browser().get("/apps/bare").words
        assert "Bare has no plan yet." in words
        assert "What would it cost you?" not in words

    def test_seats_that_cannot_be_ordered_are_said_beside_their_form(
        self, desk: Desk, plans: dict[str, Plan]
    ) -> None:
        fields = forms(desk.browser.get("/apps/orchard").text)[plans["subscription"].id]
        answer = desk.browser.post(
            "/apps/orchard/orders", {**fields, "seats": "0"}, page="/apps/orchard"
        )
        assert answer.status == 422
        assert '<a href="#seats">' in answer.text
        assert 'id="seats-error"' in answer.text
        assert forms(answer.text)[plans["subscription"].id]["seats"] == "0"

    def test_an_order_without_seats_is_answered_the_same(
        self, desk: Desk, plans: dict[str, Plan]
    ) -> None:
        fields = forms(desk.browser.get("/apps/orchard").text)[plans["subscription"].id]
        del fields["seats"]
        answer = desk.browser.post("/apps/orchard/orders", fields, page="/apps/orchard")
        assert answer.status == 422
        assert 'id="seats-error"' in answer.text


class TestCalculator:
    def test_is_empty_until_something_is_asked(self, plans: dict[str, Plan]) -> None:
        answer = Browser().get("/apps/orchard")
        assert "Say how much you use it" in answer.words
        assert "Cheapest" not in answer.words

    def test_reckons_each_plan_and_names_the_cheapest(self, plans: dict[str, Plan]) -> None:
        words = Browser().get("/apps/orchard?hours=30&computers=2").words
        assert "30 h a month on 2 computers" in words
        assert "60 hours at 0.37 USD an hour 22.20 USD" in words
        assert "Twenty Cheapest 3 passes of 20 hours, nothing left over 15.00 USD" in words
        assert "2 seats at 9.00 USD a month 18.00 USD" in words
        assert words.count("Cheapest") == 1
        assert "Try it is free for 14 days, once." in words

    def test_keeps_what_was_typed_and_proposes_the_seats(
        self, desk: Desk, plans: dict[str, Plan]
    ) -> None:
        text = desk.browser.get("/apps/orchard?hours=7,5&computers=4").text
        assert 'name="hours"' in text
        assert 'value="7,5"' in text
        assert forms(text)[plans["subscription"].id]["seats"] == "4"

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("hours=&computers=1", "hours"), ("hours=800&computers=1", "hours"),
            ("hours=1&computers=0", "computers"), ("computers=1", "hours"),
            ("hours=%3Cscript%3E&computers=1", "hours"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_said_and_can_be_mended(
        self, plans: dict[str, Plan], query: str, field: str
    ) -> None:
        answer = Browser().get(f"/apps/orchard?{query}")
        assert answer.status == 422
        assert f'<a href="#{field}">' in answer.text
        assert f'id="{field}-error"' in answer.text
        assert "<title>Error: " in answer.text
        assert "<script>" not in answer.text
        assert "Say how much you use it" not in answer.words

    def test_a_page_with_all_of_it_is_small(self, desk: Desk, plans: dict[str, Plan]) -> None:
        text = desk.browser.get("/apps/orchard?hours=30&computers=2").text
        assert len(text.encode()) < 15_000


class TestList:
    def test_says_where_prices_start(self, plans: dict[str, Plan]) -> None:
        words = Browser().get("/apps").words
        assert "0.37 USD an hour of use" in words
        assert "5.00 USD for 20 hours of use" in words
        assert "9.00 USD a seat each month" in words
        assert "Free for 14 days" in words

    def test_an_application_without_plans_has_no_price(self, tables: Tables) -> None:
        wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Harbor", slug="bare", name="Bare", summary="Bare",
            description="",
        )  # fmt: skip
        assert "No plan yet" in Browser().get("/apps").words
