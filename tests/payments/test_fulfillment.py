"""A license exists if and only if its ground does, whatever happens to webhooks (G5, G12)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import State
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.errors import CetrusError, Unavailable
from chalicelib.payments.rules import (
    AlreadyLicensed,
    BadEvent,
    OrderUnknown,
    PlanUnknown,
    read_event,
)
from chalicelib.payments.service import EventChanged
from tests.crash import Killed, recorded
from tests.payments.conftest import OWNER, STRANGER, FakeProcessor, add_account, halyard
from tests.payments.test_rules import signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.catalog.rules import Plan
    from chalicelib.payments.processor import CheckoutState
    from chalicelib.payments.rules import Order
    from tests.conftest import FakeClock, Tables

BACK = "https://cetrus.test/orders/x"


def ordered(plan: Plan, attempt: str = "a") -> Order:
    order = wiring.orders().place(OWNER, "halyard", plan.id, attempt)
    wiring.orders().card_page(order, BACK)
    return wiring.orders().of(OWNER, order.id)


def another_plan() -> Plan:
    return wiring.catalog().add_plan(
        halyard(), kind="metered", name="Other", price="0.50", currency="USD"
    )


def body(order: Order, event_id: str = "evt_1", kind: str = "completed") -> bytes:
    buyer = {"email": "buyer-canary@example.com"}
    subject = {"id": order.session_id, "client_reference_id": order.id, "customer_details": buyer}
    event = {"id": event_id, "type": f"checkout.session.{kind}", "data": {"object": subject}}
    return json.dumps(event).encode()


def webhook(raw: bytes) -> None:
    wiring.inbox().receive(raw, signature(raw, at=wiring.now(), secret="whsec_test"))


def kinds(tables: Tables) -> Counter[str]:
    """How many items of each type there are, heads of licenses among them."""
    return Counter(i.get("type", "") for name in ("accounts", "usage") for i in tables.items(name))


def messages(tables: Tables) -> list[str]:
    found = (item for item in tables.items("accounts") if item.get("type") == "message")
    return sorted(item["template"] for item in found)


def assert_granted_once(tables: Tables, order: Order) -> None:
    found = kinds(tables)
    assert (found["effect"], found["ownership"], found["vendor_license"]) == (1, 1, 1)
    assert messages(tables) == ["download_ready", "receipt"]
    assert wiring.orders().of(OWNER, order.id).state == "paid"
    (owned,) = wiring.licenses().of_account(OWNER)
    assert wiring.licenses().head(owned.license) is not None


def assert_nothing_granted(tables: Tables) -> None:
    assert wiring.licenses().of_account(OWNER) == []
    assert kinds(tables)["effect"] == 0
    assert messages(tables) == []


class TestOrdering:
    def test_a_double_click_is_one_order(self, plan: Plan, tables: Tables) -> None:
        first = wiring.orders().place(OWNER, "halyard", plan.id, "a")
        assert wiring.orders().place(OWNER, "halyard", plan.id, "a") == first
        assert kinds(tables)["order"] == 1

    @pytest.mark.promise("PS-15")
    def test_an_unconfirmed_account_orders_nothing(self, plan: Plan, tables: Tables) -> None:
        add_account("acc_new", State.UNCONFIRMED)
        with pytest.raises(CetrusError) as refusal:
            wiring.orders().place("acc_new", "halyard", plan.id, "a")
        assert 400 <= refusal.value.status < 500
        assert kinds(tables)["order"] == 0

    def test_an_account_that_does_not_exist_orders_nothing(
        self, plan: Plan, tables: Tables
    ) -> None:
        with pytest.raises(CetrusError):
            wiring.orders().place("acc_nobody", "halyard", plan.id, "a")
        assert kinds(tables)["order"] == 0

    def test_a_plan_that_the_application_does_not_have_is_refused(self, plan: Plan) -> None:
        with pytest.raises(PlanUnknown):
            wiring.orders().place(OWNER, "halyard", "pln_other", "a")

    def test_another_account_sees_no_such_order(self, plan: Plan) -> None:
        order = ordered(plan)
        for look in (wiring.orders().of, wiring.orders().settle):
            with pytest.raises(OrderUnknown):
                look(STRANGER, order.id)

    def test_the_card_page_asked_for_again_is_the_same_page(
        self, plan: Plan, processor: FakeProcessor
    ) -> None:
        order = ordered(plan)
        again = wiring.orders().card_page(order, "https://cetrus.test/api/orders/x")
        assert again == processor.checkouts[f"cs_{order.id}"].url
        assert len(processor.checkouts) == 1

    def test_a_plan_that_is_held_already_is_not_ordered_twice(
        self, plan: Plan, processor: FakeProcessor
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        wiring.orders().settle(OWNER, order.id)
        with pytest.raises(AlreadyLicensed):
            wiring.orders().place(OWNER, "halyard", plan.id, "b")


class TestWays:
    @pytest.mark.promise("PS-16")
    def test_before_the_processor_confirms_there_is_no_license(
        self, plan: Plan, tables: Tables
    ) -> None:
        order = ordered(plan)
        webhook(body(order))
        wiring.payments().process("evt_1")
        wiring.orders().settle(OWNER, order.id)
        assert_nothing_granted(tables)
        assert wiring.orders().of(OWNER, order.id).state == "checkout"

    @pytest.mark.guarantee("G5")
    @pytest.mark.parametrize("ways", list(permutations(["webhook", "copy", "return", "sweep"])))
    def test_any_order_and_number_of_ways_grants_once(
        self,
        ways: tuple[str, ...],
        plan: Plan,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        clock.advance(HOUR)
        webhook(body(order, "evt_1"))
        webhook(body(order, "evt_2"))
        run: dict[str, Callable[[], object]] = {
            "webhook": lambda: wiring.payments().process("evt_1"),
            "copy": lambda: wiring.payments().process("evt_2"),
            "return": lambda: wiring.orders().settle(OWNER, order.id),
            "sweep": lambda: wiring.payments().sweep(),
        }
        for way in ways:
            run[way]()
        assert_granted_once(tables, order)

    @pytest.mark.parametrize("way", ["webhook", "return", "sweep"])
    def test_each_way_alone_is_enough(
        self, way: str, plan: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        if way == "webhook":
            webhook(body(order))
            wiring.payments().process("evt_1")
        elif way == "return":
            wiring.orders().settle(OWNER, order.id)
        else:
            clock.advance(HOUR)
            wiring.payments().sweep()
        assert_granted_once(tables, order)

    @pytest.mark.guarantee("G12")
    def test_an_event_ends_in_the_transaction_of_its_effects(
        self, plan: Plan, processor: FakeProcessor
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        webhook(body(order))
        with recorded() as calls:
            wiring.payments().process("evt_1")
        written = [action for _, action in calls.made if action.startswith(("Update", "Transact"))]
        assert written == ["TransactWriteItems"]
        assert (wiring.payments().store.inbox("evt_1") or {})["state"] == "done"

    def test_a_checkout_of_another_order_grants_nothing(
        self, plan: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        order = wiring.orders().place(OWNER, "halyard", plan.id, "a")
        other = ordered(another_plan())
        processor.complete(f"cs_{other.id}")
        wiring.payments().fulfillment.fulfill(OWNER, order.id, session_id=f"cs_{other.id}")
        assert_nothing_granted(tables)

    @pytest.mark.guarantee("G5")
    def test_one_card_set_up_is_the_ground_of_one_license(
        self, plan: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        one, other = ordered(plan), ordered(another_plan())
        for order in (one, other):
            processor.complete(f"cs_{order.id}")
        session = f"cs_{other.id}"
        processor.checkouts[session] = replace(
            processor.checkouts[session], setup_intent=f"seti_cs_{one.id}"
        )
        wiring.orders().settle(OWNER, one.id)
        with pytest.raises(Unavailable):
            wiring.orders().settle(OWNER, other.id)
        assert_granted_once(tables, one)

    @pytest.mark.guarantee("G5")
    def test_a_slow_look_never_wins_over_a_newer_one(
        self,
        plan: Plan,
        tables: Tables,
        processor: FakeProcessor,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        order = ordered(plan)
        processor.expire(f"cs_{order.id}")
        slow = processor.checkouts[f"cs_{order.id}"]
        processor.complete(f"cs_{order.id}")
        look = processor.read_checkout

        def look_slowly(session_id: str) -> CheckoutState:
            monkeypatch.setattr(processor, "read_checkout", look)
            wiring.orders().settle(OWNER, order.id)
            return slow

        monkeypatch.setattr(processor, "read_checkout", look_slowly)
        wiring.orders().settle(OWNER, order.id)
        assert_granted_once(tables, order)

    def test_a_checkout_that_expired_ends_the_order(
        self, plan: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = ordered(plan)
        processor.expire(f"cs_{order.id}")
        clock.advance(DAY)
        wiring.payments().sweep()
        assert wiring.orders().of(OWNER, order.id).state == "abandoned"
        assert_nothing_granted(tables)

    def test_an_order_that_never_reached_the_card_page_ends_after_a_day(
        self, plan: Plan, clock: FakeClock
    ) -> None:
        order = wiring.orders().place(OWNER, "halyard", plan.id, "a")
        clock.advance(DAY)
        wiring.payments().sweep()
        assert wiring.orders().of(OWNER, order.id).state == "abandoned"


class TestInbox:
    def test_a_known_event_again_does_nothing(
        self, plan: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        for _ in range(3):
            webhook(body(order))
            wiring.payments().process("evt_1")
        assert_granted_once(tables, order)
        assert kinds(tables)["inbox"] == 1

    def test_the_same_id_with_another_body_is_a_conflict(self, plan: Plan) -> None:
        order = ordered(plan)
        webhook(body(order))
        with pytest.raises(EventChanged):
            webhook(body(order, kind="expired"))

    @pytest.mark.promise("PS-16")
    @pytest.mark.promise("PS-48")
    def test_what_the_processor_did_not_sign_is_not_kept(self, plan: Plan, tables: Tables) -> None:
        raw = body(ordered(plan))
        with pytest.raises(BadEvent):
            wiring.inbox().receive(raw, signature(raw, at=wiring.now(), secret="whsec_forged"))
        assert kinds(tables)["inbox"] == 0

    @pytest.mark.guarantee("G8")
    def test_nothing_that_the_buyer_typed_at_the_processor_is_kept(
        self, plan: Plan, tables: Tables
    ) -> None:
        webhook(body(ordered(plan)))
        assert "buyer-canary" not in tables.dump()

    def test_an_event_of_no_order_of_ours_waits_ever_longer_and_is_given_up_after_72_hours(
        self, plan: Plan, tables: Tables, clock: FakeClock
    ) -> None:
        raw = body(ordered(plan)).replace(b"ord_", b"ordx")
        webhook(raw)
        for _ in range(400):
            wiring.payments().sweep()
            kept = wiring.payment_store().inbox("evt_1") or {}
            if kept["state"] == "done":
                break
            clock.advance(HOUR)
        assert (kept["state"], kept["outcome"]) == ("done", "unmatched")
        assert kept["attempts"] < 30
        assert clock.now - kept["received_at"] >= 72 * HOUR

    def test_the_sweep_finds_events_that_were_never_delivered(
        self, plan: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        processor.events.append(read_event(body(order)))
        clock.advance(MINUTE)
        wiring.payments().sweep()
        assert_granted_once(tables, order)

    def test_an_event_that_the_sweep_listed_first_may_still_be_delivered_with_one_body(
        self, plan: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        processor.events.append(replace(read_event(body(order)), sha256=""))
        clock.advance(MINUTE)
        wiring.payments().sweep()
        webhook(body(order))
        webhook(body(order))
        with pytest.raises(EventChanged):
            webhook(body(order, kind="expired"))
        assert_granted_once(tables, order)

    def test_one_event_that_fails_stops_no_other(
        self, plan: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        poisoned, sound = ordered(plan), ordered(another_plan())
        processor.complete(f"cs_{sound.id}")
        webhook(body(poisoned, "evt_1"))
        webhook(body(sound, "evt_2"))
        del processor.checkouts[f"cs_{poisoned.id}"]
        clock.advance(HOUR)
        wiring.payments().sweep()
        assert_granted_once(tables, sound)


class TestDeaths:
    """Killed at every cloud call, then the next sweep: nothing lost, nothing doubled (G12)."""

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("death", range(14))
    @pytest.mark.parametrize("way", ["webhook", "return"])
    def test_a_death_anywhere_is_repaired_by_the_sweep(
        self,
        way: str,
        death: int,
        after: bool,
        plan: Plan,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")

        def act() -> None:
            if way == "return":
                wiring.orders().settle(OWNER, order.id)
            else:
                webhook(body(order))
                wiring.payments().process("evt_1")

        try:
            with recorded(death, after=after) as calls:
                act()
        except Killed:
            pass
        else:
            assert len(calls) <= death, "it survived a death that it met"
        clock.advance(HOUR)
        wiring.payments().sweep()
        assert_granted_once(tables, order)

    def test_the_deaths_tried_reach_past_the_last_call(
        self, plan: Plan, processor: FakeProcessor
    ) -> None:
        order = ordered(plan)
        processor.complete(f"cs_{order.id}")
        with recorded() as calls:
            webhook(body(order))
            wiring.payments().process("evt_1")
        assert len(calls) <= 14
