"""All four plans on the running cloud: ordered, paid, launched, shown and ended."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.front.command import ROOT
from tests.cloud.people import RUN, WEB, Customer, new_customer
from tests.cloud.program import Computer, claims_of, ok, published_keys, vendor_get, verified

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
LEASE = 300


def offer(cloud: LocalCloud, kind: str, *facts: str) -> Json:
    """A plan of Halyard that the operator adds while the cloud runs."""
    command = [
        sys.executable, "-m", "infra.admin", "plan", "--application", "halyard", "--kind", kind,
        "--name", f"{kind} {RUN}", "--currency", "USD", *facts,
    ]  # fmt: skip
    environment = {
        "PATH": "/usr/bin:/bin", "LOCAL_CLOCK": str(cloud.clock_file), **cloud.operator,
    }  # fmt: skip
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout)
    return found


def bought(
    cloud: LocalCloud, halyard: Json, name: str, plan: Json, **fields: str
) -> tuple[Customer, Computer]:
    """A new customer with this plan, paid, and a computer of theirs that is signed in."""
    customer = new_customer(cloud, name)
    order(customer, plan, **fields)
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(customer)
    return customer, computer


def order(customer: Customer, plan: Json, **fields: str) -> str:
    """Order, give the card, come back; what the order's page says."""
    page = customer.open("/apps/halyard")
    assert plan["name"] in page.text
    page = customer.browser.submit("/orders", plan=plan["id"], **fields)
    assert "/c/pay/" in page.url, page.text
    page = customer.pay()
    assert page.path.startswith("/orders/"), page.url
    customer.cloud.control.settle()
    return customer.open(page.path).text


def run(computer: Computer, name: str) -> tuple[Json, str]:
    """A launch that was allowed, with its lease after the first heartbeat."""
    answer = computer.launch(name)
    assert answer["valid"], answer
    renewed = computer.beat(answer["lease"], 1, computer.shown(answer["lease"], answer["screen"]))
    return answer, renewed["lease"] if renewed["valid"] else answer["lease"]


def test_a_pass_is_used_to_its_last_minute_and_another_can_be_bought(
    cloud: LocalCloud, halyard: Json
) -> None:
    plan = offer(cloud, "pass", "--price", "0.90", "--hours", "1")
    customer, computer = bought(cloud, halyard, "plan-pass", plan)
    first, lease = run(computer, "first")
    assert first["quote"]["kind"] == "pass"
    assert first["quote"]["cost"] in first["screen"]["body"]
    assert "Left on it: 1 hour." in first["quote"]["cost"]
    for seq in range(2, 25):
        cloud.control.advance(LEASE // 2)
        answer = computer.beat(lease, seq)
        if not answer["valid"]:
            break
        lease = answer["lease"]
    refusal = verified(answer["verdict"], published_keys(cloud), "verdict+jwt")
    assert refusal["code"] == "PASS_USED_UP"
    signed = claims_of(lease)
    assert signed["end_ms"] - signed["start_ms"] == 3_600_000
    cloud.control.advance(LEASE)
    assert computer.end(lease)["valid"]
    computer.sign_in(customer)
    assert computer.launch("second")["code"] == "PASS_USED_UP"
    assert computer.check()["code"] == "PASS_USED_UP"
    assert "Used up" in customer.open("/account/computers").text
    assert "0.90 USD" in order(customer, plan)
    computer.sign_in(customer)
    assert computer.launch("third")["valid"]


def test_a_subscription_lets_as_many_run_as_it_has_seats(cloud: LocalCloud, halyard: Json) -> None:
    plan = next(p for p in cloud.control.seed()["plans"] if p["kind"] == "subscription")
    customer, computer = bought(cloud, halyard, "plan-seats", plan, seats="2")
    one, lease = run(computer, "one")
    assert one["quote"]["kind"] == "subscription"
    assert one["quote"]["rate"] == 0
    assert "it costs nothing more" in one["screen"]["body"]
    run(computer, "two")
    full = computer.launch("three")
    assert (full["valid"], full["code"]) == (False, "SEATS_FULL")
    assert 1 <= full["retry_after"] <= LEASE
    assert "2 of 2 in use" in customer.open("/account/computers").text
    assert computer.end(lease)["valid"]
    assert computer.launch("three")["valid"]


def test_a_trial_costs_nothing_ends_by_itself_and_comes_once(
    cloud: LocalCloud, halyard: Json
) -> None:
    plan = offer(cloud, "trial", "--valid-days", "1")
    customer, computer = bought(cloud, halyard, "plan-trial", plan)
    first, lease = run(computer, "first")
    assert (first["quote"]["kind"], first["quote"]["rate"]) == ("trial", 0)
    assert claims_of(lease)["license_end_ms"]
    assert "Active until" in customer.open("/account/computers").text
    cloud.control.advance(86_400)
    computer.sign_in(customer)
    refused = computer.launch("second")
    assert (refused["valid"], refused["code"]) == (False, "EXPIRED")
    assert verified(refused["verdict"], published_keys(cloud), "verdict+jwt")["code"] == "EXPIRED"
    assert "Ended on" in customer.open("/account/computers").text
    customer.open("/apps/halyard")
    again = customer.browser.submit("/orders", plan=plan["id"])
    assert "/c/pay/" not in again.url
    assert again.status in {409, 422}


def test_a_vendor_reads_plans_and_sets_seats_and_end(
    cloud: LocalCloud, halyard: Json, vendor_token: str
) -> None:
    plan = next(p for p in cloud.control.seed()["plans"] if p["kind"] == "subscription")
    _, computer = bought(cloud, halyard, "plan-vendor", plan, seats="1")
    _, lease = run(computer, "one")
    license_id = claims_of(lease)["license"]
    listed = ok(vendor_get(cloud, vendor_token, "/v1/vendor/applications"))["items"]
    kinds = {each["kind"] for app in listed if app["id"] == halyard["id"] for each in app["plans"]}
    assert kinds == {"metered", "pass", "subscription", "trial"}
    path = f"{cloud.app}/v1/vendor/licenses/{license_id}"
    headers = {"authorization": f"Bearer {vendor_token}"}
    changed = ok(WEB.patch(path, json={"seats": 2}, headers=headers))
    assert (changed["kind"], changed["seats"]) == ("subscription", 2)
    assert computer.launch("two")["valid"]
    ended = ok(WEB.patch(path, json={"ends_at": cloud.control.now()}, headers=headers))
    assert ended["ends_at"]
    cloud.control.advance(1)
    assert computer.launch("three")["code"] == "EXPIRED"
    assert computer.beat(lease, 2)["code"] == "EXPIRED"
    foreign = WEB.patch(f"{path}x", json={"seats": 2}, headers=headers)
    assert foreign.status_code == 404


@pytest.mark.parametrize("kind", ["metered", "pass", "subscription", "trial"])
def test_every_kind_is_seeded_and_shown_with_its_price(cloud: LocalCloud, kind: str) -> None:
    seeded = [plan for plan in cloud.control.seed()["plans"] if plan["kind"] == kind]
    assert seeded
    customer = new_customer(cloud, f"plan-look-{kind}")
    page = customer.open("/apps/halyard?hours=30&computers=2")
    assert "Cheapest" in page.text
    assert any(plan["name"] in page.text for plan in seeded)
