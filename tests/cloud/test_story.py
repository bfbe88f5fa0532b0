"""The main job, from registration to the vendor's figures, each step through the front door."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import (
    CARD,
    WEB,
    Customer,
    Visitor,
    mailed_link,
    new_customer,
    profile,
    send_registration,
)
from tests.cloud.program import (
    Computer,
    claims_of,
    ok,
    published_keys,
    vendor_get,
    vendor_post,
    verified,
)

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
SHA256 = re.compile(r'data-sha256="([0-9a-f]{64})"')


@pytest.fixture(scope="module")
def buyer(cloud: LocalCloud) -> Customer:
    """A customer with a license of Halyard."""
    customer = new_customer(cloud, "story-buyer")
    customer.buy()
    cloud.control.settle()
    return customer


@pytest.fixture
def computer(cloud: LocalCloud, halyard: Json, buyer: Customer) -> Computer:
    made = Computer(cloud, halyard["id"])
    made.sign_in(buyer)
    return made


def milliseconds(page: Any) -> list[int]:
    """What `<data value>` says on a page of usage."""
    return [int(value) for value in page.parsed.values if value.isdigit()]


@pytest.mark.promise("PS-25")
def test_a_person_registers_confirms_orders_and_downloads(cloud: LocalCloud) -> None:
    control, visitor, fields = cloud.control, Visitor(cloud.app), profile("story-person")
    sent = send_registration(cloud, visitor, fields)
    assert (sent.status, sent.path) == (200, "/register/sent")
    control.settle()
    (welcome,) = control.mail(to=fields["email"])
    assert welcome["class"] == "account"
    assert fields["account_name"] in welcome["text"]
    assert fields["login"] in welcome["text"]
    assert fields["password"] not in welcome["raw"]

    link = mailed_link(cloud, fields["email"])
    assert visitor.open(link).status == 200
    page = visitor.submit("/verify/", password=fields["password"])
    assert page.path == "/account"
    used = Visitor(cloud.app).open(link)
    assert used.status == 404

    customer = Customer(cloud, visitor, fields)
    checkout = customer.order()
    assert checkout.startswith("cs_test_")
    declined = visitor.submit("/c/pay/", **{**CARD, "number": "4000000000000002"})
    assert "declined" in declined.text
    page = customer.pay()
    assert re.fullmatch(r"/orders/ord_\w+", page.path)
    assert (page.status, "Nothing was charged" in page.text) == (200, True)
    control.settle()
    assert len(customer.subjects()) == 3

    page = customer.open("/account/downloads")
    shown = SHA256.findall(page.html)
    answer = visitor.fetch(page.link("for Linux"))
    assert answer.status_code == 303
    link = answer.headers["location"]
    assert link.startswith(cloud.s3)
    assert link not in page.html
    assert hashlib.sha256(WEB.get(link).content).hexdigest() in shown
    control.advance(301)
    assert WEB.get(link).status_code == 403


def test_a_launch_runs_renews_ends_and_is_totaled_to_the_millisecond(
    cloud: LocalCloud, buyer: Customer, computer: Computer, vendor_token: str, control: Control
) -> None:
    verdict = computer.check()
    assert (verdict["valid"], verdict["code"]) == (True, "VALID")
    assert "lease" not in verdict

    first = computer.launch("story-launch")
    assert first["valid"]
    assert first["quote"]["currency"] == "USD"
    screen = first["screen"]
    body = (screen["title"], screen["body"])
    assert all(body)
    lease = verified(first["lease"], published_keys(cloud), "lease+jwt")
    assert (lease["seg"], lease["seq"]) == (0, 0)
    assert lease["end_ms"] - lease["start_ms"] == 300_000
    assert lease["cnf"]["jwk"] == computer.jwk
    assert lease["screen"] == screen["sha256"]

    unseen = computer.beat(first["lease"], 1)
    assert (unseen["valid"], unseen["code"]) == (False, "SCREEN_REQUIRED")
    signed = verified(unseen["verdict"], published_keys(cloud), "verdict+jwt")
    assert (signed["valid"], signed["code"]) == (False, "SCREEN_REQUIRED")
    assert (signed["launch_id"], signed["seg"], signed["seq"]) == ("story-launch", 0, 1)

    control.advance(150.25)
    renewed = computer.beat(first["lease"], 1, computer.shown(first["lease"], screen))
    assert renewed["valid"]
    assert claims_of(renewed["lease"])["end_ms"] == lease["start_ms"] + 450_250
    control.advance(149.001)
    again = computer.beat(renewed["lease"], 2)
    assert claims_of(again["lease"])["seq"] == 2

    control.advance(0.749)
    ended = computer.end(again["lease"])
    receipt = verified(ended["receipt"], published_keys(cloud), "receipt+jwt")
    assert receipt["billed_ms"] == 300_000
    assert receipt["jti"] == lease["jti"]
    assert computer.end(again["lease"])["receipt"] == ended["receipt"]

    control.run("license_sweep")
    assert 300_000 in milliseconds(buyer.open("/account/usage"))
    own = ok(computer.get("/v1/usage"))["items"]
    assert [row["milliseconds"] for row in own] == [300_000]
    rows = ok(vendor_get(cloud, vendor_token, "/v1/vendor/usage"))["items"]
    mine = [row for row in rows if row["license"] == lease["license"]]
    assert mine == own
    assert set(mine[0]) == {"application", "license", "day", "milliseconds"}


@pytest.mark.guarantee("G2")
def test_all_figures_equal_the_receipts_after_replays_losses_and_expiry(
    cloud: LocalCloud, halyard: Json, vendor_token: str, control: Control
) -> None:
    customer = new_customer(cloud, "story-exact")
    customer.buy()
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(customer)
    receipts = []

    # One that ends well, with everything said twice and late.
    first = computer.launch("exact-1")
    assert claims_of(computer.launch("exact-1")["lease"]) == claims_of(first["lease"])
    shown = computer.shown(first["lease"], first["screen"])
    control.advance(61.003)
    one = computer.beat(first["lease"], 1, shown)
    two = computer.beat(one["lease"], 2)
    assert computer.beat(one["lease"], 2)["lease"] == two["lease"]
    assert computer.beat(first["lease"], 1, shown)["valid"] is False
    control.advance(17.001)
    receipts.append(computer.end(two["lease"])["receipt"])
    by_an_older_lease = claims_of(computer.end(first["lease"])["receipt"])
    told = ("jti", "start_ms", "end_ms", "billed_ms")
    for receipt in (by_an_older_lease, claims_of(receipts[0])):
        assert receipt["billed_ms"] == 78_004
        assert all(receipt[name] == by_an_older_lease[name] for name in told)
    assert computer.beat(two["lease"], 3)["code"] == "LEASE_ENDED"

    # One that is never ended: billed to its end. Its next segment is a lease of its own.
    lost = computer.launch("exact-2")
    kept = computer.beat(lost["lease"], 1, computer.shown(lost["lease"], lost["screen"]))
    control.advance(400)
    assert computer.beat(kept["lease"], 2)["code"] == "LEASE_EXPIRED"
    computer.refresh()
    resumed = computer.launch("exact-2", segment=1)
    assert claims_of(resumed["lease"])["seg"] == 1
    control.advance(3.5)
    receipts.append(computer.end(kept["lease"])["receipt"])
    assert claims_of(receipts[1])["billed_ms"] == 300_000
    receipts.append(computer.end(resumed["lease"])["receipt"])
    assert claims_of(receipts[2])["billed_ms"] == 3_500

    billed = sum(claims_of(receipt)["billed_ms"] for receipt in receipts)
    for _ in range(2):
        control.run("license_sweep")
    assert billed in milliseconds(customer.open("/account/usage"))
    own = ok(computer.get("/v1/usage"))["items"]
    assert sum(row["milliseconds"] for row in own) == billed
    rows = ok(vendor_get(cloud, vendor_token, "/v1/vendor/usage?limit=100"))["items"]
    license_id = claims_of(first["lease"])["license"]
    assert sum(row["milliseconds"] for row in rows if row["license"] == license_id) == billed


def test_signing_in_waits_for_the_person_and_tells_the_program_what_it_waits_for(
    cloud: LocalCloud, buyer: Customer, halyard: Json, control: Control
) -> None:
    computer = Computer(cloud, halyard["id"])
    codes = computer.ask_for_code()
    assert codes["verification_uri"] == f"{cloud.app}/device"
    assert {"device_code", "user_code", "expires_in", "interval"} <= set(codes)
    waiting = computer.exchange(codes["device_code"])
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    assert computer.exchange(codes["device_code"]).json()["error"] == "slow_down"
    buyer.open("/device")
    buyer.browser.submit("/device", user_code=codes["user_code"].lower())
    buyer.browser.submit("/device", decision="deny")
    control.advance(30)
    denied = computer.exchange(codes["device_code"])
    assert (denied.status_code, denied.json()["error"]) == (400, "access_denied")
    late = computer.ask_for_code()
    control.advance(late["expires_in"] + 1)
    assert computer.exchange(late["device_code"]).json()["error"] == "expired_token"


def test_an_access_token_ends_after_ten_minutes_and_a_refresh_token_works_once(
    computer: Computer, control: Control
) -> None:
    control.advance(601)
    stale = computer.call("/v1/licenses/check", {"application": computer.program})
    assert (stale.status_code, stale.json()["code"]) == (401, "token_expired")
    old = dict(computer.tokens)
    assert computer.refresh().status_code == 200
    assert computer.check()["valid"]
    fresh, computer.tokens = computer.tokens, old
    assert computer.refresh().json()["error"] == "invalid_grant"
    # A token that is used twice was stolen: the whole sign-in is over.
    computer.tokens = fresh
    assert computer.refresh().json()["error"] == "invalid_grant"


def test_a_suspended_license_is_felt_by_the_next_launch_and_heartbeat(
    cloud: LocalCloud, halyard: Json, vendor_token: str
) -> None:
    customer = new_customer(cloud, "story-stopped")
    customer.buy()
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(customer)
    first = computer.launch("stopped-1")
    license_id = claims_of(first["lease"])["license"]
    shown = computer.shown(first["lease"], first["screen"])
    base = f"/v1/vendor/licenses/{license_id}"
    assert ok(vendor_post(cloud, vendor_token, base + "/suspend"))["state"] == "suspended"
    for refusal in (computer.beat(first["lease"], 1, shown), computer.launch("stopped-2")):
        assert (refusal["valid"], refusal["code"]) == (False, "SUSPENDED")
    assert computer.check()["code"] == "SUSPENDED"
    assert ok(vendor_post(cloud, vendor_token, base + "/reinstate"))["state"] == "active"
    assert computer.launch("stopped-2")["valid"]
    assert ok(vendor_post(cloud, vendor_token, base + "/revoke"))["state"] == "revoked"
    assert computer.check()["code"] == "REVOKED"


def test_a_launch_id_that_is_used_for_something_else_is_a_conflict(
    cloud: LocalCloud, computer: Computer, buyer: Customer, halyard: Json
) -> None:
    computer.launch("conflict-1", release="1.0.0")
    other = Computer(cloud, halyard["id"])
    other.sign_in(buyer)
    assert other.ask_to_launch("conflict-1", release="1.0.0").status_code == 409
    assert computer.ask_to_launch("conflict-1", release="2.0.0").status_code == 409
    assert computer.launch("conflict-1", release="1.0.0")["valid"]
