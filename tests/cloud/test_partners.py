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


@pytest.mark.guarantee("G12")
@pytest.mark.promise("PS-37")
def test_last_month_is_released_once_also_by_a_run_that_died_and_fetched_once(
    cloud: LocalCloud, control: Control
) -> None:
    new_customer(cloud, "partners-counted").buy()
    control.settle()
    made = operate(
        cloud, "partner", "--name", "Chart Weekly (test)", "--until", "2099-12-31",
        of="infra.admin",
    )  # fmt: skip
    third, month = next_third(control)
    go_to(control, third)
    spent, key = spent_in(cloud, month[:4]), f"aggregates/{month}.json"

    # The file is written, and what comes next are the rows that release it.
    control.fault("kill", function=REPORT, service="dynamodb", action="TransactWriteItems")
    with pytest.raises(httpx.HTTPStatusError):
        control.run(REPORT)
    control.clear_faults()
    written = control.object("LogsBucket", key)
    assert released(cloud, month) == []

    # The next run takes those bytes and pays no second time; and one more finds all done.
    assert control.run(REPORT) == {"released": 1}
    assert control.run(REPORT) == {"released": 0}
    assert control.object("LogsBucket", key) == written
    (row,) = released(cloud, month)
    assert row["sha256"] == hashlib.sha256(written).hexdigest()
    assert spent_in(cloud, month[:4]) == spent + 1_000

    link = operate(
        cloud, "partner-link", "--partner", made["id"], "--month", month, of="infra.admin"
    )["link"]
    visitor = Visitor(cloud.app)
    page = visitor.open(link)
    assert f"Figures of {month}" in page.text
    answer = visitor.submit("/partners/")
    assert answer.html.encode() == written
    assert visitor.open(link).status == 404


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
