"""A pass and a subscription bought on the processor's page, renewed, asked back and canceled.

Every function runs with its own role, and the processor's worker key is the one that may charge.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.storage.wire import from_wire_item
from tests.cloud.conftest import operate
from tests.cloud.people import PASSWORD, WEB, new_customer
from tests.cloud.program import ok

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud
    from tests.cloud.people import Customer

Json = dict[str, Any]
MONTH = 31 * 86_400
QUARTER = 15 * 60
MONEY = {"order", "payment", "subscription", "attempt", "entry"}
PASS, CREW = "Twenty hours", "Monthly"


def plan_named(cloud: LocalCloud, name: str) -> str:
    return next(str(p["id"]) for p in cloud.control.seed()["plans"] if p["name"] == name)


def buy(customer: Customer, name: str, **fields: str) -> str:
    """Choose the plan on the application's page and pay with a good card; the order's id."""
    page = customer.open("/apps/halyard")
    wanted = plan_named(customer.cloud, name)
    forms = [form for form in page.parsed.forms if form.fields.get("plan") == wanted]
    page.parsed.forms[:] = [form for form in forms if form.action.endswith("/orders")]
    page = customer.browser.submit("/orders", **fields)
    assert "/c/pay/" in page.url, page.text
    page = customer.pay()
    assert page.path.startswith("/orders/"), page.url
    return page.path.rpartition("/")[2]


def sign_in(customer: Customer) -> None:
    customer.open("/login")
    page = customer.browser.submit("/login", login=customer.fields["login"], password=PASSWORD)
    assert page.path == "/account", page.text


def rows(control: Control) -> list[Json]:
    """What is kept of money."""
    found = control.dump()["tables"]["AccountsTable"]["items"]
    return [from_wire_item(item) for item in found if item["type"]["S"] in MONEY]


def of_type(control: Control, kind: str, account_of: str) -> list[Json]:
    """The items of a kind in the account that an order is of."""
    items = rows(control)
    (order,) = (i for i in items if i.get("sk") == f"ORDER#{account_of}")
    return [i for i in items if i.get("type") == kind and i["pk"] == order["pk"]]


def payments_of(control: Control, order: str) -> list[Json]:
    found = of_type(control, "payment", order)
    return sorted((i for i in found if i["order_id"] == order), key=lambda i: i["taken_at"])


def charge_of(cloud: LocalCloud, payment: str) -> str:
    """The processor's charge behind a payment, as its event told of it."""
    sent = ok(WEB.get(f"{cloud.processor}/_sim/deliveries?type=charge.succeeded"))["deliveries"]
    charges = [json.loads(one["body"])["data"]["object"] for one in sent if one["body"]]
    return next(str(one["id"]) for one in charges if one["payment_intent"] == payment)


