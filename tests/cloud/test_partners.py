"""A month's figures for partners, by the deployed function under its own role."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from tests.cloud.conftest import operate
from tests.cloud.people import Visitor, new_customer
from tests.cloud.test_mail_by_morning import go_to

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud


@pytest.mark.promise("PS-37")
def test_last_month_is_released_once_and_fetched_once(cloud: LocalCloud, control: Control) -> None:
    new_customer(cloud, "partners-counted").buy()
    control.settle()
    made = operate(
        cloud, "partner", "--name", "Chart Weekly (test)", "--until", "2099-12-31",
        of="infra.admin",
    )  # fmt: skip
    third, month = next_third(control)
    go_to(control, third)
    control.run("partner_report")
    assert control.run("partner_report") == {"released": 0}
    link = operate(
        cloud, "partner-link", "--partner", made["id"], "--month", month, of="infra.admin"
    )["link"]
    visitor = Visitor(cloud.app)
    page = visitor.open(link)
    assert f"Figures of {month}" in page.text
    answer = visitor.submit("/partners/")
    assert '"epsilon":"1/2"' in answer.html
    assert visitor.open(link).status == 404


def next_third(control: Control) -> tuple[int, str]:
    """Morning of the third of next month, whatever day it is, and the month that is over then."""
    today = dt.datetime.fromisoformat(control.now())
    first = (today.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    third = first.replace(day=3, hour=6, minute=0, second=0, microsecond=0)
    return int(third.timestamp()) * 1000, f"{today:%Y-%m}"
