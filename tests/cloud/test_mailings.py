"""Mailings on the running cloud: two people's pages, the outbox, one click, and the cap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import RUN, WEB, Customer, Visitor, new_customer

if TYPE_CHECKING:
    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud

STOP = re.compile(r"<(https?://[^>]+/unsubscribe/[^>]+)>")
WEB_PAGE = "https://charts.example.com/tides"


class Colleague:
    """Somebody of the seeded staff at a browser."""

    def __init__(self, cloud: LocalCloud, role: str) -> None:
        self.cloud, self.browser = cloud, Visitor(cloud.app)
        (seeded,) = (one for one in cloud.control.seed()["sign_ins"] if one["role"] == role)
        self.browser.open(f"{cloud.app}/staff/login")
        page = self.browser.submit(
            "/staff/login", name=seeded["login"], password=seeded["password"]
        )
        assert page.path == "/staff", page.text

    def write(self, kind: str, text: str, **fields: str) -> str:
        """A draft, submitted; its path."""
        self.browser.open(f"{self.cloud.app}/staff/mailings/new?kind={kind}&text={text}")
        page = self.browser.submit("/staff/mailings", **fields)
        assert page.path.startswith("/staff/mailings/mlg_"), page.text
        self.browser.submit(f"{page.path}/submit")
        return page.path

    def approve(self, path: str) -> None:
        self.browser.open(self.cloud.app + path)
        page = self.browser.submit(f"{path}/approve")
        assert "Approved" in page.text

    def schedule(self, path: str) -> None:
        """Now, after its page said to how many at most."""
        self.cloud.control.run("mailing_planner")
        shown = self.browser.open(self.cloud.app + path)
        assert "Send it now to at most" in shown.text
        page = self.browser.submit(f"{path}/send")
        assert "It goes out now" in page.text


@pytest.fixture(scope="module")
def staff(cloud: LocalCloud) -> tuple[Colleague, Colleague]:
    return Colleague(cloud, "service"), Colleague(cloud, "privacy")


def send(cloud: LocalCloud, staff: tuple[Colleague, Colleague], *what: str, **fields: str) -> str:
    """Write, approve, schedule and send a mailing; its path."""
    writer, reader = staff
    path = writer.write(*what, **fields)
    reader.approve(path)
    writer.schedule(path)
    cloud.control.run("mailing_planner")
    cloud.control.run("campaign_sweep")
    cloud.control.settle()
    return path


def mails_of(customer: Customer, kind: str) -> list[dict[str, Any]]:
    return [mail for mail in customer.mails() if mail["class"] == kind]


@pytest.fixture(scope="module")
def willing(cloud: LocalCloud) -> Customer:
    """Said yes to offers when they registered, and has paid for something."""
    customer = new_customer(cloud, "mailing-yes", choice_marketing="yes")
    customer.buy()
    cloud.control.settle()
    return customer


@pytest.fixture(scope="module")
def unwilling(cloud: LocalCloud) -> Customer:
    customer = new_customer(cloud, "mailing-no")
    customer.buy()
    cloud.control.settle()
    return customer


@pytest.mark.promise("PS-61")
def test_an_announcement_comes_to_both_and_cannot_be_ended(
    cloud: LocalCloud, staff: tuple[Colleague, Colleague], willing: Customer, unwilling: Customer
) -> None:
    what = f"We replace a disk, number {RUN}."
    send(
        cloud, staff, "announcement", "maintenance", day="2039-03-31", begins="06:30",
        ends="07:15", what=what,
    )  # fmt: skip
    for customer in (willing, unwilling):
        (mail,) = [each for each in mails_of(customer, "announcement") if what in each["text"]]
        assert mail["subject"] == "Maintenance on 31 March 2039"
        assert "List-Unsubscribe" not in mail["headers"]


def test_a_refusal_is_told_with_its_reason_and_the_text_is_written_again(
    cloud: LocalCloud, staff: tuple[Colleague, Colleague]
) -> None:
    writer, reader = staff
    fields = {"day": "2039-03-31", "begins": "06:30", "ends": "07:15", "what": f"A disk, {RUN}."}
    path = writer.write("announcement", "maintenance", **fields)
    reader.browser.open(cloud.app + path)
    page = reader.browser.submit(f"{path}/refuse")
    assert (page.status, "Say why" in page.text) == (422, True)
    page = reader.browser.submit(f"{path}/refuse", why="The second hour is missing.")
    assert "Refused. It goes no further" in page.text
    page = writer.browser.open(cloud.app + path)
    assert "Refused by another member of staff" in page.text
    assert "The second hour is missing." in page.text
    writer.browser.open(f"{cloud.app}/staff/mailings/new?again={path.rpartition('/')[2]}")
    again = writer.browser.submit("/staff/mailings", what=fields["what"])
    assert again.path != path
    assert f"A disk, {RUN}." in again.text
    assert "The draft is saved" in again.text


@pytest.mark.promise("PS-59")
@pytest.mark.promise("PS-60")
def test_offers_come_to_the_willing_twice_and_end_by_one_click(
    cloud: LocalCloud,
    staff: tuple[Colleague, Colleague],
    willing: Customer,
    unwilling: Customer,
    control: Control,
) -> None:
    offers = [f"Half price, {RUN}-{number}" for number in range(3)]
    paths = [
        send(cloud, staff, "offer", "offer", headline=offer, body="Until Friday.", page="/apps")
        for offer in offers
    ]
    got = [mail["subject"] for mail in mails_of(willing, "offer")]
    assert got == offers[:2]
    assert mails_of(unwilling, "offer") == []
    headers = mails_of(willing, "offer")[0]["headers"]
    found = STOP.search(headers["List-Unsubscribe"])
    assert found
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    click = WEB.post(found[1], data={"List-Unsubscribe": "One-Click"})
    assert (click.status_code, len(click.cookies)) == (200, 0)
    control.advance(31 * 24 * 3600)
    staff = (Colleague(cloud, "service"), Colleague(cloud, "privacy"))
    send(cloud, staff, "offer", "offer", headline="Late", body="Until Friday.", page="/apps")
    assert [mail["subject"] for mail in mails_of(willing, "offer")] == offers[:2]
    page = staff[0].browser.open(cloud.app + paths[2])
    assert "Sent" in page.text
