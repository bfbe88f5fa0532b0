"""Leaving on the running cloud, under the roles that are deployed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import (
    Customer,
    Visitor,
    mailed_link,
    new_customer,
    profile,
    send_registration,
)

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

EXPORT, ERASE = "/account/privacy/export.json", "/account/privacy/erase"
NEW = "three pears in winter"
TOLD = {
    "name": "Ottoline Erasable", "street": "17 Vanishing Mews", "city": "Gonecaster",
    "postal_code": "GC1 7VM", "tax_id": "DE 111222333",
}  # fmt: skip


def taken_along(person: Customer) -> dict[str, Any]:
    answer = person.browser.fetch(person.cloud.app + EXPORT)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = json.loads(answer.text)
    return found


def fill(person: Customer, path: str, **fields: str) -> str:
    """Sends the form of a page; where it led to."""
    person.open(path)
    return person.browser.submit(path, **fields).path


@pytest.mark.promise("PS-70")
@pytest.mark.guarantee("G10")
def test_a_payer_takes_all_along_and_leaves_nothing_but_what_was_declared(
    cloud: LocalCloud, control: Control
) -> None:
    person = new_customer(cloud, "rights-eraser", **TOLD)
    person.buy()
    control.settle()
    found = taken_along(person)
    to_read = person.browser.fetch(cloud.app + EXPORT.replace(".json", ".html"))
    assert to_read.status_code == 200
    assert all(value in to_read.text for value in (*TOLD.values(), found["orders"][0]["id"]))
    assert found["profile"]["name"] == TOLD["name"]
    assert found["orders"]
    assert found["licenses"]

    assert fill(person, ERASE, hours="0", password=person.fields["password"]) == "/rights/done"
    assert person.open("/account").path == "/login"
    control.run("erasure_sweep")
    left = json.dumps(control.dump()["tables"])
    for value in (*TOLD.values(), person.email, person.fields["login"]):
        assert value not in left
    again = new_customer(cloud, "rights-eraser", **TOLD)
    assert taken_along(again)["account"]["id"] != found["account"]["id"]
    assert taken_along(again)["orders"] == []


@pytest.mark.promise("PS-73")
def test_who_rests_gets_no_mail_but_the_link_they_ask_for_and_finds_everything_again(
    cloud: LocalCloud, control: Control
) -> None:
    person = new_customer(cloud, "rights-rester")
    fields, path = person.fields, "/account/privacy/deactivate"
    before = taken_along(person)["profile"]
    assert fill(person, path, password=fields["password"]) == "/rights/done"
    mails = len(person.mails())
    stranger = {**fields, "login": f"{fields['login']}-2"}
    send_registration(cloud, Visitor(cloud.app), stranger)
    control.settle()
    control.run("mail_sweep")
    assert len(person.mails()) == mails
    fill(person, "/forgot", email=fields["email"])
    control.settle()
    assert person.subjects()[mails:] == ["Set a new password"]
    person.browser.open(mailed_link(cloud, person.email))
    assert person.browser.submit("/reset/", password=NEW).path == "/reactivate"
    assert person.open("/account").path == "/login"
    person.open("/reactivate")
    name = {"login": fields["login"], "password": NEW}
    assert person.browser.submit("/reactivate", **name, what="reactivate").path == "/account"
    assert taken_along(person)["profile"] == before


@pytest.mark.promise("PS-71")
def test_a_planned_erasure_is_mailed_and_its_link_stops_it(
    cloud: LocalCloud, control: Control
) -> None:
    person = new_customer(cloud, "rights-waverer")
    fill(person, ERASE, hours="24", password=person.fields["password"])
    control.settle()
    assert person.subjects()[-1] == "Your account is to be erased"
    text = person.mails()[-1]["text"]
    link = next(word for word in text.split() if "/rights/stop/" in word)
    person.browser.open(link)
    assert person.browser.submit("/rights/stop/").path == "/rights/done"
    assert taken_along(person)["profile"]["email"] == profile("rights-waverer")["email"]


@pytest.mark.promise("PS-70")
@pytest.mark.guarantee("G10")
def test_a_planned_erasure_is_carried_out_by_the_sweep_alone(
    cloud: LocalCloud, control: Control
) -> None:
    told = {**TOLD, "name": "Ottilie Planner", "street": "18 Vanishing Mews"}
    person = new_customer(cloud, "rights-planner", **told)
    person.buy()
    control.settle()
    fill(person, ERASE, hours="1", password=person.fields["password"])
    control.settle()
    control.advance(3_700)
    control.run("erasure_sweep")
    control.settle()
    left = json.dumps(control.dump()["tables"])
    for value in (told["name"], told["street"], person.email, person.fields["login"]):
        assert value not in left
    assert person.open("/account").path == "/login"
