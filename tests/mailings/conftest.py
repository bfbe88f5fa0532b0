"""Members of different wishes, two people of staff, and a mailing's way from draft to outbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.catalog.rules import Plan, Terms
from chalicelib.licenses.service import Ownership
from chalicelib.mail.rules import Outcome
from chalicelib.payments.rules import Order
from chalicelib.privacy.rules import Purpose
from tests.mailings.test_rules import content
from tests.privacy.crowd import Crowd

if TYPE_CHECKING:
    from email.message import EmailMessage

    from chalicelib.mail.letters import Letter
    from chalicelib.mail.service import Mailer
    from chalicelib.mailings.rules import Content
    from chalicelib.mailings.texts import Kind
    from tests.conftest import FakeClock, Tables

AUTHOR, APPROVER = "stf_author", "stf_approver"
YES = {Purpose.MARKETING: True, Purpose.PARTNER_MAIL: True}
NO = {Purpose.MARKETING: False, Purpose.PARTNER_MAIL: False}
TERMS = Terms(1, 1)


@dataclass
class Mailbox:
    """The mail service: it takes everything, and keeps it."""

    handed: list[EmailMessage]

    def hand_over(self, letter: Letter, _: str) -> Outcome:
        self.handed.append(message_from_bytes(letter.raw, policy=default))
        return Outcome.SENT


@dataclass
class House:
    """Everything around mailings, in the test's hands; `handed` is what the mail service got."""

    tables: Tables
    clock: FakeClock
    crowd: Crowd
    handed: list[EmailMessage] = field(default_factory=list)
    forms: int = 0

    def join(
        self, name: str, *, yes: bool = True, paid: str | None = "metered", owns: str | None = None
    ) -> str:
        """A member; `paid` is the kind of plan of a paid order, `owns` an application."""
        account = self.crowd.join(name, chosen=YES if yes else NO)
        if paid:
            self.order(account, kind=paid)
        if owns:
            self.license(account, owns)
        return account

    def order(self, account: str, kind: str = "metered", state: str = "paid", **more: Any) -> None:
        plan = Plan("pln_1", "vnd_1", "app_1", kind, "By the hour", "EUR", TERMS)
        order = Order(
            f"ord_{account}_{kind}", account, state, plan, "Halyard", "halyard", self.clock.now,
            **more,
        )  # fmt: skip
        wiring.accounts_table().transact(*wiring.payment_store().order_writes(order))

    def license(self, account: str, application: str) -> None:
        owned = Ownership(
            "lic_1", account, "vnd_1", application, "Halyard", "pln_1", "By the hour", 1,
            "order", self.clock.now,
        )  # fmt: skip
        facts = {name: getattr(owned, name) for name in Ownership.__slots__}
        item = {"pk": f"ACCOUNT#{account}", "sk": "LICENSE#lic_1", "type": "ownership", "v": 1}
        self.tables.accounts.apply(self.tables.accounts.put({**item, **facts}))

    def draft(self, kind: Kind, what: Content | None = None) -> str:
        self.forms += 1
        return wiring.mailings().draft(AUTHOR, f"form {self.forms}", what or content(kind))

    def approved(self, kind: Kind, what: Content | None = None) -> str:
        mailing = self.draft(kind, what)
        wiring.mailings().submit(AUTHOR, mailing)
        seen = wiring.mailings().mailing(mailing).content.sha256
        wiring.mailings().approve(APPROVER, mailing, seen)
        return mailing

    def scheduled(self, kind: Kind, what: Content | None = None) -> str:
        mailing = self.approved(kind, what)
        wiring.mailings().schedule(AUTHOR, mailing, self.clock.now)
        return mailing

    def stop(self, step: str, mailing: str) -> None:
        """Cancel it, or refuse it with a reason."""
        service = wiring.mailings()
        if step == "cancel":
            service.cancel(APPROVER, mailing)
        else:
            service.refuse(APPROVER, mailing, "It is unclear.")

    def sent(self, kind: Kind, what: Content | None = None) -> list[str]:
        """Whom a new mailing of this kind reached."""
        before = len(self.handed)
        self.scheduled(kind, what)
        wiring.mailing_planner().run()
        self.hand_over()
        return [str(mail["To"]) for mail in self.handed[before:]]

    def hand_over(self) -> dict[str, int]:
        """Send what is due, in both lanes."""
        totals: dict[str, int] = {}
        for mailer in (wiring.mailer(), wiring.campaign_mailer()):
            self.listen(mailer)
            for name, number in mailer.sweep().items():
                totals[name] = totals.get(name, 0) + number
        return totals

    def listen(self, mailer: Mailer) -> None:
        """Everything is taken, and kept."""
        mailer.post = Mailbox(self.handed)  # type: ignore[assignment]

    def messages(self) -> list[dict[str, Any]]:
        return [item for item in self.tables.items("accounts") if item["type"] == "message"]


@pytest.fixture
def house(tables: Tables, clock: FakeClock) -> House:
    return House(tables, clock, Crowd(tables, clock))
