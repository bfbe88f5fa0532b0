"""Plans of every kind: what each needs, what none may have, and what it comes to."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.catalog.offers import LEAST_CHARGE, rate_of, terms_of
from chalicelib.catalog.rules import Application, Plan, plan_from
from chalicelib.core.clock import DAY, HOUR, from_text, months_after, to_text
from chalicelib.core.errors import Conflict, InvalidInput
from chalicelib.core.money import CURRENCIES, HOUR_MS, MICRO, Money

if TYPE_CHECKING:
    from tests.conftest import Tables

NOON = from_text("2026-11-25T12:00:00Z")
GOOD: dict[str, dict[str, Any]] = {
    "metered": {"price": "0.90", "free_ms": 60_000},
    "pass": {"price": "15.00", "prepaid_ms": 20 * HOUR, "valid_ms": 365 * DAY},
    "subscription": {"price": "29.00", "period_months": 1},
    "trial": {"valid_ms": 14 * DAY},
}


def plan(kind: str, **differently: Any) -> Plan:
    facts: Any = {**GOOD[kind], **differently}
    return Plan("pln_1", "vnd_1", "app_1", kind, "A plan", "USD", terms_of(kind, "USD", facts))


def flaws(kind: str, *, currency: Any = "USD", **differently: Any) -> set[str]:
    facts: Any = {**GOOD.get(kind, {}), **differently}
    with pytest.raises(InvalidInput) as refusal:
        terms_of(kind, currency, facts)
    return set(refusal.value.errors)


class TestTerms:
    @pytest.mark.parametrize("kind", GOOD)
    def test_terms_alone_know_their_kind_and_survive_being_stored(self, kind: str) -> None:
        offered = plan(kind)
        assert offered.terms.kind == kind
        assert plan_from(asdict(offered)) == offered

    @pytest.mark.parametrize("kind", GOOD)
    def test_what_a_kind_needs_it_must_be_given(self, kind: str) -> None:
        for name in GOOD[kind].keys() - {"free_ms"}:
            if (kind, name) != ("pass", "valid_ms"):
                assert flaws(kind, **{name: None}) == {name}

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("metered", "prepaid_ms"), ("metered", "valid_ms"), ("pass", "period_months"),
            ("subscription", "valid_ms"), ("subscription", "free_ms"), ("trial", "price"),
            ("trial", "free_ms"),
        ],
    )  # fmt: skip
    def test_what_a_kind_does_not_have_is_refused(self, kind: str, name: str) -> None:
        assert flaws(kind, **{name: "1.00" if name == "price" else 1}) == {name}

    @pytest.mark.parametrize(
        ("kind", "name", "value"),
        [
            ("pass", "price", "0"), ("pass", "price", "0.001"), ("pass", "price", "-1"),
            ("pass", "price", "1e3"), ("pass", "prepaid_ms", -1),
            ("pass", "valid_ms", 20 * HOUR - 1),
            ("subscription", "period_months", 37), ("subscription", "period_months", -1),
            ("trial", "valid_ms", 3_661 * DAY), ("metered", "free_ms", HOUR + 1),
        ],
    )  # fmt: skip
    def test_what_is_out_of_bounds_is_named(self, kind: str, name: str, value: object) -> None:
        assert flaws(kind, **{name: value}) == {name}

    def test_a_pass_of_more_time_than_a_life_of_work_is_refused(self) -> None:
        assert flaws("pass", prepaid_ms=10_001 * HOUR, valid_ms=None) == {"prepaid_ms"}

    def test_an_unknown_kind_and_currency_are_named_together(self) -> None:
        assert flaws("lifetime", currency="XXX") == {"kind", "currency"}

    def test_a_pass_whose_hour_cannot_be_reckoned_exactly_is_refused(self) -> None:
        assert flaws("pass", price="0.10", prepaid_ms=7 * HOUR) == {"price"}

    @given(st.integers(1, 10**8), st.integers(1, 10_000 * HOUR))
    def test_the_rate_of_a_pass_spends_exactly_its_price(self, price: int, prepaid: int) -> None:
        try:
            rate = rate_of(price, prepaid)
        except InvalidInput:
            assert price * MICRO * HOUR_MS % prepaid
        else:
            assert rate * prepaid == price * MICRO * HOUR_MS


class TestPlans:
    def test_an_order_is_charged_a_pass_or_the_seats_and_else_nothing(self) -> None:
        assert plan("metered").due() == Money(0, "USD")
        assert plan("trial").due() == Money(0, "USD")
        assert plan("pass").due(3) == Money(1_500, "USD")
        assert plan("subscription").due(3) == Money(8_700, "USD")

    def test_only_a_pass_has_a_wallet_and_it_holds_the_price(self) -> None:
        assert {kind: plan(kind).wallet for kind in GOOD} == {
            "metered": None, "pass": 1_500 * MICRO, "subscription": None, "trial": None,
        }  # fmt: skip

    def test_each_kind_ends_as_it_says(self) -> None:
        assert plan("metered").ends_at(NOON) is None
        assert plan("pass").ends_at(NOON) == NOON + 365 * DAY
        assert plan("pass", valid_ms=None).ends_at(NOON) is None
        assert plan("trial").ends_at(NOON) == NOON + 14 * DAY
        assert plan("subscription").ends_at(NOON) == from_text("2026-12-25T12:00:00Z")
        assert plan("subscription").ends_at(NOON, 14) == from_text("2028-01-25T12:00:00Z")

    def test_a_period_is_counted_from_the_purchase_each_time(self) -> None:
        last_day = from_text("2027-01-31T10:00:00Z")
        ends = [to_text(plan("subscription").ends_at(last_day, n) or 0)[:10] for n in (1, 2, 3)]
        assert ends == ["2027-02-28", "2027-03-31", "2027-04-30"]

    @pytest.mark.parametrize(
        ("bought", "periods", "end"),
        [
            ("2026-01-31T10:00:00.123Z", 1, "2026-02-28T10:00:00.123Z"),
            ("2026-01-31T10:00:00.123Z", 2, "2026-03-31T10:00:00.123Z"),
            ("2028-01-30T00:00:00.000Z", 1, "2028-02-29T00:00:00.000Z"),
            ("2026-12-31T23:59:59.999Z", 2, "2027-02-28T23:59:59.999Z"),
        ],
    )
    def test_a_period_is_clamped_from_the_day_of_purchase_and_never_drifts(
        self, bought: str, periods: int, end: str
    ) -> None:
        assert to_text(months_after(from_text(bought), periods)) == end


class TestCatalog:
    def offer(self, slug: str = "halyard") -> Application:
        return wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Harbor", slug=slug, name="Halyard", summary="Tides",
            description="",
        )  # fmt: skip

    @pytest.mark.parametrize("kind", GOOD)
    def test_a_plan_of_each_kind_is_read_as_it_was_added(self, tables: Tables, kind: str) -> None:
        application = self.offer()
        facts: Any = GOOD[kind]
        made = wiring.catalog().add_plan(
            application, kind=kind, name="A plan", currency="USD", **facts
        )
        assert wiring.catalog().plan(application.id, made.id) == made
        (listed,), _ = wiring.catalog().search("", None, 9)
        assert [plan_from(offer) for offer in listed["offers"]] == [made]

    @pytest.mark.parametrize("kind", ["pass", "subscription"])
    @pytest.mark.parametrize(
        ("currency", "little", "least"),
        [
            ("USD", "0.49", "0.50"), ("GBP", "0.29", "0.30"), ("NOK", "2.99", "3.00"),
            ("JPY", "49", "50"), ("KWD", "0.299", "0.300"),
        ],
    )  # fmt: skip
    def test_what_is_less_than_can_be_charged_is_not_offered(
        self, tables: Tables, kind: str, currency: str, little: str, least: str
    ) -> None:
        application = self.offer()
        facts: Any = {**GOOD[kind], "price": little}
        with pytest.raises(InvalidInput) as refusal:
            wiring.catalog().add_plan(
                application, kind=kind, name="A plan", currency=currency, **facts
            )
        assert f"{least} {currency}" in refusal.value.errors["price"]
        facts["price"] = least
        made = wiring.catalog().add_plan(
            application, kind=kind, name="A plan", currency=currency, **facts
        )
        assert made.due().minor == LEAST_CHARGE[currency]

    def test_an_hour_may_cost_less_than_can_be_charged_at_once(self, tables: Tables) -> None:
        facts: Any = {"price": "0.01"}
        plan = wiring.catalog().add_plan(
            self.offer(), kind="metered", name="A plan", currency="USD", **facts
        )
        assert plan.terms.rate > 0

    def test_every_currency_has_its_least_charge(self) -> None:
        assert LEAST_CHARGE.keys() == CURRENCIES

    def test_a_name_is_taken_once_and_nothing_is_listed_twice(self, tables: Tables) -> None:
        application = self.offer()
        facts: Any = GOOD["metered"]
        for _ in range(2):
            try:
                wiring.catalog().add_plan(
                    application, kind="metered", name="A plan", currency="USD", **facts
                )
            except Conflict:
                refused = True
        assert refused
        (listed,), _ = wiring.catalog().search("", None, 9)
        assert len(listed["offers"]) == 1

    def test_a_plan_of_an_application_that_is_not_there_is_refused(self, tables: Tables) -> None:
        stranger = Application("app_none", "vnd_1", "Harbor", "nowhere", "No", "No")
        facts: Any = GOOD["metered"]
        with pytest.raises(Conflict):
            wiring.catalog().add_plan(
                stranger, kind="metered", name="A plan", currency="USD", **facts
            )
