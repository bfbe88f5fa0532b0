"""All that the network to the card processor can do at once, while people buy every kind of plan.

One number draws all the troubles; it is in the text of whatever fails, and replays the story.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import CARD, WEB, Customer, new_customer
from tests.cloud.program import ok
from tests.hostile.told import account_of, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
SEEDS = (2026,)
TROUBLES = {
    "duplicate": 0.5, "drop": 0.3, "reorder": 0.5, "retry": 0.4, "stale": 0.3, "future": 0.3,
    "fail_after_commit": 0.4, "lose_response": 0.3, "delay_s": 600,
}  # fmt: skip
PLANS = {"Metered": 0, "Twenty hours": 1_500, "Monthly": 5_800, "Trial": 0}
TRIES = 6
MONTH = 31 * 86_400
pytestmark = [pytest.mark.guarantee("G5"), pytest.mark.guarantee("G12")]


@pytest.fixture
def calm(cloud: LocalCloud) -> Iterator[None]:
    """No trouble outlives its test."""
    yield
    WEB.delete(f"{cloud.processor}/_sim/hostility")


def buy(customer: Customer, plan: str, seed: int) -> str:
    """Order and pay as a person does who goes back and tries again; the order's id."""
    of = customer.cloud.control.seed()
    halyard = of["applications"][0]["id"]
    (wanted,) = (
        p["id"] for p in of["plans"]
        if (p["name"], p.get("application_id", halyard)) == (plan, halyard)
    )  # fmt: skip
    for _ in range(TRIES):
        page = customer.open("/apps/halyard")
        page.parsed.forms[:] = [f for f in page.parsed.forms if f.fields.get("plan") == wanted]
        fields = {"seats": "2"} if plan == "Monthly" else {}
        page = customer.browser.submit("/orders", **fields)
        if "/c/pay/" in page.url:
            break
        assert page.status in {502, 503, 504}, (seed, page.status, page.text)
    checkout = page.path.rpartition("/")[2]
    page = customer.browser.submit("/c/pay/", **CARD)
    assert page.path.startswith("/orders/") or page.status >= 500, (seed, page.url, checkout)
    return page.path.rpartition("/")[2]


def come_to_rest(control: Control) -> None:
    """What is late has come, and the sweeps have looked for what never did."""
    for _ in range(4):
        control.settle()
        control.advance(3600)
        for function in ("payment_sweep", "renewal_sweep", "mail_sweep"):
            control.run(function)
    control.settle()


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled(cloud: LocalCloud, control: Control, seed: int) -> None:
    people = {plan: new_customer(cloud, f"storm-{seed}-{n}") for n, plan in enumerate(PLANS)}
    control.settle()
    ok(WEB.post(f"{cloud.processor}/_sim/hostility", json={**TROUBLES, "seed": seed}))
    orders = {plan: buy(customer, plan, seed) for plan, customer in people.items()}
    come_to_rest(control)
    control.advance(MONTH)
    come_to_rest(control)
    for plan, order in orders.items():
        judge(control, plan, order, people[plan], seed)
    books(cloud, control, orders, seed)


def judge(control: Control, plan: str, order_id: str, customer: Customer, seed: int) -> None:
    """One order, one license, one of each mail, and one payment a period."""
    account = account_of(control, order_id)
    found = [row for row in rows(control) if account in json.dumps(row, default=str)]
    kinds = {kind: [row for row in found if row["type"] == kind] for kind in KINDS}
    told = (seed, plan, order_id)
    assert [order["state"] for order in kinds["order"]] == ["paid"], told
    assert len(kinds["ownership"]) == len(kinds["license"]) == 1, told
    periods = {"Monthly": 2, "Twenty hours": 1}.get(plan, 0)
    assert [p["amount"] for p in kinds["payment"]] == [PLANS[plan]] * periods, told
    subjects = Counter(customer.subjects())
    assert max(subjects.values()) == 1, (told, subjects)
    messages = {(m["template"], m["id"]) for m in kinds["message"]}
    receipts = sum(template == "receipt" for template, _ in messages)
    assert receipts == max(periods, 1), (told, messages)
    assert {m["state"] for m in kinds["message"]} <= {"sent", "waiting"}, told


KINDS = ("order", "ownership", "license", "payment", "message", "entry")


def books(cloud: LocalCloud, control: Control, orders: dict[str, str], seed: int) -> None:
    """Every entry sums to zero, and what the books hold is what was paid."""
    accounts = {account_of(control, order) for order in orders.values()}
    entries = [e for e in rows(control, "entry") if e["about"]["account"] in accounts]
    assert all(sum(entry["postings"].values()) == 0 for entry in entries), seed
    held = sum(entry["postings"].get("processor", 0) for entry in entries)
    payments = [p for p in rows(control, "payment") if p["account_id"] in accounts]
    assert held == sum(payment["amount"] for payment in payments) == 1_500 + 2 * 5_800, seed
    known = rows(control, "customer")
    customers = [row["customer"] for row in known if row["pk"].split("#")[1] in accounts]
    assert len(customers) == len(accounts), seed
    sent = ok(WEB.get(f"{cloud.processor}/_sim/deliveries?type=charge.succeeded"))["deliveries"]
    charges = [json.loads(one["body"])["data"]["object"] for one in sent if one.get("body")]
    told = {c["payment_intent"]: c["amount"] for c in charges if c["customer"] in customers}
    # What was dropped is not among them; whatever the processor told of is in the books, once.
    assert told, seed
    assert told.items() <= {payment["id"]: payment["amount"] for payment in payments}.items(), seed
