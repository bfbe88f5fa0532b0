"""A signed-in person with a license, and a program on a computer of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY
from chalicelib.core.ids import new_id
from chalicelib.mail.links import link_token
from tests.browser import Browser
from tests.program import Program

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Application, Plan
    from tests.conftest import FakeClock, Tables

PASSWORD = "lemon wheel under rain"


@dataclass
class Desk:
    """What one person has: a browser, an account, licenses."""

    browser: Browser
    account: str
    application: Application
    plan: Plan
    tables: Tables

    def license(self) -> str:
        license_id = new_id("lic")
        writes = wiring.licenses().grant(
            license_id, self.account, self.plan, wiring.now(), "order:one"
        )
        self.tables.accounts.transact(*writes)
        return license_id

    def program(self, *, signed_in: bool = True) -> Program:
        program = Program(self.application.id)
        if signed_in:
            program.sign_in(self.browser)
        return program


@pytest.fixture
def offer(tables: Tables, clock: FakeClock) -> tuple[Application, Plan]:
    application = wiring.catalog().add_application(
        vendor_id="vnd_halyard", vendor_name="Halyard", slug="orchard", name="Orchard",
        summary="Draws trees.", description="Draws trees on demand.",
    )  # fmt: skip
    plan = wiring.catalog().add_plan(
        application, kind="metered", name="By the hour", price="0.37", currency="USD"
    )
    wiring.key_ring().ensure_key()
    return application, plan


def make_desk(tables: Tables, offer: tuple[Application, Plan], name: str) -> Desk:
    browser = Browser()
    fields = {
        "account_name": f"{name} Drawings", "login": f"{name}.kilbride",
        "email": f"{name}@kilbride.example", "name": f"{name} Kilbride", "street": "4 Weir Lane",
        "city": "Ballymote", "postal_code": "F56 X2P7", "country": "IE", "password": PASSWORD,
        "company": "", "phone": "", "tax_id": "",
        "choice_marketing": "no", "choice_partner_mail": "no",
    }  # fmt: skip
    known = {item["pk"] for item in tables.items("accounts") if item["type"] == "account"}
    browser.post("/register", fields)
    items = tables.items("accounts")
    mail = max((i for i in items if i.get("template") == "welcome"), key=lambda i: i["created_at"])
    token = link_token(wiring.link_key(), mail["pk"].partition("#")[2])
    answer = browser.post(f"/verify/{token}", {"password": PASSWORD})
    assert answer.location == "/account", answer.text
    (account,) = {i["pk"] for i in tables.items("accounts") if i["type"] == "account"} - known
    return Desk(browser, account.removeprefix("ACCOUNT#"), *offer, tables)


@pytest.fixture
def desk(tables: Tables, clock: FakeClock, offer: tuple[Application, Plan]) -> Desk:
    made = make_desk(tables, offer, "mora")
    clock.advance(DAY)
    return made


@pytest.fixture
def other_desk(
    tables: Tables, clock: FakeClock, offer: tuple[Application, Plan], desk: Desk
) -> Desk:
    made = make_desk(tables, offer, "tam")
    clock.advance(DAY)
    return made
