"""A mailer with a known member, and a mail service that keeps what it was handed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.mail.letters import Letterhead
from chalicelib.mail.post import Post
from chalicelib.mail.rules import Lane, MailClass
from chalicelib.mail.service import Mailer
from chalicelib.mail.store import MailStore
from chalicelib.mail.templates import TEMPLATES
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.policies import IN_FORCE
from chalicelib.privacy.rules import Purpose
from chalicelib.privacy.service import Vault
from chalicelib.privacy.store import VaultStore
from chalicelib.settings import settings
from chalicelib.storage.dynamo import Database, Table
from tests.conftest import kept_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.mail.rules import Argument, State
    from tests.conftest import FakeClock, Tables

PROFILE = {
    "account_name": "Grünwald & Söhne",
    "login": "gruenwald",
    "email": "Kim.Gruenwald@Example.com",
    "name": "Kim <Grünwald>",
}
OPTIONAL = {
    **TEMPLATES,
    "download_ready": replace(TEMPLATES["download_ready"], mail_class=MailClass.NOTICE),
}
PARTNER = {
    **TEMPLATES,
    "download_ready": replace(
        TEMPLATES["download_ready"], mail_class=MailClass.PARTNER, purpose=Purpose.PARTNER_MAIL
    ),
}


class Died(BaseException):
    """The process was killed: nothing of it catches this."""


@dataclass
class Cloud:
    """The cloud's clients, counting calls; `before` or `after` the nth the process dies."""

    before: int | None = None
    after: int | None = None
    calls: list[str] = field(default_factory=list)
    answers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return Counted(self, service, kept_client(service))

    def perform(self, name: str, call: Callable[..., Any], request: dict[str, Any]) -> Any:
        self.calls.append(name)
        number = len(self.calls)
        if number == self.before:
            raise Died
        if name in self.answers:
            return self.answers[name](**request)
        answer = call(**request)
        if name == "send_email":
            to = request["Destination"]["ToAddresses"]
            assert request["FromEmailAddress"] == settings().mail_from
            self.sent.append((",".join(to), request["Content"]["Raw"]["Data"]))
        if number == self.after:
            raise Died
        return answer


class Counted:
    def __init__(self, cloud: Cloud, service: str, real: Any) -> None:
        self.cloud, self.service, self.real = cloud, service, real

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.real, name)

        def perform(**request: Any) -> Any:
            return self.cloud.perform(name, call, request)

        return perform if callable(call) else call


@dataclass(frozen=True)
class Person:
    state: str
    subject: str
    decoy: bool = False
    id: str = "acc_member"


@dataclass
class People:
    """Accounts by id and by claim, as the accounts feature would answer."""

    members: dict[str, Person] = field(default_factory=dict)

    def account(self, account_id: str) -> Person | None:
        return self.members.get(account_id)

    def by_claim(self, claim: str) -> Person | None:
        return self.members.get(claim)


@dataclass
class Office:
    """Everything around the mailer, in the test's hands."""

    people: People
    clock: FakeClock
    store: MailStore

    def mailer(self, cloud: Cloud, templates: Any = TEMPLATES, lane: Lane = Lane.SERVICE) -> Mailer:
        """A mailer of another process, whose every cloud call goes through `cloud`."""
        database = Database(cloud.client("dynamodb"))
        accounts, keys = Table(database, "accounts"), Table(database, "keys")
        vault = Vault(
            VaultStore(accounts, keys), Ledger(accounts), cloud.client("kms"),
            settings().vault_key_id, lambda: IN_FORCE, self.clock,
        )  # fmt: skip
        post = Post(cloud.client("sesv2"), settings().mail_from, "cetrus-local")
        head = Letterhead(settings().mail_from, settings().mail_domain, settings().base_url)
        return Mailer(
            MailStore(accounts, lane), self.people, vault, post, wiring.keyed(), head, self.clock,
            templates, link_key=wiring.link_key,
        )  # fmt: skip

    def write(self, template: str, fact: str = "f", templates: Any = TEMPLATES, **of: Any) -> str:
        """Put a message into the outbox, to the member unless it says otherwise."""
        outbox = wiring.outbox()
        outbox.templates = templates
        now = self.clock.now
        message, put = outbox.message(
            template, fact=(fact,), arguments=ARGUMENTS.get(template, {}),
            due=of.pop("due", now), now=now, **of or {"account": "acc_member"},
        )  # fmt: skip
        self.store.table.apply(put)
        return message

    def state(self, message_id: str) -> State:
        message = self.store.message(message_id)
        assert message
        return message.state


