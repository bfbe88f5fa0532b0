"""What ought to be true of several people at once, kept as what each of them said.

`Life` is a plain record beside the program: nothing of the program computes it. `Registry` is a
mail service and a card processor that judge by it whatever they are handed, and `ledger` folds the
rows of a person's chain by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY
from chalicelib.mail.rules import Outcome
from chalicelib.privacy.rules import Event, Purpose
from tests.payments.conftest import FakeProcessor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from chalicelib.mail.letters import Letter
    from chalicelib.payments.processor import Charge, Checkout, Purchase
    from chalicelib.privacy.rules import Row
    from tests.conftest import FakeClock

UNCONFIRMED, ACTIVE, RESTING, GONE = "unconfirmed", "active", "resting", "gone"
ASKED = {
    3: (Purpose.MARKETING, Purpose.PARTNER_MAIL),
    4: (Purpose.MARKETING, Purpose.PARTNER_MAIL, Purpose.SURVEYS),
    5: (Purpose.MARKETING, Purpose.PARTNER_MAIL, Purpose.SURVEYS),
}
"""What each version of the policy asks."""
FIRST_SAID = {Purpose.MARKETING: 3, Purpose.PARTNER_MAIL: 3, Purpose.SURVEYS: 4}
"""The version that first says what the later ones repeat: a yes is bound to it."""
BY_MAILBOX = {"welcome", "password_reset"}
"""Mail that also goes to whoever has not confirmed yet."""
ASKED_FOR = {"password_reset", "rights_link"}
"""Mail that also goes to whoever rests: they asked for it."""
TO_SENDERS = {"removal_confirmed", "case_received"}
"""Answers to a mail that came from the address, whoever has it."""
STOPS = {
    "offer": {"CLASS#offer", "BOUNCED", "COMPLAINED"},
    "partner_mail": {"CLASS#partner", "BOUNCED", "COMPLAINED"},
    "service_notice": {"TOPIC#service_notice", "CLASS#notice", "BOUNCED", "COMPLAINED"},
}
"""What at an address is against optional mail of a template."""
ROWS = {
    "offer": "CLASS#offer", "partner_mail": "CLASS#partner",
    "service_notice": "TOPIC#service_notice",
}  # fmt: skip
"""What the link at the foot of a mail stops."""
NEEDS = {"offer": Purpose.MARKETING, "partner_mail": Purpose.PARTNER_MAIL}
MONTH, MOST = 30 * DAY, 2


@dataclass
class Life:
    """One person, by what they said and did. `said` is the version that each yes is bound to.

    `ending` are those whose mail was stopped: the yes behind it may be taken back at any time.
    """

    name: str
    account: str
    subject: str
    address: str
    under: int
    state: str = UNCONFIRMED
    said: dict[Purpose, int] = field(default_factory=dict)
    wish: bool = False
    heard: bool = False
    paid: bool = False
    off: bool = False
    due: int | None = None
    surveyed: bool = False
    ending: set[Purpose] = field(default_factory=set)
    got: dict[str, list[int]] = field(default_factory=dict)
    told: Counter[int] = field(default_factory=Counter)

    @property
    def granted(self) -> dict[Purpose, int]:
        """What may be opened while they are here: what comes with an account, and each yes."""
        own = {Purpose.ACCOUNT: 5 if self.under == 5 else 1, Purpose.BILLING: 1}
        return {**own, Purpose.POLICY_NOTICE: 3, **self.said}

    def yes(self, purpose: Purpose) -> None:
        self.said.setdefault(purpose, FIRST_SAID[purpose])
        self.surveyed |= purpose is Purpose.SURVEYS
        self.ending.discard(purpose)

    def stopped(self, purpose: Purpose) -> None:
        if purpose in self.said:
            self.ending.add(purpose)

    def lost(self, purposes: Collection[Purpose]) -> None:
        """A yes whose mail was stopped is gone by now, unless it is among these."""
        for purpose in self.ending - {*purposes}:
            self.no(purpose)

    def no(self, purpose: Purpose) -> None:
        self.said.pop(purpose, None)
        self.ending.discard(purpose)
        if purpose is Purpose.PARTNER_MAIL:
            self.wish = False


@dataclass
class Mail:
    """A mail as the mail service was handed it."""

    template: str
    mailing: str | None
    message: str
    address: str
    account: str
    at: int
    stop: str


class Judge(FakeProcessor):
    """The card processor: whoever it is told of has an account, and nothing that ended."""

    active: Callable[[str], bool]
    orders: dict[str, str]
    requests: Counter[str]

    def create_customer(self, account_ref: str, idempotency_key: str) -> str:
        assert self.active(account_ref), "the processor was told of somebody who left"
        self.requests["customer"] += 1
        return super().create_customer(account_ref, idempotency_key)

    def open_payment(
        self, *, order_id: str, customer: str, purchase: Purchase, success_url: str,
        cancel_url: str,
    ) -> Checkout:  # fmt: skip
        assert self.active(self.orders[order_id]), "a page for somebody who left"
        self.requests["page"] += 1
        return super().open_payment(
            order_id=order_id, customer=customer, purchase=purchase, success_url=success_url,
            cancel_url=cancel_url,
        )  # fmt: skip

    def charge(self, charge: Charge) -> Any:
        raise AssertionError(f"nobody here has a subscription: {charge.key}")

    def refund(self, payment_id: str, amount: int, idempotency_key: str) -> None:
        self.requests["refund"] += 1


@dataclass
class Registry:
    """Everybody who ever was, what each address stopped, and what the mail service was handed.

    `wrong` is what must not have happened: the mailer logs an error of the mail service and goes
    on, so that it cannot be raised there. `messages` finds a message by its id.
    """

    clock: FakeClock
    messages: Callable[[str], dict[str, Any]]
    lives: list[Life] = field(default_factory=list)
    stopped: dict[str, set[str]] = field(default_factory=dict)
    ways: dict[tuple[str, str], Life] = field(default_factory=dict)
    handed: list[Mail] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    # who is who

    def at(self, address: str) -> Life | None:
        """Whoever had the address last, also where they are gone."""
        return next((one for one in reversed(self.lives) if one.address == address), None)

    def of(self, account: str) -> Life:
        return next(one for one in self.lives if one.account == account)

    def active(self, account: str) -> bool:
        return any(one.account == account and one.state == ACTIVE for one in self.lives)

    def stops(self, address: str) -> set[str]:
        return self.stopped.setdefault(address, set())

    # what may be sent

    def hand_over(self, letter: Letter, message_id: str) -> Outcome:
        """As the mail service: it takes everything, and this looks at what it takes."""
        item = self.messages(message_id)
        found = re.search(rb"/unsubscribe/([\w-]{43})", letter.raw)
        mail = Mail(
            item["template"], item["arguments"].get("mailing"), message_id, letter.address,
            item.get("account") or "", self.clock.now, found[1].decode() if found else "",
        )  # fmt: skip
        if why := self._against(mail):
            self.wrong.append(f"{mail.template} was handed over: {why}")
        self.handed.append(mail)
        return Outcome.SENT

    def _against(self, mail: Mail) -> str:
        """Why the mail must not go, by what its person said; "" where it may."""
        if mail.template in TO_SENDERS:
            return ""
        claimed = mail.template in ASKED_FOR
        life = self.at(mail.address) if claimed else self.of(mail.account)
        if life is None or life.address != mail.address:
            return "it is somebody else's address"
        if why := self.unwanted(life, mail.template):
            return f"{why}: {life}"
        life.got.setdefault(mail.template, []).append(mail.at)
        if mail.template == "policy_changed":
            number = int(self.messages(mail.message)["arguments"]["version"])
            life.told[number] += 1
            if life.told[number] > 1 or life.under >= number:
                return f"version {number} was no news: {life}"
        if mail.template in ROWS:
            self.ways[life.address, ROWS[mail.template]] = life
        return ""

    def unwanted(self, life: Life, template: str) -> str:
        """What is against mail of a template to this person; "" for nothing."""
        states = {ACTIVE} | ({RESTING} if template in ASKED_FOR else set())
        states |= {UNCONFIRMED} if template in BY_MAILBOX | ASKED_FOR else set()
        if life.state not in states:
            return f"they are {life.state}"
        if template in NEEDS and NEEDS[template] not in life.said:
            return "they never said yes, or took it back"
        if against := STOPS.get(template, set()) & self.stops(life.address):
            return f"it was stopped by {against}"
        return self._undue(life, template)

    def _undue(self, life: Life, template: str) -> str:
        """What is against it though nobody is: it is not about them, or too much of it."""
        if template in {"offer", "service_notice"} and not life.paid:
            return "they bought nothing"
        if template == "service_notice" and life.off:
            return "they turned such notices off"
        recent = [at for at in life.got.get(template, []) if at > self.clock.now - MONTH]
        if template in NEEDS and len(recent) >= MOST:
            return "it is the third in thirty days"
        return ""

    def newest(self, template: str, address: str) -> Mail | None:
        mails = (m for m in reversed(self.handed) if m.address == address)
        return next((mail for mail in mails if mail.template == template), None)


# the ledger, folded by itself


@dataclass
class Folded:
    live: dict[Purpose, str] = field(default_factory=dict)
    held: dict[Purpose, str] = field(default_factory=dict)


def ledger(rows: Iterable[Row]) -> Folded:
    """Who may open what by the rows alone; AssertionError where a use had no grant.

    Three uses need none in its place: whoever rests asked for a link; the law keeps a payer's
    minimum right before everything is erased; and money goes back under no policy at all.
    """
    found, rows = Folded(), list(rows)
    erased = {row.number for row in rows if row.entry.event is Event.ERASED}
    for row in rows:
        event, purpose, under = row.entry.event, row.entry.purpose, row.entry.policy
        if purpose is None or (event is Event.SHARED and under is None):
            continue
        if event in {Event.COLLECTED, Event.GRANTED}:
            found.live[purpose] = under or ""
        elif event in {Event.WITHDRAWN, Event.ERASED}:
            found.live.pop(purpose, None)
            found.held.pop(purpose, None)
        elif event is Event.DEACTIVATED:
            found.held[purpose] = found.live.pop(purpose)
        elif event is Event.REACTIVATED:
            found.live[purpose] = found.held.pop(purpose)
        elif event in {Event.OPENED, Event.SHARED, Event.CORRECTED}:
            standing = found.live.get(purpose) == under
            by_law = purpose is Purpose.BILLING and row.number + 1 in erased
            reason = row.entry.reason or ""
            asked = purpose is Purpose.ACCOUNT and reason.startswith(
                ("mail:password_reset:", "mail:rights_link:")
            )
            on_hold = (by_law or asked) and found.held.get(purpose) == under
            assert standing or (on_hold and event is Event.OPENED), f"used without a grant: {row}"
    return found
