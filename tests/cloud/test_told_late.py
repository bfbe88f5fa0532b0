"""What no webhook told of and no click ended: the sweeps find it, each under its own role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.core.clock import to_text
from tests.cloud.conftest import operate
from tests.cloud.people import CARD, WEB, new_customer
from tests.cloud.program import ok
from tests.cloud.test_mail_by_morning import go_to
from tests.cloud.test_purchases import (
    CREW,
    MONTH,
    PASS,
    buy,
    charge_of,
    of_type,
    payments_of,
    sign_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

DAY = 86_400
DECLINED_LATER = {**CARD, "number": "4000000000000341"}


@pytest.fixture
def silence(cloud: LocalCloud) -> Iterator[str]:
    """Where the processor is told to drop every event, until the test is over."""
    place = f"{cloud.processor}/_sim/hostility"
    yield place
    WEB.delete(place)


@pytest.mark.guarantee("G5")
def test_a_dispute_and_a_refund_that_were_never_told_are_found_by_the_sweep(
    cloud: LocalCloud, control: Control, silence: str
) -> None:
    customer = new_customer(cloud, "late-news")
    bought, order = buy(customer, PASS), buy(customer, CREW, seats="1")
    control.settle()
    (paid,), (renewable,) = payments_of(control, bought), payments_of(control, order)
    ok(WEB.post(silence, json={"drop": 1.0, "seed": 1}))
    charge = charge_of(cloud, renewable["id"])
    ok(WEB.post(f"{cloud.processor}/_sim/disputes", json={"charge": charge}))
    operate(cloud, "refund", "--payment", paid["id"], of="infra.admin")
    control.settle()
    assert payments_of(control, order)[0].get("dispute", "") == ""
    assert "A refund for Halyard" not in customer.subjects()
    control.advance(15 * 60)
    control.run("payment_sweep")
    control.settle()
    assert payments_of(control, order)[0]["dispute"] == "open"
    assert "A refund for Halyard" in customer.subjects()
    assert "Ended" in customer.open("/account/computers").text


def test_a_renewal_that_is_never_paid_is_tried_four_times_and_ends(
    cloud: LocalCloud, control: Control, vendor_token: str
) -> None:
    customer = new_customer(cloud, "never-paid")
    order = buy(customer, CREW, seats="1")
    control.settle()
    # Its vendor let it run for another year, which is no reason to run unpaid.
    (subscription,) = of_type(control, "subscription", order)
    later = to_text(subscription["period_end"] + 365 * DAY * 1_000)
    answer = WEB.patch(
        f"{cloud.app}/v1/vendor/licenses/{subscription['license_id']}",
        json={"ends_at": later},
        headers={"authorization": f"Bearer {vendor_token}"},
    )
    assert answer.status_code == 200, answer.text
    customer.open("/account/subscriptions")
    customer.browser.submit("/card")
    page = customer.browser.submit("/c/pay/", **DECLINED_LATER)
    assert page.status == 200, page.text
    control.settle()
    (subscription,) = of_type(control, "subscription", order)
    for days in (0, 3, 5, 7, 8):
        go_to(control, subscription["period_end"] + days * DAY * 1_000)
        control.run("renewal_sweep")
        control.settle()
    assert len(payments_of(control, order)) == 1
    (subscription,) = of_type(control, "subscription", order)
    assert subscription["state"] == "ended"
    tried = [subject for subject in customer.subjects() if "could not charge" in subject]
    assert len(tried) == 4, customer.subjects()
    assert "Your subscription of Halyard has ended" in customer.subjects()
    sign_in(customer)
    assert "Ended" in customer.open("/account/computers").text


@pytest.mark.guarantee("G12")
def test_a_subscription_that_cannot_be_looked_at_waits_behind_the_others(
    cloud: LocalCloud, control: Control
) -> None:
    customer = new_customer(cloud, "hard-to-read")
    order = buy(customer, CREW, seats="1")
    control.settle()
    control.advance(MONTH)
    control.fault(
        "fail", function="renewal_sweep", service="dynamodb", action="GetItem", times=1_000
    )
    assert control.run("renewal_sweep")["failed"] >= 1
    assert len(payments_of(control, order)) == 1
    control.clear_faults()
    control.advance(3_600)
    control.run("renewal_sweep")
    control.settle()
    assert len(payments_of(control, order)) == 2