@pytest.mark.guarantee("G5")
@pytest.mark.promise("PS-39")
def test_a_pass_and_a_subscription_are_bought_renewed_asked_back_and_canceled(
    cloud: LocalCloud, control: Control
) -> None:
    customer = new_customer(cloud, "captain")
    bought = buy(customer, PASS)
    assert "Your pass is paid" in customer.open(f"/orders/{bought}").text
    order = buy(customer, CREW, seats="3")
    control.settle()
    assert "87.00 USD" in customer.open("/account/subscriptions").text

    # The period ends: one charge, however often the sweep runs, with a receipt of its own.
    control.advance(MONTH)
    for _ in range(3):
        control.run("renewal_sweep")
    control.settle()
    (first, second) = payments_of(control, order)
    assert (first["amount"], second["amount"]) == (8_700, 8_700)
    assert "Your subscription of Halyard was renewed" in customer.subjects()

    # A bank asks the renewal back: no new launches, until the dispute is won.
    charge = charge_of(cloud, second["id"])
    opened = ok(WEB.post(f"{cloud.processor}/_sim/disputes", json={"charge": charge}))
    control.settle()
    assert payments_of(control, order)[1]["dispute"] == "open"
    WEB.post(f"{cloud.processor}/_sim/disputes/{opened['dispute']['id']}", json={"status": "won"})
    control.settle()
    assert payments_of(control, order)[1].get("dispute", "") == ""

    # Canceled in two clicks; the effect is shown first, and it ends with what is paid.
    sign_in(customer)
    page = customer.open("/account/subscriptions")
    page = customer.browser.open(page.link("Cancel this subscription"))
    assert "Nothing more is charged." in page.text
    page = customer.browser.submit("/cancel")
    assert "Canceled: it runs until" in page.text
    control.advance(MONTH)
    control.run("renewal_sweep")
    control.settle()
    assert len(payments_of(control, order)) == 2
    assert of_type(control, "subscription", order)[0]["state"] == "ended"
    assert "Your subscription of Halyard has ended" in customer.subjects()

    # The pass is given back whole: its license ends, and the books say so.
    (paid,) = payments_of(control, bought)
    told = operate(cloud, "refund", "--payment", paid["id"], of="infra.admin")
    assert (told["given_back"], told["left"]) == ("15.00 USD", "0.00 USD")
    control.settle()
    assert "A refund for Halyard" in customer.subjects()
    entries = [i for i in rows(control) if i.get("type") == "entry"]
    mine = [i for i in entries if i["about"]["account"] == paid["account_id"]]
    assert all(sum(entry["postings"].values()) == 0 for entry in mine)
    held: dict[str, int] = {}
    for entry in mine:
        for name, amount in entry["postings"].items():
            held[name] = held.get(name, 0) + amount
    assert {name: amount for name, amount in held.items() if amount} == {
        "processor": 17_400, "sales": -18_900, "refunds": 1_500,
    }  # fmt: skip


def test_a_card_that_is_declined_can_be_replaced_on_the_spot(cloud: LocalCloud) -> None:
    customer = new_customer(cloud, "purser")
    page = customer.open("/apps/halyard")
    wanted = plan_named(cloud, PASS)
    page.parsed.forms[:] = [f for f in page.parsed.forms if f.fields.get("plan") == wanted]
    customer.browser.submit("/orders")
    declined = {"number": "4000000000009995", "expiry": "12/34", "cvc": "123"}
    page = customer.browser.submit("/c/pay/", **declined)
    assert "insufficient funds" in page.text
    page = customer.pay()
    assert "Your pass is paid" in page.text


def test_a_renewal_whose_function_dies_at_the_charge_is_charged_once(
    cloud: LocalCloud, control: Control
) -> None:
    customer = new_customer(cloud, "bosun")
    order = buy(customer, CREW, seats="1")
    control.settle()
    control.advance(MONTH)
    # Others' subscriptions may come first: each run gets one transaction further.
    for _ in range(40):
        control.fault("kill", function="renewal_sweep", action="TransactWriteItems", nth=2)
        WEB.post(f"{cloud.app}/_local/run/renewal_sweep")
        control.clear_faults()
        if of_type(control, "attempt", order):
            break
    assert of_type(control, "attempt", order)[0]["outcome"] == "started"
    control.advance(QUARTER)
    control.run("renewal_sweep")
    assert len(payments_of(control, order)) == 2
    assert of_type(control, "attempt", order)[0]["outcome"] == "paid"


@pytest.mark.parametrize("taken", [True, False])
def test_a_payment_whose_outcome_comes_later_is_waited_for(
    taken: bool, cloud: LocalCloud, control: Control
) -> None:
    customer = new_customer(cloud, f"later-{taken}".lower())
    page = customer.open("/apps/halyard")
    wanted = plan_named(cloud, PASS)
    page.parsed.forms[:] = [f for f in page.parsed.forms if f.fields.get("plan") == wanted]
    session = customer.browser.submit("/orders").path.rpartition("/")[2]
    simulator = f"{cloud.processor}/_sim"
    done = ok(WEB.post(f"{simulator}/complete", json={"session": session, "later": True}))
    control.settle()
    page = customer.browser.open(done["redirect"])
    assert "We have no word from the card processor yet." in page.text
    ok(WEB.post(f"{simulator}/sessions/{session}", json={"taken": taken}))
    control.settle()
    page = customer.browser.open(done["redirect"])
    assert ("Your pass is paid" if taken else "This order was refused") in page.text
