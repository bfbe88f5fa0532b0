"""Giving money back by a command: once, never too much, and booked by its event."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib.core.errors import InvalidInput, NotFound
from infra import admin
from infra.operate import money
from tests.payments.conftest import books, subscribed
from tests.payments.test_settling import payment_of, told

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Plan
    from chalicelib.payments.periods import Subscription
    from tests.conftest import Tables
    from tests.payments.conftest import FakeProcessor


@pytest.fixture
def of(crew: Plan, processor: FakeProcessor) -> Subscription:
    return subscribed(processor, crew, seats=3)


def test_a_part_and_then_the_rest_are_given_back(
    of: Subscription, tables: Tables, processor: FakeProcessor
) -> None:
    first = money.refund(payment_of(of), "7.00")
    assert (first["given_back"], first["left"]) == ("7.00 USD", "20.00 USD")
    told("charge.refunded", payment_of(of), "evt_1")
    assert money.refund(payment_of(of), "")["given_back"] == "20.00 USD"
    told("charge.refunded", payment_of(of), "evt_2")
    assert books(tables) == {"sales": -2_700, "refunds": 2_700}


def test_asked_again_before_its_event_came_it_is_the_same_refund(
    of: Subscription, processor: FakeProcessor
) -> None:
    for _ in range(2):
        money.refund(payment_of(of), "7.00")
    assert processor.payments[payment_of(of)].refunded == 700


def test_a_refund_that_came_back_is_given_again_by_the_same_command(
    of: Subscription, tables: Tables, processor: FakeProcessor
) -> None:
    name = payment_of(of)
    money.refund(name, "7.00")
    told("charge.refunded", name, "evt_1")
    processor.payments[name] = replace(processor.payments[name], refunded=0)
    told("refund.failed", name, "evt_2")
    assert books(tables) == {"processor": 2_700, "sales": -2_700}
    assert money.refund(name, "7.00")["left"] == "20.00 USD"
    assert processor.payments[name].refunded == 700
    told("charge.refunded", name, "evt_3")
    assert books(tables) == {"processor": 2_000, "sales": -2_700, "refunds": 700}


@pytest.mark.parametrize("amount", ["27.01", "0", "-1", "1.005", "some", "1/0"])
def test_what_cannot_be_given_back_is_not_asked_for(
    amount: str, of: Subscription, processor: FakeProcessor
) -> None:
    with pytest.raises(InvalidInput):
        money.refund(payment_of(of), amount)
    assert processor.payments[payment_of(of)].refunded == 0


def test_a_payment_that_is_not_ours_is_unknown(plan: Plan) -> None:
    with pytest.raises(NotFound):
        money.refund("pi_other", "")


def test_the_books_of_a_month_are_printed_with_their_sums(
    of: Subscription, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin.main(["books", "--month", "2026-11"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["balances"] == {"USD": {"processor": 2_700, "sales": -2_700}}
    assert said["sums"] == {"USD": 0}