CASE: dict[str, Argument] = {
    "case": "cas_1",
    "about": "request about data",
    "since": "25 November 2026",
    "due": "25 December 2026",
}
MAILING: dict[str, Argument] = {
    "title": "Cetrus & you", "lines": ["It is so.", "Be well."], "where": "/status",
}  # fmt: skip
"""What stands in a mailing, as the mailer reads it when it is sent."""
ARGUMENTS: dict[str, dict[str, Argument]] = {
    "policy_changed": {
        "version": 4,
        "since": "28 November 2026",
        "changes": ["New: To ask you, now & then, how it serves you. You are asked first."],
    },
    "receipt": {
        "order": "ord_1",
        "application": "Solver & Co",
        "plan": "By the hour",
        "kind": "metered",
        "price": "0.37 EUR",
        "seats": 0,
        "charged": "",
        "until": "",
        "at": "25 November 2026, 12:00 UTC",
        "card": "Visa ending in 4242",
    },
    "receipt_copy": {
        "order": "ord_1",
        "application": "Solver & Co",
        "plan": "Crew",
        "price": "9.00 EUR",
        "seats": 3,
        "charged": "27.00 EUR",
        "until": "25 December 2026",
        "at": "25 November 2026, 12:00 UTC",
        "license": "lic_1",
    },
    "payment_failed": {
        "application": "Solver & Co",
        "amount": "27.00 EUR",
        "card": "Visa ending in 0341",
        "next": "2026-12-28",
        "until": "2027-01-02",
    },
    "subscription_canceled": {"application": "Solver & Co", "until": "2026-12-25"},
    "subscription_ended": {"application": "Solver & Co", "plan": "Crew"},
    "refunded": {
        "application": "Solver & Co",
        "order": "ord_1",
        "amount": "7.00 EUR",
        "left": "20.00 EUR",
    },
    "download_ready": {"application": "Solver & Co"},
    "invitation": {"application": "Solver & Co", "role": "user"},
    "usage_summary": {
        "week": "16 to 22 November 2026",
        "total": "3 hours 5 minutes",
        "lines": ["Halyard: 2 hours 5 minutes", "Solver & Co: 1 hour"],
    },
    "card_expiring": {"card": "Visa ending in 4242", "ends": "30 November 2026"},
    "trial_ending": {
        "application": "Solver & Co",
        "slug": "solver",
        "plan": "Two weeks",
        "ends": "28 November 2026, 13:00 (UTC+01:00)",
    },
    "subscription_renewing": {
        "application": "Solver & Co",
        "plan": "Crew",
        "seats": 3,
        "price": "27.00 EUR",
        "on": "2 December 2026, 13:00 (UTC+01:00)",
    },
    "installer_updated": {"application": "Solver & Co", "version": "1.1.0"},
    "announcement": dict(MAILING),
    "service_notice": dict(MAILING),
    "offer": dict(MAILING),
    "partner_mail": {"title": "Charts", "lines": ["Tides & more."], "where": "/exit?to=a.b"},
    "erasure_planned": {"hours": 6},
    "case_received": {"case": "cas_1", "about": "question", "until": "2 December 2026"},
    "case_waiting": CASE,
    "case_overdue": CASE,
    "staff_quarter": {
        "quarter": "first quarter of 2027",
        "everybody": ["Open no more than the work needs."],
        "duties": ["Answer a case before it is due.", "Publish a version before a new use."],
    },
    "staff_policy": {"version": "4", "changes": ["To ask you, now & then, how it serves you."]},
}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def office(tables: Tables, clock: FakeClock) -> Office:
    kept_client("sesv2").create_configuration_set(ConfigurationSetName="cetrus-local")
    chosen = {Purpose.MARKETING: True, Purpose.PARTNER_MAIL: True}
    writes = wiring.vault().collect("sub_member", PROFILE, clock.now, "register", chosen)
    wiring.database().transact(*writes)
    member = Person("active", "sub_member")
    people = People({"acc_member": member, "claim_member": member})
    return Office(people, clock, MailStore(tables.accounts))
