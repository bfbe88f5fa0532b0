"""A month's figures for partners, by the deployed function under its own role."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.cloud.conftest import operate
from tests.cloud.people import Visitor, new_customer
from tests.cloud.test_deaths import items
from tests.cloud.test_mail_by_morning import go_to

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud


REPORT = "partner_report"


@pytest.mark.promise("PS-37")
def test_last_month_is_released_once_and_fetched_once(cloud: LocalCloud, control: Control) -> None:
    new_customer(cloud, "partners-counted").buy()
    control.settle()
    made = new_partner(cloud, "Chart Weekly (test)")
    third, month = next_third(control)
    go_to(control, third)
    control.run(REPORT)
    assert control.run(REPORT) == {"released": 0}
    link = operate(
        cloud, "partner-link", "--partner", made["id"], "--month", month, of="infra.admin"
    )["link"]
    visitor = Visitor(cloud.app)
    page = visitor.open(link)
    assert f"Figures of {month}" in page.text
    answer = visitor.submit("/partners/")
    assert '"epsilon":"1/2"' in answer.html
    assert visitor.open(link).status == 404


@pytest.mark.guarantee("G12")
@pytest.mark.promise("PS-37")
def test_a_run_that_died_with_its_file_written_is_taken_up_with_those_bytes_and_paid_for_once(
    cloud: LocalCloud, control: Control
) -> None:
    new_partner(cloud, "Harbor Monthly (test)")
    third, month = next_third(control)
    go_to(control, third)
    spent, key = spent_in(cloud, month[:4]), f"aggregates/{month}.json"

    # What comes next is the row that releases it.
    control.fault("kill", function=REPORT, service="dynamodb", action="PutItem")
    with pytest.raises(httpx.HTTPStatusError):
        control.run(REPORT)
    control.clear_faults()
    written = control.object("LogsBucket", key)
    assert released(cloud, month) == []
    assert spent_in(cloud, month[:4]) == spent + 1_000

    assert control.run(REPORT) == {"released": 1}
    assert control.object("LogsBucket", key) == written
    (row,) = released(cloud, month)
    assert row["sha256"] == hashlib.sha256(written).hexdigest()
    assert spent_in(cloud, month[:4]) == spent + 1_000


def new_partner(cloud: LocalCloud, name: str) -> dict[str, Any]:
    return operate(cloud, "partner", "--name", name, "--until", "2099-12-31", of="infra.admin")


def released(cloud: LocalCloud, month: str) -> list[dict[str, Any]]:
    """The rows that say that the month's file may be fetched."""
    return [row for row in items(cloud, "AccountsTable", "aggregate") if row["sk"] == month]


def spent_in(cloud: LocalCloud, year: str) -> int:
    """Thousandths of epsilon."""
    rows = items(cloud, "AccountsTable", "epsilon")
    return sum(int(row["spent"]) for row in rows if row["pk"] == f"EPSILON#{year}")


def next_third(control: Control) -> tuple[int, str]:
    """Morning of the third of next month, whatever day it is, and the month that is over then."""
    today = dt.datetime.fromisoformat(control.now())
    first = (today.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    third = first.replace(day=3, hour=6, minute=0, second=0, microsecond=0)
    return int(third.timestamp()) * 1000, f"{today:%Y-%m}"
