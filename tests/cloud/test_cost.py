"""What the hot path costs, counted by `/_local/calls`: the same with one license and with many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.conftest import operate
from tests.cloud.people import new_customer
from tests.cloud.program import Computer, claims_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
MANY = 200


@pytest.fixture(scope="module")
def computer(cloud: LocalCloud, halyard: Json) -> Computer:
    """Signed in, launched once and known to its license, so that what follows is the hot path."""
    customer = new_customer(cloud, "cost-user")
    customer.buy()
    cloud.control.settle()
    made = Computer(cloud, halyard["id"])
    made.sign_in(customer)
    made.end(made.launch("cost-first")["lease"])
    return made


def cost(cloud: LocalCloud, act: Callable[[], Any]) -> tuple[list[tuple[str, float]], Any]:
    """The calls of the API and their units, and what was answered."""
    since = cloud.control.calls()[-1]["seq"]
    answer = act()
    rows = cloud.control.calls(since, "api_handler")
    assert {row["service"] for row in rows} <= {"dynamodb"}
    return [(row["action"], row["units"]) for row in rows], answer


def hot_path(cloud: LocalCloud, computer: Computer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["check"], _ = cost(cloud, computer.check)
    found["launch"], launched = cost(cloud, lambda: computer.launch(name))
    lease = launched["lease"]
    shown = computer.shown(lease, launched["screen"])
    found["heartbeat"], first = cost(cloud, lambda: computer.beat(lease, 1, shown))
    found["next heartbeat"], second = cost(cloud, lambda: computer.beat(first["lease"], 2))
    found["end"], ended = cost(cloud, lambda: computer.end(second["lease"]))
    assert claims_of(ended["receipt"])["jti"] == claims_of(lease)["jti"]
    return found


BUDGET = {
    "check": [("Query", 1.0)],
    "launch": [("Query", 1.0), ("TransactWriteItems", 6.0)],
    "heartbeat": [("UpdateItem", 1.0)],
    "next heartbeat": [("UpdateItem", 1.0)],
    "end": [("TransactWriteItems", 4.0)],
}


def test_each_call_costs_what_the_design_says(cloud: LocalCloud, computer: Computer) -> None:
    assert hot_path(cloud, computer, "cost-few") == BUDGET


def test_it_costs_the_same_among_many_licenses(
    cloud: LocalCloud, computer: Computer, halyard: Json, stock: Json
) -> None:
    for account, application in (
        ("acc_of_others", halyard["id"]), ("acc_of_others", stock["application"]["id"]),
    ):  # fmt: skip
        made = operate(cloud, "many_licenses", account, application, str(MANY))
        assert len(made["licenses"]) == MANY
    assert hot_path(cloud, computer, "cost-many") == BUDGET


def test_it_costs_the_same_after_many_leases(cloud: LocalCloud, computer: Computer) -> None:
    for number in range(20):
        computer.end(computer.launch(f"cost-past-{number}")["lease"])
    assert hot_path(cloud, computer, "cost-late") == BUDGET
