"""The customer's own pages on the running cloud, under the roles that are deployed."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import Customer, Visitor, new_customer
from tests.cloud.program import Computer

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

HERE = "/account/computers"


@pytest.fixture(scope="module")
def owner(cloud: LocalCloud) -> Customer:
    made = new_customer(cloud, "account-owner")
    made.buy()
    cloud.control.settle()
    return made


@pytest.fixture(scope="module")
def computers(cloud: LocalCloud, owner: Customer, halyard: dict[str, Any]) -> list[Computer]:
    """Two computers with something running on each."""
    made = [Computer(cloud, halyard["id"]) for _ in range(2)]
    for number, computer in enumerate(made):
        computer.sign_in(owner)
        assert computer.launch(f"account-launch-{number}")["valid"]
    return made


def license_of(owner: Customer) -> str:
    return owner.open(HERE).form(f"{HERE}/keys").fields["license"]


def send(owner: Customer, what: str, **fields: str) -> int:
    """Send one of the page's forms with these values, and follow nothing."""
    page = owner.open(HERE)
    kept = owner.browser.cookies["localhost"]
    cookie = "; ".join(f"{name}={value}" for name, value in kept.items())
    data = {"csrf": page.form(HERE).fields["csrf"], **fields}
    answer = owner.browser.http.post(
        f"{owner.cloud.app}{HERE}/{what}", data=data,
        headers={"accept": "text/html", "cookie": cookie},
    )  # fmt: skip
    return answer.status_code


@pytest.mark.guarantee("G12")
def test_the_sweep_finishes_a_block_whose_function_died(
    control: Control, owner: Customer, computers: list[Computer]
) -> None:
    fields = {"license": license_of(owner), "computer": computers[0].id}
    # The block is committed; the reading of what runs there never happens.
    control.fault("kill", service="dynamodb", action="Query", function="api_handler", nth=5)
    status = send(owner, "block", **fields)
    control.clear_faults()
    assert status >= 500
    assert "No, blocked" in owner.open(HERE).text
    assert owner.open(HERE).text.count("End it") == 2
    control.run("license_sweep")
    assert owner.open(HERE).text.count("End it") == 1
    assert computers[0].launch("account-launch-later")["code"] == "COMPUTER_BLOCKED"
    assert send(owner, "unblock", **fields) == 303


def test_a_launch_is_ended_and_its_use_is_shown_by_computer(
    cloud: LocalCloud, control: Control, owner: Customer, computers: list[Computer]
) -> None:
    lease = computers[1].launch("account-launch-ended")["lease"]
    control.advance(60)
    page = owner.open(HERE)
    ends = [form for form in page.parsed.forms if form.action.endswith(f"{HERE}/end")]
    assert len(ends) == 2
    for form in ends:
        assert send(owner, "end", **form.fields) == 303
    assert computers[1].beat(lease, 1)["code"] == "LEASE_ENDED"
    named = {"license": license_of(owner), "computer": computers[1].id, "label": "Studio"}
    assert send(owner, "name", **named) == 303
    control.run("license_sweep")
    page = owner.open("/account/usage")
    assert "Studio" in page.text
    assert int(page.parsed.values[0]) >= 60_000
    path = page.link("intervals.csv")
    answer = owner.browser.fetch(path)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(int(row["milliseconds"]) for row in rows) == int(page.parsed.values[0])
    assert {row["label"] for row in rows} == {"Studio", ""}


def test_another_browser_is_signed_out_from_the_list(cloud: LocalCloud, owner: Customer) -> None:
    other = Visitor(cloud.app)
    other.open("/login")
    other.submit("/login", login=owner.email, password=owner.fields["password"])
    assert other.open(cloud.app + "/account").path == "/account"
    page = owner.open("/account/sessions")
    assert page.text.count("This browser") == 1
    page = owner.browser.submit("/account/sessions/others")
    assert "Every other session has ended" in page.text
    assert other.open(cloud.app + "/account").path == "/login"
    assert owner.open("/account").path == "/account"
