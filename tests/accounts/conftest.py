"""A person, a browser and the mails that a test of accounts works with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY
from chalicelib.mail.links import link_token
from tests.browser import Browser

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

PASSWORD = "lemon wheel under rain"
PROFILE = {
    "account_name": "Kilbride Drawings",
    "login": "mora.kilbride",
    "email": "mora@kilbride.example",
    "name": "Mora Kilbride",
    "company": "Kilbride Drawings Ltd",
    "street": "4 Weir Lane",
    "city": "Ballymote",
    "postal_code": "F56 X2P7",
    "country": "IE",
    "phone": "+353 71 555 0100",
    "tax_id": "IE 9999999WA",
}
NO_CHOICES = {"choice_marketing": "no", "choice_partner_mail": "no"}
REGISTRATION = {**PROFILE, **NO_CHOICES, "password": PASSWORD}


class Mails:
    """What waits in the outbox, and the links that it will carry."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def of(self, template: str) -> list[str]:
        items = self.tables.items("accounts")
        found = [item for item in items if item.get("template") == template]
        return [
            item["pk"].partition("#")[2] for item in sorted(found, key=lambda i: i["created_at"])
        ]

    def to_owners(self, template: str) -> int:
        """How many of a kind are addressed to somebody; a decoy's are to nobody."""
        items = self.tables.items("accounts")
        owned = {item["pk"].partition("#")[2] for item in items if item["type"] == "email_claim"}
        return sum(i.get("template") == template and i.get("claim") in owned for i in items)

    def link(self, template: str) -> str:
        """The token of the newest message of a kind."""
        return link_token(wiring.link_key(), self.of(template)[-1])


@pytest.fixture
def browser(tables: Tables, clock: FakeClock) -> Browser:
    return Browser()


@pytest.fixture
def mails(tables: Tables) -> Mails:
    return Mails(tables)


@pytest.fixture
def member(browser: Browser, mails: Mails, clock: FakeClock) -> Browser:
    """A browser in which a confirmed account is signed in, a day after it was made."""
    browser.post("/register", REGISTRATION)
    answer = browser.post(f"/verify/{mails.link('welcome')}", {"password": PASSWORD})
    assert answer.location == "/account"
    clock.advance(DAY)
    return browser
