"""Addresses that move and people who come and go, under the roles that are deployed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import (
    PASSWORD,
    RUN,
    Customer,
    Visitor,
    new_customer,
    profile,
    send_registration,
)
from tests.cloud.program import Computer

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

THREE_DAYS, EIGHT_DAYS = 3 * 86_400, 8 * 86_400


def linked(control: Control, to: str, part: str) -> str:
    """The link of this kind in the newest mail to an address that has one."""
    control.settle()
    texts = [mail["text"] for mail in control.mail(to=to)]
    found = [link for text in texts for link in re.findall(r"https?://\S+", text) if part in link]
    assert found, texts
    return str(found[-1])


def license_of(customer: Customer) -> str:
    found = re.search(r'data-license="([^"]+)"', customer.open("/account/computers").text)
    page = customer.open("/account/computers")
    return page.form("/keys").fields["license"] if found is None else found[1]


@pytest.fixture(scope="module")
def owner(cloud: LocalCloud) -> Customer:
    made = new_customer(cloud, "people-owner")
    made.buy()
    cloud.control.settle()
    return made


def test_an_address_moves_and_comes_back(cloud: LocalCloud, control: Control) -> None:
    customer, new = new_customer(cloud, "people-mover"), f"people-moved-{RUN}@example.org"
    customer.open("/account/email")
    page = customer.browser.submit("/account/email", email=new, password=PASSWORD)
    assert "a link is on its way" in page.text
    move = linked(control, new, "/email/")
    assert linked(control, customer.email, "/email/stop/")
    assert new not in json.dumps(control.dump())
    stranger = Visitor(cloud.app)
    stranger.open(move)
    assert "The account has moved" in stranger.submit("/email/").text
    assert new in customer.open("/account/setup").text
    stranger.open(linked(control, customer.email, "/email/undo/"))
    assert "The account is back" in stranger.submit("/email/undo/").text
    assert customer.open("/account").path == "/login"
    control.run("account_sweep")


@pytest.mark.promise("PS-71")
@pytest.mark.promise("PS-73")
def test_who_took_an_account_over_shuts_nobody_out_by_leaving_it(
    cloud: LocalCloud, control: Control
) -> None:
    """By the pages, under the role of the routes: moved, put to rest, and taken back."""
    customer, new = new_customer(cloud, "people-robbed"), f"people-thief-{RUN}@example.org"
    customer.open("/account/email")
    customer.browser.submit("/account/email", email=new, password=PASSWORD)
    stranger = Visitor(cloud.app)
    stranger.open(linked(control, new, "/email/"))
    stranger.submit("/email/")
    undo = linked(control, customer.email, "/email/undo/")
    customer.open("/account/privacy/deactivate")
    page = customer.browser.submit("/account/privacy/deactivate", password=PASSWORD)
    assert page.path == "/rights/done"
    page = stranger.open(undo)
    assert "a deactivation, or an erasure that waits" in " ".join(page.text.split())
    assert "The account is back" in stranger.submit("/email/undo/").text
    control.advance(1)
    stranger.open("/forgot")
    stranger.submit("/forgot", email=customer.email)
    stranger.open(linked(control, customer.email, "/reset/"))
    assert stranger.submit("/reset/", password=f"{PASSWORD} anew").path.startswith("/account")


def keys_held(control: Control) -> set[str]:
    """The grants that there are, by subject and purpose."""
    items = [i for table in control.dump()["tables"].values() for i in table["items"]]
    grants = [item for item in items if item.get("type") == {"S": "grant"}]
    return {f"{item['pk']['S']} {item['sk']['S']}" for item in grants}


@pytest.mark.promise("PS-70")
def test_what_nobody_confirmed_is_erased_by_the_sweep(cloud: LocalCloud, control: Control) -> None:
    before, visitor = keys_held(control), Visitor(cloud.app)
    send_registration(cloud, visitor, profile("people-unconfirmed"))
    control.settle()
    made = keys_held(control) - before
    assert len(made) == 3
    control.advance(THREE_DAYS)
    done = control.run("account_sweep")
    assert (done["accounts"] >= 1, done["failed"]) == (True, 0)
    assert not made & keys_held(control)


def test_a_colleague_joins_launches_and_is_removed(
    cloud: LocalCloud, control: Control, owner: Customer, halyard: dict[str, Any]
) -> None:
    colleague, license_id = new_customer(cloud, "people-colleague"), license_of(owner)
    people = f"/account/licenses/{license_id}/people"
    owner.open(people)
    page = owner.browser.submit(people, email=colleague.email, role="user")
    assert "The invitation is on its way" in page.text
    colleague.browser.open(linked(control, colleague.email, "/invitations/"))
    assert "one of its people now" in colleague.browser.submit("/invitations/").text
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(colleague)
    assert computer.launch("people-launch-one")["valid"]
    owner.open(people)
    assert "Done." in owner.browser.submit(f"{people}/end").text
    assert computer.launch("people-launch-two")["code"] == "UNKNOWN"
    assert control.run("account_sweep")["failed"] == 0


def test_an_invitation_that_nobody_takes_up_is_forgotten(
    cloud: LocalCloud, control: Control, owner: Customer
) -> None:
    people = f"/account/licenses/{license_of(owner)}/people"
    owner.open(people)
    owner.browser.submit(people, email=f"people-nobody-{RUN}@example.org", role="billing")
    control.settle()
    control.advance(EIGHT_DAYS)
    assert control.run("account_sweep")["guests"] >= 1
    assert "Nobody yet" in owner.open(people).text
