"""Card numbers in every field, header, query and subject: none is anywhere afterwards (PS-19)."""

from __future__ import annotations

import gzip
import json
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.cloud.people import RUN, Visitor, new_customer, profile, send_registration
from tests.cloud.scan import found_in

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud
    from tests.cloud.people import Customer

TYPED = ("account_name", "login", "name", "company", "street", "city", "postal_code", "phone",
         "tax_id")  # fmt: skip


def card(number: int) -> str:
    """A number of sixteen digits that passes for a card's, another one for each `number`."""
    digits = [5, 5, *map(int, f"{int(RUN, 16) % 10**8:08d}"), *map(int, f"{number:05d}")]
    doubled = [d * 2 - 9 * (d > 4) for d in digits[::-2]]
    check = -(sum(doubled) + sum(digits[-2::-2])) % 10
    return "".join(map(str, [*digits, check]))


class Wallet:
    """Hands out numbers and remembers where each was put."""

    def __init__(self) -> None:
        self.put: dict[str, str] = {}

    def into(self, where: str, *, spaced: bool = False) -> str:
        made = card(len(self.put) + 1)
        shown = " ".join(made[at : at + 4] for at in range(0, 16, 4)) if spaced else made
        self.put[shown] = where
        return shown


@pytest.fixture(scope="module")
def wallet(cloud: LocalCloud) -> Wallet:
    """After everything below was sent."""
    made = Wallet()
    for name in TYPED:
        visitor, spaced = Visitor(cloud.app), name in {"street", "company"}
        value = made.into(f"registration: {name}", spaced=spaced)
        fields = {**profile(f"cards-{name.replace('_', '-')}"), name: value}
        page = send_registration(cloud, visitor, fields)
        assert page.path == "/register", (name, page.path)
    customer = new_customer(cloud, "cards")
    in_pages(made, customer)
    in_addresses_and_headers(made, customer)
    in_mails(made, cloud)
    cloud.control.run("mail_sweep")
    cloud.control.settle()
    return made


def in_pages(made: Wallet, customer: Customer) -> None:
    browser = customer.browser
    for name in ("name", "street", "city", "company"):
        customer.open("/account/setup")
        browser.submit("/account/setup", **{name: made.into(f"setup: {name}")})
    customer.open("/contact")
    message = f"My card is {made.into('contact: message', spaced=True)}."
    fields = {"about": "other", "email": customer.email, "message": message}
    sent = browser.submit("/contact", **fields)
    assert sent.path == "/contact"
    customer.open("/account/email")
    browser.submit("/account/email", email=f"{made.into('address')}@example.org", password="wrong")
    customer.open("/device")
    browser.submit("/device", user_code=made.into("user code"))
    stranger = Visitor(customer.cloud.app)
    stranger.open(f"{customer.cloud.app}/login")
    stranger.submit("/login", login=made.into("login name"), password=made.into("password"))


def in_addresses_and_headers(made: Wallet, customer: Customer) -> None:
    fetch, app = customer.browser.http.get, customer.cloud.app
    fetch(f"{app}/apps?q={quote(made.into('query', spaced=True))}")
    fetch(f"{app}/exit?to={made.into('exit')}")
    fetch(f"{app}/orders/{made.into('path')}")
    for header in ("x-note", "referer", "accept-language", "idempotency-key", "x-request-id"):
        fetch(f"{app}/status", headers={header: made.into(f"header: {header}")})


def in_mails(made: Wallet, cloud: LocalCloud) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"] = f"cards-{RUN}@example.org", "remove@cetrus.test"
    mail["Subject"] = f"REMOVE {made.into('subject of a removal')}"
    mail.set_content("Thank you.")
    cloud.control.receive(mail.as_bytes())
    letter = EmailMessage()
    letter["From"], letter["To"] = f"cards-{RUN}@example.org", "support@cetrus.test"
    letter["Subject"] = f"My card is {made.into('subject of a letter', spaced=True)}"
    letter.set_content(f"Take {made.into('text of a letter')}.")
    cloud.control.receive(letter.as_bytes())


@pytest.mark.promise("PS-19")
@pytest.mark.guarantee("G5")
class TestNoCardIsKept:
    def test_the_numbers_would_pass_for_cards(self) -> None:
        assert len({card(n) for n in range(50)}) == 50
        for n in range(50):
            digits = [int(d) for d in card(n)]
            doubled = [d * 2 - 9 * (d > 4) for d in digits[-2::-2]]
            assert (sum(doubled) + sum(digits[::-2])) % 10 == 0

    def test_tables_hold_none(self, cloud: LocalCloud, wallet: Wallet) -> None:
        assert len(wallet.put) > 25
        assert self.places(wallet, cloud.control.dump()["tables"]) == []

    def test_logs_queues_and_calls_hold_none(self, cloud: LocalCloud, wallet: Wallet) -> None:
        control = cloud.control
        assert self.places(wallet, [control.logs(), control.queues(), control.calls()]) == []

    def test_mails_and_the_processor_are_told_none(self, cloud: LocalCloud, wallet: Wallet) -> None:
        assert self.places(wallet, [cloud.control.mail(), cloud.control.requests()]) == []

    def test_objects_hold_none(self, cloud: LocalCloud, wallet: Wallet) -> None:
        for name, bucket in cloud.control.dump()["buckets"].items():
            assert self.places(wallet, bucket["keys"]) == [], name
            if name not in {"InstallersBucket", "VisitorLogsBucket"}:
                for key in bucket["keys"]:
                    data = cloud.control.object(name, key)
                    found = found_in(data, wallet.put)
                    assert [wallet.put[number] for number in found] == [], (name, key)

    def test_visitor_logs_hold_the_one_of_the_header_at_most(
        self, cloud: LocalCloud, wallet: Wallet
    ) -> None:
        """A browser's own referrer is written by its origin alone."""
        bucket = cloud.control.dump()["buckets"]["VisitorLogsBucket"]
        for key in bucket["keys"]:
            data = cloud.control.object("VisitorLogsBucket", key)
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            assert found_in(data, wallet.put) == [], key

    @staticmethod
    def places(wallet: Wallet, kept: Any) -> list[str]:
        """Where those were put that are here, as they were written or without their spaces."""
        text = json.dumps(kept, ensure_ascii=False).encode()
        return [
            where for number, where in wallet.put.items()
            if found_in(text, {number, number.replace(" ", "")})
        ]  # fmt: skip
