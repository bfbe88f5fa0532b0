"""DynamoDB too busy, failing or in conflict at any call: done, or an honest 503 and done later.

`times` outlasts what the library and the app try by themselves, so that the call truly fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import PASSWORD, Customer, Visitor, new_customer
from tests.cloud.program import Computer, claims_of, ok
from tests.hostile.told import account_of, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
API = "api_handler"
KINDS = ("throttle", "conflict", "fail")
TIMES = {"throttle": 3, "conflict": 8, "fail": 1}
MOST = 12
pytestmark = pytest.mark.guarantee("G12")


def strike(control: Control, kind: str, nth: int) -> None:
    control.fault(kind, function=API, service="dynamodb", nth=nth, times=TIMES[kind])


def later(answer: httpx.Response) -> bool:
    """Whether this is the answer of a service that is busy; it is no other refusal either."""
    if answer.status_code == 200:
        return False
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"] == "unavailable"
    return True


def at_every_call(
    control: Control, kind: str, ask: Callable[[int], httpx.Response]
) -> tuple[int, list[Json]]:
    """Ask with the fault at the first call, the second and so on, until nothing is struck.

    Each time again without a fault: how often it was struck, and the answers of the second try.
    """
    answers: list[Json] = []
    for nth in range(1, MOST):
        strike(control, kind, nth)
        refused = later(ask(nth))
        control.clear_faults()
        answers.append(ok(ask(nth)))
        if not refused:
            return nth - 1, answers
    raise AssertionError("the fault never stopped striking")


@pytest.fixture(scope="module")
def customer(cloud: LocalCloud) -> Customer:
    made = new_customer(cloud, "busy")
    made.buy()
    cloud.control.settle()
    return made


@pytest.fixture(scope="module")
def computer(cloud: LocalCloud, customer: Customer, halyard: Json) -> Computer:
    made = Computer(cloud, halyard["id"])
    made.sign_in(customer)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_is_told_to_come_back_and_then_has_one_of_each(
    control: Control, computer: Computer, kind: str
) -> None:
    struck, launched = at_every_call(
        control, kind, lambda nth: computer.ask_to_launch(f"{kind}-{nth}")
    )
    assert struck >= 1
    leases = [answer["lease"] for answer in launched]
    launches = [row for row in rows(control, "launch") if f"#{kind}-" in row["pk"]]
    assert len(launches) == len({claims_of(lease)["jti"] for lease in leases}) == struck + 1

    shown = computer.shown(leases[0], launched[0]["screen"])
    body = {"lease": leases[0], "seq": 1, "shown": shown}
    beaten, renewed = at_every_call(
        control, kind, lambda _: computer.of_lease(leases[0], "heartbeats", body)
    )
    assert beaten >= 1
    assert all(answer["valid"] for answer in renewed)
    leases[0] = renewed[-1]["lease"]

    control.advance(7)
    for lease in leases:
        _, receipts = at_every_call(control, kind, ending(computer, lease))
        assert {claims_of(one["receipt"])["billed_ms"] for one in receipts} == {7_000}
    license_id = claims_of(leases[0])["license"]
    own = [row for row in rows(control, "interval") if license_id in row["pk"]]
    ids = {claims_of(lease)["jti"].partition(".")[0] for lease in leases}
    assert len([row for row in own if row["launch_id"].startswith(f"{kind}-")]) == len(ids)


def ending(computer: Computer, lease: str) -> Callable[[int], httpx.Response]:
    return lambda _: computer.of_lease(lease, "end", {"lease": lease})


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_signs_in_at_last_and_sees_no_fault_of_the_service(
    cloud: LocalCloud, control: Control, customer: Customer, kind: str
) -> None:
    login = customer.fields["login"]
    for nth in range(1, MOST):
        visitor = Visitor(cloud.app)
        visitor.open(f"{cloud.app}/login")
        strike(control, kind, nth)
        page = visitor.submit("/login", login=login, password=PASSWORD)
        control.clear_faults()
        if page.path == "/account":  # the session began: what is struck now is the page behind it
            assert nth > 1
            return
        assert page.status == 503, page.text
        assert "Not available just now" in page.text
        visitor.open(f"{cloud.app}/login")
        page = visitor.submit("/login", login=login, password=PASSWORD)
        assert (page.path, page.status) == ("/account", 200)
    raise AssertionError("the fault never stopped striking")


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_is_one_however_often_it_was_refused(
    cloud: LocalCloud, control: Control, stock: Json, kind: str
) -> None:
    slug, plan = stock["application"]["slug"], stock["plans"][0]
    buyer = new_customer(cloud, f"busy-{kind}")
    for nth in range(1, MOST):
        page = buyer.open(f"/apps/{slug}")
        strike(control, kind, nth)
        page = buyer.browser.submit("/orders", plan=plan)
        control.clear_faults()
        if "/c/pay/" in page.url:
            break
        assert page.status == 503, page.text
    buyer.order(slug, plan)
    page = buyer.pay()
    assert page.path.startswith("/orders/")
    control.settle()
    account = account_of(control, page.path.rpartition("/")[2])
    mine = [o for o in rows(control, "order") if o["account_id"] == account]
    assert [one["state"] for one in mine] == ["paid"]
    owned = [o for o in rows(control, "ownership") if o["account"] == account]
    heads = [h for h in rows(control, "license") if h["account"] == account]
    assert (len(owned), len(heads)) == (1, 1)
