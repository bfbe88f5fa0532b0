"""A case opened by the form or by a mail, and those who see to privacy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.cases.rules import Kind
from chalicelib.staff.rules import Role
from tests.conftest import kept_client

if TYPE_CHECKING:
    from chalicelib.cases.rules import Case
    from tests.conftest import FakeClock, Tables

SENDER = "kim@example.com"
FORM = {"email": SENDER, "name": "Kim Canary", "phone": "+49 30 123456", "message": "zq7 words"}


@pytest.fixture(autouse=True)
def everything(tables: Tables, clock: FakeClock) -> Tables:
    return tables


@pytest.fixture
def officer() -> str:
    return hire("ada", Role.PRIVACY)


def hire(name: str, *roles: Role) -> str:
    member = wiring.staff().add(name, "green door behind the mill", roles)
    wiring.staff().address(name, f"{name}@example.org")
    return member.id


def by_form(kind: Kind = Kind.SUPPORT, **changed: str) -> Case:
    return found(wiring.cases().from_form(kind, {**FORM, **changed}))


def found(case_id: str) -> Case:
    case = wiring.cases().store.case(case_id)
    assert case
    return case


def verdicts(domain: str = "example.com", **changed: str) -> str:
    """The header that the mail service puts on top of a mail."""
    said = {"spf": "pass", "dkim": "pass", "dmarc": "pass", **changed}
    return (
        f"Authentication-Results: amazonses.com;\r\n spf={said['spf']} (spfCheck: domain of"
        f" {domain} designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1;"
        f" envelope-from=kim@{domain}; helo=mx.{domain};\r\n dkim={said['dkim']}"
        f" header.i=@{domain};\r\n dmarc={said['dmarc']} header.from={domain};\r\n"
    )


def raw(subject: str, sender: str = f"Kim <{SENDER}>", above: str = "", body: str = "hi") -> bytes:
    return (
        f"{above}From: {sender}\r\nTo: support@cetrus.test\r\nSubject: {subject}\r\n\r\n{body}"
    ).encode()


def deliver(data: bytes, key: str = "in/a") -> dict[str, int]:
    kept_client("s3").put_object(Bucket="cetrus-mail", Key=key, Body=data)
    event: dict[str, Any] = {"Records": [{"s3": {"object": {"key": key}}}]}
    return wiring.inbound_mail().receive(event)


def messages(tables: Tables, *templates: str) -> list[Any]:
    """Of the outbox, oldest first."""
    rows = [item for item in tables.items("accounts") if item["type"] == "message"]
    chosen = [row for row in rows if not templates or row["template"] in templates]
    return sorted(chosen, key=lambda row: (row["created_at"], row["template"]))


def cases(tables: Tables) -> list[Any]:
    return [item for item in tables.items("accounts") if item["type"] == "case"]
