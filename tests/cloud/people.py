"""People at their browsers, each on a network of their own, as the pages and mails lead them."""

from __future__ import annotations

import itertools
import re
import secrets
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import httpx

from infra.person import Page, Person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.front.run import LocalCloud

LINK = re.compile(r"https?://\S+/(?:verify|reset)/\S+")
PASSWORD = "nine slow boats at anchor"
RUN = secrets.token_hex(3)
"""In every login name, so that a cloud that ran the tests before can run them again."""
NUMBERS = itertools.count(1)
CONNECTIONS = ExitStack()
"""Of everybody whom a test made; closed with the cloud."""
WEB = httpx.Client(timeout=60, trust_env=False)
"""For requests of nobody in particular: it sends no cookie."""
CONNECTIONS.callback(WEB.close)
GIVEN: dict[str, set[str]] = defaultdict(set)
"""Every cookie that this site gave to anybody, with how long it was said to last; 0 ends it."""
CARD = {"number": "4242424242424242", "expiry": "12/34", "cvc": "123"}


def profile(login: str, **changed: str) -> dict[str, str]:
    """What a person types into the registration form; whatever is empty is left out."""
    login = f"{login}-{RUN}"
    fields = {
        "account_name": f"Account of {login}",
        "login": login,
        "email": f"{login}@example.org",
        "password": PASSWORD,
        "name": "Test Customer",
        "street": "1 Example Street",
        "city": "Exampleton",
        "postal_code": "10115",
        "country": "DE",
        **changed,
    }
    return {name: value for name, value in fields.items() if value}


class Visitor(Person):
    """A browser at an address that no other visitor has, so that no limit is shared."""

    def __init__(self, home: str, address: str = "") -> None:
        super().__init__(home)
        CONNECTIONS.callback(self.http.close)
        number = next(NUMBERS)
        self.address = address or f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        self.http.headers["x-forwarded-for"] = self.address

    def _send(self, method: str, url: str, fields: Mapping[str, str] | None) -> httpx.Response:
        answer = super()._send(method, url, fields)
        for line in answer.headers.get_list("set-cookie") if url.startswith(self.home) else ():
            for name, cookie in SimpleCookie(line).items():
                GIVEN[name].add(cookie["max-age"])
        return answer


@dataclass
class Customer:
    """A visitor with an account, confirmed by the mail that came."""

    cloud: LocalCloud
    browser: Visitor
    fields: dict[str, str] = field(repr=False)

    @property
    def email(self) -> str:
        return self.fields["email"]

    def open(self, path: str) -> Page:
        return self.browser.open(self.cloud.app + path)

    def mails(self) -> list[dict[str, Any]]:
        return self.cloud.control.mail(to=self.email)

    def subjects(self) -> list[str]:
        return [mail["subject"] for mail in self.mails()]

    def order(self, slug: str = "halyard", plan: str | None = None) -> str:
        """Order a plan and leave the browser at the card page; the checkout's id."""
        page = self.open(f"/apps/{slug}")
        forms = [form for form in page.parsed.forms if form.action.endswith("/orders")]
        chosen = plan or forms[0].fields["plan"]
        page = self.browser.submit("/orders", plan=chosen)
        assert "/c/pay/" in page.url, page.text
        return page.path.rpartition("/")[2]

    def pay(self) -> Page:
        """Give the card on the processor's page, and follow the way back."""
        return self.browser.submit("/c/pay/", **CARD)

    def buy(self, slug: str = "halyard", plan: str | None = None) -> str:
        """Order and pay; the order's id."""
        self.order(slug, plan)
        page = self.pay()
        assert page.path.startswith("/orders/"), page.url
        return page.path.rpartition("/")[2]


def send_registration(cloud: LocalCloud, visitor: Visitor, fields: dict[str, str]) -> Page:
    visitor.open(cloud.app + "/register")
    return visitor.submit("/register", **fields)


def mailed_link(cloud: LocalCloud, email: str) -> str:
    """The newest single-use link that was mailed to this address."""
    text = cloud.control.mail(to=email)[-1]["text"]
    found = LINK.search(text)
    assert found, text
    return found[0]


def confirm(cloud: LocalCloud, visitor: Visitor, fields: dict[str, str]) -> Page:
    visitor.open(mailed_link(cloud, fields["email"]))
    return visitor.submit("/verify/", password=fields["password"])


def new_customer(cloud: LocalCloud, login: str, **changed: str) -> Customer:
    """Registered, confirmed and signed in."""
    visitor, fields = Visitor(cloud.app), profile(login, **changed)
    sent = send_registration(cloud, visitor, fields)
    assert sent.path == "/register/sent", sent.text
    cloud.control.settle()
    page = confirm(cloud, visitor, fields)
    assert page.path == "/account", page.text
    return Customer(cloud, visitor, fields)
