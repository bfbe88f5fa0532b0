"""Where data comes in: each listed point took it in, and no other place did (PS-12)."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, MINUTE
from chalicelib.mail.links import link_token
from chalicelib.privacy.declaration import POINTS
from chalicelib.storage.declared import homes
from chalicelib.storage.dynamo import Database
from tests import browser as browsers
from tests.accounts.test_choices import answer
from tests.browser import Browser
from tests.cases.conftest import FORM, deliver, raw
from tests.identity.conftest import PASSWORD, Desk, make_desk, offer
from tests.licenses.test_members import invite
from tests.payments.conftest import CENTURY, FakeProcessor, processor, sign_contract
from tests.rights.test_pages import mailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.catalog.rules import Application, Plan
    from chalicelib.storage.dynamo import Write
    from tests.conftest import FakeClock, Tables

__all__ = ["offer", "processor"]  # fixtures of other folders
MAIL = "mail to us"
PROFILE = {
    "account_name": "Mora Drawings", "name": "Mora Kilbride", "street": "4 Weir Lane",
    "city": "Sligo", "postal_code": "F56 X2P7", "country": "IE",
}  # fmt: skip
TAKEN_IN = frozenset().union(*(point.types for point in POINTS.values()))


@dataclass
class Doors:
    """What was stored at each place: made new there, or changed there."""

    here: str = ""
    made: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    changed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        self.here = place
        yield
        self.here = ""

    def note(self, database: Database, write: Write) -> None:
        if write.item is not None:
            self.made[self.here].add(write.item["type"])
        elif write.update is not None and write.key is not None:
            declared = (database.declared or {})[write.table]
            place = homes(write.key.pk, write.key.sk)
            self.changed[self.here] |= {t for t, where in declared.homes.items() if where & place}


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> Doors:
    """Every write of the service, told with the route that it was made in."""
    made, check, send = Doors(), Database.check, Browser.send

    def noting(database: Database, *writes: Write) -> None:
        check(database, *writes)
        for write in writes:
            made.note(database, write)

    def entering(browser: Browser, method: str, path: str, *more: Any) -> Any:
        route, _ = browsers.matched(path.partition("?")[0])
        with made.at(f"{method} {route}"):
            return send(browser, method, path, *more)

    monkeypatch.setattr(Database, "check", noting)
    monkeypatch.setattr(Browser, "send", entering)
    return made


def link(tables: Tables, template: str) -> str:
    (found, *_) = (i["id"] for i in tables.items("accounts") if i.get("template") == template)
    return link_token(wiring.link_key(), found)


def tell_of_oneself(browser: Browser, tables: Tables, clock: FakeClock) -> None:
    """Profile, choices, another address, a letter; and what gives nothing of oneself."""
    assert browser.post("/account/setup", PROFILE).status == 303
    (account,) = (i["pk"] for i in tables.items("accounts") if i["type"] == "account")
    owner = wiring.account_store().account(account.removeprefix("ACCOUNT#"))
    assert owner
    by_mail = Browser().post(f"{mailed(owner)}/correct", PROFILE, page="/login")
    assert by_mail.status == 303
    for purpose in ("marketing", "partner_mail"):
        assert answer(browser, purpose, "yes").status == 303
    assert Browser().post(f"/choices/{link(tables, 'partner_opt_in')}", {}).status == 200
    no = {"choice_marketing": "no", "choice_partner_mail": "no"}
    browser.post("/account/email", {"email": "new@mora.example", "password": PASSWORD, **no})
    clock.advance(MINUTE)
    Browser().post(f"/email/{link(tables, 'email_change')}", {})
    assert Browser().post("/contact", {"about": "support", **FORM}).status == 303
    browser.post("/account/setup/zone", {"time_zone": "Europe/Dublin"})
    Browser().post("/forgot", {"email": "nobody@mora.example"})
    Browser().post("/privacy/cookies", {"interest": "off"})


def order(desk: Desk, crew: Plan, processor: FakeProcessor) -> str:
    """A subscription, and later another card for it; its license."""
    browser, slug = desk.browser, desk.application.slug
    fields = {"plan": crew.id, "seats": "1", "attempt": "one"}
    sent = browser.post(f"/apps/{slug}/orders", fields, page=f"/apps/{slug}")
    license_id = pay(desk, sent.location, processor)
    here = "/account/subscriptions"
    sent = browser.post(f"{here}/{license_id}/card", {"attempt": "two"}, page=here)
    pay(desk, sent.location, processor)
    return license_id


def pay(desk: Desk, page: str, processor: FakeProcessor) -> str:
    """On the processor's page, and back; the license, where there is one."""
    session = page.rpartition("/")[2]
    assert session.startswith("cs_"), page
    processor.complete(session)
    name = session.removeprefix("cs_")
    assert desk.browser.get(f"/orders/{name}").status == 200
    found = wiring.payment_store().order(desk.account, name)
    assert found
    return found.license_id or ""


