"""G12 on the running cloud: whoever leaves while a function dies has left when the sweep has run.

The sweep then does what the front door would have done, under a role of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.cloud.conftest import operate
from tests.cloud.people import Customer, new_customer
from tests.cloud.test_deaths import API, account_of, items
from tests.cloud.test_purchases import CREW, PASS, buy
from tests.cloud.test_rights import ERASE, TOLD, fill

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
SWEEP = "erasure_sweep"
DEACTIVATE = "/account/privacy/deactivate"
BY_LAW = ("name", "street", "city", "postal_code", "tax_id")
pytestmark = pytest.mark.guarantee("G12")


def row(cloud: LocalCloud, kind: str, pk: str) -> Json | None:
    """The one item of a type and a partition, in `accounts`."""
    found = [item for item in items(cloud, "AccountsTable", kind) if item["pk"] == pk]
    assert len(found) <= 1
    return found[0] if found else None


def keys_of(cloud: LocalCloud, subject: str) -> set[str]:
    """The wrapped keys that stand in their places."""
    found = items(cloud, "KeysTable", "grant")
    return {item["data_key"] for item in found if item["pk"] == f"SUBJECT#{subject}"}


def forgotten(cloud: LocalCloud, customer: str) -> int:
    """How often the processor was told to delete one of its customers."""
    path = f"/v1/customers/{customer}"
    told = cloud.control.requests()
    return len([r for r in told if r["method"] == "DELETE" and r["url"].endswith(path)])


def sent(control: Control, function: str, since: int) -> int:
    """Messages that a function put on a queue."""
    made = control.calls(since=since, function=function)
    return len([call for call in made if call["service"] == "sqs"])


def die_on_the_form(control: Control, person: Customer, path: str, **fields: str) -> None:
    person.open(path)
    page = person.browser.submit(path, **fields, password=person.fields["password"])
    assert page.status == 502
    control.clear_faults()


def erase_and_die(control: Control, person: Customer, who: str, **fault: Any) -> None:
    """An erasure by the front door, or by the sweep after its wait, that is killed underway."""
    if who == API:
        control.fault("kill", function=API, **fault)
        die_on_the_form(control, person, ERASE, hours="0")
        return
    fill(person, ERASE, hours="1", password=person.fields["password"])
    control.settle()
    control.advance(3_700)
    control.fault("kill", function=SWEEP, **fault)
    with pytest.raises(httpx.HTTPStatusError):
        control.run(SWEEP)
    control.clear_faults()


@pytest.mark.promise("PS-70")
@pytest.mark.guarantee("G10")
@pytest.mark.parametrize("who", [API, SWEEP])
def test_a_payer_whose_erasure_died_halfway_is_erased_by_the_next_sweep(
    cloud: LocalCloud, control: Control, who: str
) -> None:
    told = {**TOLD, "name": f"Odile Halfway of {who}", "street": f"19 {who} Mews"}
    person = new_customer(cloud, f"death-leaver-{who.partition('_')[0]}", **told)
    buy(person, PASS)
    control.settle()
    account = account_of(cloud, person)
    before = row(cloud, "account", f"ACCOUNT#{account}")
    customer = row(cloud, "customer", f"ACCOUNT#{account}")
    assert before
    assert customer
    keys = keys_of(cloud, before["subject"])

    # Its key for the law is about to be made: all that was sealed opens still, and nothing is kept.
    erase_and_die(control, person, who, service="kms", action="GenerateDataKey")
    assert keys_of(cloud, before["subject"]) == keys != set()
    assert row(cloud, "fiscal_key", f"FISCAL#{account}") is None
    assert forgotten(cloud, customer["customer"]) == 0

    control.run(SWEEP)
    assert keys_of(cloud, before["subject"]) == set()
    kept = row(cloud, "fiscal_key", f"FISCAL#{account}")
    assert kept
    assert kept["data_key"] not in keys
    opened = operate(cloud, "fiscal", "--account", account, of="infra.admin")["fields"]
    assert {name: opened[name] for name in BY_LAW} == {name: told[name] for name in BY_LAW}
    assert forgotten(cloud, customer["customer"]) == 1
    assert row(cloud, "tombstone", f"ACCOUNT#{account}")
    left = json.dumps(control.dump()["tables"])
    for value in (told["name"], told["street"], person.email, person.fields["login"]):
        assert value not in left


@pytest.mark.promise("PS-73")
def test_a_subscriber_whose_deactivation_died_halfway_is_at_rest_after_the_next_sweep(
    cloud: LocalCloud, control: Control
) -> None:
    person = new_customer(cloud, "death-rester")
    buy(person, CREW, seats="2")
    control.settle()
    account = account_of(cloud, person)
    mails = person.subjects()

    def subscribed() -> str:
        found = row(cloud, "subscription", f"ACCOUNT#{account}")
        assert found
        return str(found["state"])

    def held() -> bool:
        heads = items(cloud, "UsageTable", "license")
        (head,) = [one for one in heads if one["account"] == account]
        return "deactivated" in head.get("holds", ())

    # Its keys are on hold; the license is next.
    control.fault("kill", function=API, action="TransactWriteItems", nth=2)
    die_on_the_form(control, person, DEACTIVATE)
    assert (held(), subscribed()) == (False, "active")

    since = control.calls()[-1]["seq"]
    control.run(SWEEP)
    assert (held(), subscribed()) == (True, "canceling")
    assert sent(control, SWEEP, since) == 1
    control.settle()
    assert person.subjects() == mails

    person.open("/reactivate")
    name = {"login": person.fields["login"], "password": person.fields["password"]}
    assert person.browser.submit("/reactivate", **name, what="reactivate").path == "/account"
    assert (held(), subscribed()) == (False, "active")
