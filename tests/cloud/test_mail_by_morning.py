"""Mail that time causes, on the running cloud: on its morning, once, and ended by who wants it."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.clock import DAY, HOUR, MINUTE, from_text
from tests.cloud.people import RUN, WEB, Customer, new_customer
from tests.cloud.program import Computer

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

STOP = re.compile(r"<(https?://[^>]+/unsubscribe/[^>]+)>")


def now(control: Control) -> int:
    return from_text(control.now())


def go_to(control: Control, instant: int) -> None:
    """A few milliseconds later: the clock stands between two, and must not stop short of one."""
    if instant > now(control):
        control.advance((instant - now(control) + 5) / 1000)


def next_monday(control: Control) -> int:
    """Eight o'clock in UTC on the Monday after this week, whatever day and hour it is."""
    today = dt.datetime.fromtimestamp(now(control) / 1000, dt.UTC)
    monday = today + dt.timedelta(days=7 - today.weekday())
    return int(monday.replace(hour=8, minute=0, second=0, microsecond=0).timestamp()) * 1000


def leave_the_end_of_the_week(control: Control) -> None:
    """What is used next falls into one week, since other tests may have moved the clock to any."""
    left = next_monday(control) - 8 * HOUR - now(control)
    if left < HOUR:
        control.advance(left / 1000 + 60)


def plan_and_send(control: Control) -> None:
    control.run("mail_planner")
    control.settle()


def mails_of(customer: Customer, kind: str) -> list[dict[str, Any]]:
    return [mail for mail in customer.mails() if kind in mail["subject"]]


@pytest.fixture(scope="module")
def user(cloud: LocalCloud, halyard: dict[str, Any]) -> Customer:
    """A customer who has run Halyard for some minutes, known to the planner."""
    leave_the_end_of_the_week(cloud.control)
    customer = new_customer(cloud, "morning-user")
    customer.buy()
    cloud.control.run("mail_planner")
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(customer)
    lease = computer.launch("morning-launch")["lease"]
    cloud.control.advance(120)
    computer.end(lease)
    cloud.control.run("license_sweep")
    return customer


def test_the_summary_comes_on_monday_at_eight_and_once(
    cloud: LocalCloud, user: Customer, control: Control
) -> None:
    monday = next_monday(control)
    go_to(control, monday - 40 * MINUTE)
    plan_and_send(control)
    assert mails_of(user, "Your usage") == []
    go_to(control, monday)
    control.settle()
    for _ in range(3):
        plan_and_send(control)
    (mail,) = mails_of(user, "Your usage")
    assert mail["class"] == "notice"
    assert "Halyard: 2 minutes" in mail["text"]
    assert f"{cloud.app}/account/usage" in mail["text"]
    assert mail["at"].startswith(dt.datetime.fromtimestamp(monday / 1000, dt.UTC).isoformat()[:13])


def test_one_click_from_the_mail_ends_it_before_the_next(
    cloud: LocalCloud, user: Customer, halyard: dict[str, Any], control: Control
) -> None:
    (mail,) = mails_of(user, "Your usage")
    headers = mail["headers"]
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = STOP.search(headers["List-Unsubscribe"])
    assert found
    look = WEB.get(found[1])
    assert (look.status_code, "<button>Stop this mail</button>" in look.text) == (200, True)
    click = WEB.post(found[1], data={"List-Unsubscribe": "One-Click"})
    assert (click.status_code, len(click.cookies)) == (200, 0)
    multipart = {"List-Unsubscribe": (None, "One-Click")}
    assert WEB.post(found[1], files=multipart).status_code == 200
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(user)
    lease = computer.launch("morning-again")["lease"]
    control.advance(60)
    computer.end(lease)
    control.run("license_sweep")
    go_to(control, next_monday(control))
    plan_and_send(control)
    assert len(mails_of(user, "Your usage")) == 1


def test_after_three_days_without_the_planner_it_comes_late_and_once(
    cloud: LocalCloud, halyard: dict[str, Any], control: Control
) -> None:
    leave_the_end_of_the_week(control)
    customer = new_customer(cloud, "morning-late")
    customer.buy()
    control.run("mail_planner")
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(customer)
    lease = computer.launch("morning-late")["lease"]
    control.advance(60)
    computer.end(lease)
    control.run("license_sweep")
    go_to(control, next_monday(control) + 3 * DAY)
    for _ in range(3):
        plan_and_send(control)
    assert len(mails_of(customer, "Your usage")) == 1


def test_mail_that_bounces_is_told_in_the_account(cloud: LocalCloud, control: Control) -> None:
    customer = new_customer(cloud, "morning-bounce", email=f"bounce+{RUN}@simulator.amazonses.com")
    control.settle()
    assert "Mail to your address bounces" in customer.open("/account").text
    assert "Mail to your address bounces" in customer.open("/account/notices").text
    left = {name: queue["messages"] for name, queue in control.queues().items()}
    assert [name for name in left if "Feedback" in name and left[name]] == []
    assert any("Feedback" in name for name in left)
    dumped = str(control.dump())
    assert "simulator.amazonses" not in dumped
    page = customer.browser.submit("/account/notices/works-again")
    assert "bounces" not in page.text


def test_a_complaint_ends_notices_and_says_so(cloud: LocalCloud, control: Control) -> None:
    customer = new_customer(cloud, "morning-spam", email=f"complaint+{RUN}@simulator.amazonses.com")
    control.settle()
    assert "reported as spam" in customer.open("/account/notices").text
