"""Leaving while others are at it: one database call at a time, in many orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.store import Claim
from chalicelib.core.clock import DAY, HOUR
from chalicelib.rights import wiring as rights
from chalicelib.storage.dynamo import ConditionFailed
from tests.payments.conftest import interleaved
from tests.rights.conftest import MORA, buy, opens, register, sweep, tombstone

if TYPE_CHECKING:
    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock
    from tests.payments.conftest import FakeProcessor

pytestmark = [pytest.mark.dynamodb_local, pytest.mark.promise("PS-70")]
SEEDS = pytest.mark.parametrize("seed", range(6))


def erase() -> None:
    rights.erasure().ask(MORA, 0)


def failures(results: list[object]) -> list[object]:
    return [each for each in results if isinstance(each, BaseException)]


@SEEDS
def test_a_registration_with_the_same_address_comes_before_or_after(
    mora: Account, seed: int
) -> None:
    results = interleaved(seed, erase, lambda: register("acc_next", verifier="none"))
    refused = [each for each in failures(results) if isinstance(each, ConditionFailed)]
    assert failures(results) == refused
    sweep()
    owner = wiring.account_store().owner(Claim.EMAIL, mora.email_claim)
    assert owner == (None if refused else "acc_next")
    assert tombstone(MORA)
    assert opens(mora.subject) == []


@SEEDS
def test_a_payment_that_comes_in_meanwhile_is_booked_with_its_record_or_waits_for_a_refund(
    mora: Account, processor: FakeProcessor, crew: Plan, seed: int
) -> None:
    order = wiring.orders().place(MORA, "halyard", crew.id, "a", seats=1)
    wiring.orders().card_page(order, "https://cetrus.test/orders/x")
    processor.complete(f"cs_{order.id}")
    fulfill = wiring.payments().fulfillment.fulfill
    assert failures(interleaved(seed, erase, lambda: fulfill(MORA, order.id))) == []
    sweep()
    found = wiring.payment_store().order(MORA, order.id)
    assert found
    if found.state == "paid":
        head = wiring.licenses().head(found.license_id or "")
        assert head
        assert head.standing == "revoked"
        assert rights.erasure().fiscal.found(MORA)
    else:
        assert found.refusal == "gone"
        assert wiring.licenses().of_account(MORA) == []
    assert opens(mora.subject) == []


@SEEDS
def test_a_renewal_meanwhile_is_booked_or_never_charged(
    mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock, seed: int
) -> None:
    license_id = buy(processor, crew).license_id or ""
    clock.advance(31 * DAY)
    assert failures(interleaved(seed, erase, wiring.renewals().sweep)) == []
    for _ in range(3):
        clock.advance(HOUR)
        wiring.renewals().sweep()
        sweep()
    found = wiring.subscription_store().subscription(MORA, license_id)
    assert found
    assert found.state == "ended"
    booked = [each for each in wiring.taken().of_account(MORA) if each.period]
    assert len(booked) == len(processor.charged) <= 1
    assert tombstone(MORA)
    assert opens(mora.subject) == []


@SEEDS
@pytest.mark.promise("PS-73")
def test_an_erasure_and_a_rest_at_once_leave_no_key_in_its_place(mora: Account, seed: int) -> None:
    results = interleaved(seed, erase, lambda: rights.deactivation().deactivate(MORA))
    assert len(failures(results)) <= 1
    sweep()
    assert opens(mora.subject) == []