def use(desk: Desk, license_id: str, clock: FakeClock) -> None:
    """The application starts, goes on, ends, is refused; the computer gets a name."""
    program = desk.program()
    lease = program.launch(license_id=license_id)["lease"]
    clock.advance(MINUTE)
    shown = program.computer.shown(lease)
    lease = program.beat(lease, 1, shown=shown)["lease"]
    clock.advance(MINUTE)
    here = "/account/computers"
    fields = {"license": license_id, "computer": program.computer.id, "label": "Studio"}
    assert desk.browser.post(f"{here}/name", fields, page=here).status == 303
    program.check()
    program.end(lease)
    other = desk.program()
    assert other.launch("launch-a", license_id=license_id)["valid"]
    assert other.launch("launch-b", license_id=license_id)["code"] == "SEATS_FULL"


@pytest.fixture
def story(
    doors: Doors, tables: Tables, clock: FakeClock, offer: tuple[Application, Plan],
    processor: FakeProcessor,
) -> Doors:  # fmt: skip
    """Somebody's whole way, through every point that is listed and some that are not."""
    sign_contract(CENTURY)
    crew = wiring.catalog().add_plan(
        offer[0], kind="subscription", name="Crew", price="9.00", currency="USD", period_months=1
    )
    desk = make_desk(tables, offer, "mora")
    clock.advance(DAY)
    for page in ("/account", "/privacy"):
        assert desk.browser.get(page).status == 200
    tell_of_oneself(desk.browser, tables, clock)
    with doors.at(MAIL):
        deliver(raw("A question"))
    Browser().post("/login", {"login": "mora.kilbride", "password": PASSWORD})
    desk.browser = Browser()
    signed = desk.browser.post("/login", {"login": "mora.kilbride", "password": PASSWORD})
    assert signed.location == "/account", signed.text
    license_id = order(desk, crew, processor)
    assert invite(desk, license_id).status == 303
    assert desk.browser.get("/account/downloads").status == 200
    use(desk, license_id, clock)
    return doors


@pytest.mark.promise("PS-12")
class TestPointsOfCollection:
    def test_each_that_is_listed_took_in_what_it_says(self, story: Doors) -> None:
        listed = json.loads(Browser().get("/privacy/inventory.json").text)["collection"]
        assert {point["point"] for point in listed} == POINTS.keys()
        idle = {
            point["point"]: missing
            for point in listed
            if (missing := set(point["items"]) - story.made[point["point"]]
                - story.changed[point["point"]])
        }  # fmt: skip
        assert idle == {}

    def test_nothing_came_in_at_any_other(self, story: Doors) -> None:
        places = {place for place in story.made if place}
        strange = {
            place: found
            for place in places
            if (found := story.made[place] & TAKEN_IN
                - (POINTS[place].types if place in POINTS else frozenset()))
        }  # fmt: skip
        assert strange == {}
