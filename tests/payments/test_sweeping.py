"""What fails or leads to nothing hides nothing else from the sweep; no run begins anew (G12)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.payments import sweeping
from chalicelib.payments.rules import UNWATCHED, Event, read_event
from chalicelib.payments.sweeping import LATE, SLICE
from tests.crash import Killed
from tests.payments.conftest import OWNER
from tests.payments.test_fulfillment import another_plan, body, ordered, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

pytestmark = pytest.mark.guarantee("G12")


def test_card_pages_that_nobody_used_hide_no_newer_order(
    plan: Plan, processor: FakeProcessor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SWEPT", 1)
    unused = ordered(plan)
    clock.advance(MINUTE)
    paid = ordered(another_plan())
    processor.complete(f"cs_{paid.id}")
    clock.advance(UNWATCHED)
    wiring.payments().sweep()
    assert wiring.orders().of(OWNER, paid.id).state == "checkout"
    clock.advance(MINUTE)
    wiring.payments().sweep()
    assert wiring.orders().of(OWNER, paid.id).state == "paid"
    # Its turn comes again, and what became of it is found then.
    processor.complete(f"cs_{unused.id}")
    clock.advance(UNWATCHED)
    wiring.payments().sweep()
    assert wiring.orders().of(OWNER, unused.id).state == "paid"
    assert list(wiring.payment_store().open_orders(clock.now)) == []


def test_orders_that_fail_hide_no_newer_order(
    plan: Plan, processor: FakeProcessor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SWEPT", 1)
    poisoned = ordered(plan)
    clock.advance(MINUTE)
    paid = ordered(another_plan())
    processor.complete(f"cs_{paid.id}")
    del processor.checkouts[f"cs_{poisoned.id}"]
    clock.advance(UNWATCHED)
    for _ in range(2):
        wiring.payments().sweep()
        clock.advance(MINUTE)
    assert wiring.orders().of(OWNER, paid.id).state == "paid"


def test_an_order_that_never_reached_its_page_waits_behind_and_ends_after_a_day(
    plan: Plan, clock: FakeClock
) -> None:
    order = wiring.orders().place(OWNER, "halyard", plan.id, "a")
    clock.advance(UNWATCHED)
    wiring.payments().sweep()
    assert list(wiring.payment_store().open_orders(clock.now - 1)) == []
    clock.advance(DAY)
    wiring.payments().sweep()
    assert wiring.orders().of(OWNER, order.id).state == "abandoned"


def test_events_that_fail_hide_no_other(
    plan: Plan,
    tables: Tables,
    processor: FakeProcessor,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "SWEPT", 1)
    poisoned, sound = ordered(plan), ordered(another_plan())
    processor.complete(f"cs_{sound.id}")
    webhook(body(poisoned, "evt_1"))
    clock.advance(1)
    webhook(body(sound, "evt_2"))
    del processor.checkouts[f"cs_{poisoned.id}"]
    for _ in range(2):
        wiring.payments().sweep()
    assert wiring.orders().of(OWNER, sound.id).state == "paid"
    assert list(wiring.payment_store().due_events(clock.now)) == []
    assert list(wiring.payment_store().due_events(clock.now + UNWATCHED)) == ["evt_1"]
    # Nothing of it is given up: once it can be done, it is.
    processor.open_card_setup(
        order_id=poisoned.id, customer="cus_0", currency="USD", success_url="", cancel_url=""
    )
    processor.complete(f"cs_{poisoned.id}")
    clock.advance(UNWATCHED)
    wiring.payments().sweep()
    assert wiring.orders().of(OWNER, poisoned.id).state == "paid"


def test_an_event_whose_row_cannot_be_read_waits_behind_as_well(
    plan: Plan, clock: FakeClock
) -> None:
    store = wiring.payment_store()
    webhook(body(ordered(plan)))
    key = ("INBOX#stripe#evt_1", "INBOX")
    store.table.apply(
        store.table.update(*key, "REMOVE event_type", condition="v = :v", values={":v": 1})
    )
    wiring.payments().sweep()
    assert list(store.due_events(clock.now)) == []
    assert list(store.due_events(clock.now + UNWATCHED)) == ["evt_1"]


def test_a_run_that_dies_between_slices_leaves_the_next_one_further_on(
    plan: Plan, processor: FakeProcessor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = clock.now
    wiring.payments().sweep()
    event = replace(read_event(body(ordered(plan))), type="customer.updated")
    happened = {
        begun + hours * HOUR: replace(event, id=f"evt_{hours}") for hours in range(0, 12, 2)
    }
    clock.advance(12 * HOUR)
    asked: list[tuple[int, int | None]] = []

    def list_events(since: int, until: int | None = None) -> Iterator[Event]:
        if len(asked) == 2:
            raise Killed
        asked.append((since, until))
        end = clock.now + 1 if until is None else until
        yield from (one for at, one in happened.items() if since <= at < end)

    monkeypatch.setattr(processor, "list_events", list_events)
    for number in range(1, 12):
        try:
            wiring.payments().sweep()
        except Killed:
            reached = begun - number * LATE + number * 2 * SLICE
            assert wiring.payment_store().cursor() == reached
            asked.clear()
        else:
            break
    assert number > 1
    assert wiring.payment_store().cursor() == clock.now
    assert all(wiring.payment_store().inbox(one.id) for one in happened.values())


def test_the_slices_meet_and_the_last_one_has_no_end(
    plan: Plan, processor: FakeProcessor, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int | None]] = []

    def list_events(since: int, until: int | None = None) -> Iterator[Event]:
        asked.append((since, until))
        return iter(())

    monkeypatch.setattr(processor, "list_events", list_events)
    wiring.payments().sweep()
    assert asked[0][0] == clock.now - DAY - LATE
    assert [until for _, until in asked] == [*(since for since, _ in asked[1:]), None]
    assert asked[-1][0] < clock.now <= asked[-1][0] + SLICE
