"""What is bought: the price that was shown is the price that is charged, and it is charged once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, months_after
from chalicelib.payments.periods import GRACE
from chalicelib.payments.rules import AlreadyLicensed, SeatsWrong, TermsChanged, TrialTaken
from tests.crash import at_every_call
from tests.payments.conftest import (
    OWNER,
    STRANGER,
    books,
    buy,
    interleaved,
    mails,
    subscribed,
)
from tests.payments.test_fulfillment import body, kinds, webhook

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Plan
    from chalicelib.payments.rules import Order
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

BACK = "https://cetrus.test/orders/x"


def ordered(plan: Plan, attempt: str = "a", **of: Any) -> Order:
    order = wiring.orders().place(OWNER, "halyard", plan.id, attempt, **of)
    wiring.orders().card_page(order, BACK)
    return wiring.orders().of(OWNER, order.id)


class TestPrices:
    def test_a_subscription_costs_its_price_times_the_seats(
        self, crew: Plan, processor: FakeProcessor
    ) -> None:
        order = ordered(crew, seats=3)
        asked = processor.checkouts[f"cs_{order.id}"].payment
        assert order.amount == crew.due(3).minor == 2_700
        assert asked is not None
        assert (asked.amount, asked.currency) == (2_700, "USD")

    @pytest.mark.parametrize("seats", [None, 0, 201])
    def test_a_subscription_needs_a_number_of_seats(self, crew: Plan, seats: int | None) -> None:
        with pytest.raises(SeatsWrong):
            wiring.orders().place(OWNER, "halyard", crew.id, "a", seats=seats)

    def test_seats_of_what_has_none_are_not_counted(self, day_pass: Plan) -> None:
        order = wiring.orders().place(OWNER, "halyard", day_pass.id, "a", seats=7)
        assert (order.seats, order.amount) == (None, 500)

    def test_terms_that_are_not_those_that_were_shown_are_not_ordered(
        self, crew: Plan, tables: Tables
    ) -> None:
        with pytest.raises(TermsChanged):
            wiring.orders().place(OWNER, "halyard", crew.id, "a", seats=1, terms=2)
        assert kinds(tables)["order"] == 0
        wiring.orders().place(OWNER, "halyard", crew.id, "a", seats=1, terms=1)

    @pytest.mark.guarantee("G5")
    @pytest.mark.parametrize(
        "paid", [{"received": 2_699}, {"received": 2_701}, {"currency": "EUR"}]
    )
    def test_another_amount_or_currency_grants_nothing_and_is_posted_for_nobody(
        self, paid: dict[str, Any], crew: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        order = ordered(crew, seats=3)
        processor.complete(f"cs_{order.id}", **paid)
        for _ in range(2):
            after = wiring.orders().settle(OWNER, order.id)
        assert (after.state, after.refusal) == ("refused", "amount")
        assert wiring.licenses().of_account(OWNER) == []
        assert mails(tables) == []
        (entry,) = (item for item in tables.items("accounts") if item["type"] == "entry")
        amount, currency = paid.get("received", 2_700), paid.get("currency", "USD")
        assert entry["postings"] == {"processor": amount, "unmatched": -amount}
        assert entry["currency"] == currency


class TestGrants:
    @pytest.mark.guarantee("G5")
    def test_a_subscription_has_its_seats_its_end_and_its_next_charge(
        self, crew: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        of = subscribed(processor, crew, seats=3)
        head = wiring.licenses().head(of.license_id)
        assert head is not None
        assert len(head.slots or ()) == 3
        assert head.ends_at == months_after(clock.now, 1) + GRACE
        assert (of.period_end, of.next_charge) == (months_after(clock.now, 1),) * 2
        assert books(tables) == {"processor": 2_700, "sales": -2_700}
        assert mails(tables) == ["download_ready", "receipt"]
        assert kinds(tables)["payment"] == 1

    def test_a_pass_holds_what_was_paid_and_is_not_renewed(
        self, day_pass: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        order = buy(processor, day_pass)
        view = wiring.licenses().store.view(order.license_id or "")
        assert view.room is not None
        assert view.room.room == day_pass.wallet
        assert books(tables) == {"processor": 500, "sales": -500}
        assert wiring.subscriptions().of_account(OWNER) == []

    def test_a_trial_takes_a_card_and_no_money(
        self, trial: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = buy(processor, trial)
        head = wiring.licenses().head(order.license_id or "")
        assert head is not None
        assert head.ends_at == clock.now + 14 * DAY
        assert (books(tables), kinds(tables)["payment"]) == ({}, 0)

    def test_a_receipt_says_what_was_charged_and_until_when_it_is_paid(
        self, crew: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        subscribed(processor, crew, seats=3)
        (receipt,) = (i for i in tables.items("accounts") if i.get("template") == "receipt")
        told = receipt["arguments"]
        assert (told["kind"], told["charged"], told["price"], told["seats"]) == (
            "subscription", "27.00 USD", "9.00 USD", 3,
        )  # fmt: skip
        assert told["until"] == "25 December 2026"

    def test_money_that_comes_for_an_order_that_was_given_up_is_the_ground_of_a_license(
        self, crew: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = ordered(crew, seats=1)
        processor.expire(f"cs_{order.id}")
        clock.advance(DAY)
        wiring.payments().sweep()
        assert wiring.orders().of(OWNER, order.id).state == "abandoned"
        processor.complete(f"cs_{order.id}")
        webhook(body(order))
        wiring.payments().process("evt_1")
        assert wiring.orders().of(OWNER, order.id).state == "paid"
        assert books(tables) == {"processor": 900, "sales": -900}

    def test_a_payment_that_is_on_its_way_is_waited_for_and_one_that_failed_is_refused(
        self, crew: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        order = ordered(crew, seats=1)
        processor.complete(f"cs_{order.id}", status="processing", received=0)
        assert wiring.orders().settle(OWNER, order.id).state == "checkout"
        processor.complete(f"cs_{order.id}", status="requires_payment_method", received=0)
        after = wiring.orders().settle(OWNER, order.id)
        assert (after.state, after.refusal) == ("refused", "declined")
        assert (wiring.licenses().of_account(OWNER), books(tables)) == ([], {})

    @pytest.mark.guarantee("G12")
    def test_a_death_anywhere_is_repaired_by_the_sweep(
        self, crew: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        numbers = iter(range(1_000))
        wiring.keyed()  # its secret is read once a process

        def prepare() -> Order:
            plan = wiring.catalog().add_plan(
                wiring.catalog().by_slug("halyard"), kind="subscription",
                name=f"Crew {next(numbers)}", price="9.00", currency="USD", period_months=1,
            )  # fmt: skip
            order = ordered(plan, seats=2)
            processor.complete(f"cs_{order.id}")
            return order

        def repaired(order: Order) -> None:
            clock.advance(HOUR)
            wiring.payments().sweep()
            after = wiring.orders().of(OWNER, order.id)
            assert after.state == "paid"
            assert wiring.subscriptions().of(OWNER, after.license_id or "").period == 0
            paid = len([o for o in wiring.orders().all(OWNER) if o.state == "paid"])
            assert books(tables) == {"processor": 1_800 * paid, "sales": -1_800 * paid}

        def settle(order: Order) -> object:
            return wiring.orders().settle(OWNER, order.id)

        assert at_every_call(prepare, settle, repaired) >= 8


class TestOnce:
    def test_two_attempts_at_one_subscription_are_one_order(
        self, crew: Plan, tables: Tables
    ) -> None:
        first, second = ordered(crew, "a", seats=2), ordered(crew, "b", seats=2)
        assert first.id == second.id
        assert kinds(tables)["order"] == 1

    def test_other_seats_take_the_place_of_an_order_that_waits(
        self, both_engines: str, crew: Plan, processor: FakeProcessor
    ) -> None:
        first, second = ordered(crew, "a", seats=2), ordered(crew, "b", seats=5)
        assert wiring.orders().of(OWNER, first.id).state == "abandoned"
        assert processor.checkouts[f"cs_{first.id}"].status == "expired"
        assert second.amount == 4_500

    def test_an_order_that_never_had_a_page_gives_way_too(self, crew: Plan) -> None:
        first = wiring.orders().place(OWNER, "halyard", crew.id, "a", seats=2)
        ordered(crew, "b", seats=5)
        assert wiring.orders().of(OWNER, first.id).state == "abandoned"

    def test_one_that_was_paid_meanwhile_does_not_give_way(
        self, crew: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        first = ordered(crew, "a", seats=2)
        processor.complete(f"cs_{first.id}")
        with pytest.raises(AlreadyLicensed):
            ordered(crew, "b", seats=5)
        assert wiring.orders().of(OWNER, first.id).state == "paid"
        assert books(tables) == {"processor": 1_800, "sales": -1_800}

    def test_a_page_of_an_order_that_was_given_up_meanwhile_is_shown_to_nobody(
        self, crew: Plan, processor: FakeProcessor
    ) -> None:
        order = wiring.orders().place(OWNER, "halyard", crew.id, "a", seats=2)
        wiring.orders().store.table.apply(wiring.orders().store.abandoned(order))
        assert wiring.orders().card_page(order, BACK) == BACK
        assert processor.checkouts[f"cs_{order.id}"].status == "expired"

    @pytest.mark.guarantee("G5")
    @pytest.mark.parametrize("seed", range(8))
    def test_two_clicks_at_the_same_time_are_one_order(
        self, seed: int, crew: Plan, tables: Tables
    ) -> None:
        interleaved(
            seed,
            lambda: ordered(crew, "a", seats=2),
            lambda: ordered(crew, "b", seats=2),
        )
        live = [order for order in wiring.orders().all(OWNER) if not order.settled]
        assert len(live) == 1

    def test_a_subscription_that_runs_is_not_ordered_again(
        self, crew: Plan, processor: FakeProcessor
    ) -> None:
        subscribed(processor, crew)
        with pytest.raises(AlreadyLicensed):
            ordered(crew, "b", seats=1)

    def test_a_plan_whose_license_is_over_may_be_ordered_again(
        self, crew: Plan, plan: Plan, processor: FakeProcessor
    ) -> None:
        for wanted, seats in ((crew, 2), (plan, None)):
            order = buy(processor, wanted, seats=seats)
            wiring.licenses().revoke(order.license_id or "")
            again = buy(processor, wanted, "again", seats=seats)
            assert (again.state, again.id != order.id) == ("paid", True)

    def test_a_pass_may_be_bought_again(
        self, day_pass: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        first, second = buy(processor, day_pass), buy(processor, day_pass, "b")
        assert first.license_id != second.license_id
        assert books(tables) == {"processor": 1_000, "sales": -1_000}

    def test_a_trial_is_had_once_an_account_and_application(
        self, trial: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        other = wiring.catalog().add_plan(
            wiring.catalog().by_slug("halyard"), kind="trial", name="Longer", currency="USD",
            valid_ms=30 * DAY,
        )  # fmt: skip
        first = ordered(trial)
        longer = ordered(other, "b")
        assert wiring.orders().of(OWNER, first.id).state == "abandoned"
        processor.complete(f"cs_{longer.id}")
        wiring.orders().settle(OWNER, longer.id)
        clock.advance(31 * DAY)
        for wanted in (trial, other):
            with pytest.raises(TrialTaken):
                ordered(wanted, "c")
        assert wiring.orders().place(STRANGER, "halyard", trial.id, "a").state == "open"
