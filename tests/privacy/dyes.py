"""Dyes: each purpose's copy of a field differs, so that what comes out tells which key opened it.

The dye goes in where the copies are sealed, and nothing else is touched: whatever the code between
does, and whatever it says that it does, is seen from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.mail.rules import MailClass
from chalicelib.privacy import policies, sealing, service
from chalicelib.privacy.rules import family
from tests.cloud.scan import found_in, holds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    from chalicelib.privacy.store import Grant

MARK = "zqdye-"
UNDYED = {"country"}
"""A code of two letters, which the pages look up in a list."""
PURPOSES = policies.VERSIONS[policies.IN_FORCE]
NOTHING: frozenset[str] = frozenset()
MAILS = {
    MailClass.ACCOUNT: {"account", "invitation", "support", "staff"},
    MailClass.NOTICE: {"account", "invitation"},
    MailClass.ANNOUNCEMENT: {"account"},
    MailClass.OFFER: {"marketing"},
    MailClass.PARTNER: {"partner_mail"},
    MailClass.POLICY_CHANGE: {"policy_notice"},
}
"""Said here once more and not read from the law: a law that was widened has to be seen."""
WAYS_OUT: Mapping[str, Iterable[str]] = {
    "the card processor": NOTHING,
    "the person's own pages": {"account", "billing", "computers", "invitation"},
    "the person's export": {"account", "billing", "computers", "invitation"},
    "the person's files of usage": {"computers"},
    "the person's receipts of choices": NOTHING,
    "pages for anybody": NOTHING,
    "launches, leases and screens": NOTHING,
    "a vendor's program": NOTHING,
    "a partner's file": NOTHING,
    "pages of staff": NOTHING,
    "the command that reads a case": {"support"},
    "the command that reads a fiscal record": {"fiscal"},
    "every other command": NOTHING,
    "answers that are errors": NOTHING,
    "logs": NOTHING,
    "metrics": NOTHING,
    "tables, buckets and queues": NOTHING,
}
"""Every way out but mail, and the purposes whose copies come out there: these and no others."""


def dye(purpose: str, field: str) -> str:
    """What that purpose's copy of a field holds."""
    word = f"{MARK}{purpose}-{family(field)}-".replace("_", "-")
    return f"{word}@example.com" if family(field) == "email" else word


DYES = {
    dye(purpose, field): purpose
    for purpose, use in PURPOSES.items()
    for field in use["fields"]
    if field not in UNDYED
}


def dye_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on each copy is sealed with its purpose's dye in place of what was typed."""
    real = sealing.seal_all

    def seal(key: bytes, grant: Grant, fields: Mapping[str, str]) -> dict[str, bytes]:
        dyed = {name: dye(grant.purpose, name) for name in fields if name not in UNDYED}
        return real(key, grant, {**fields, **dyed})

    monkeypatch.setattr(service, "seal_all", seal)


def purposes_in(seen: Iterable[bytes | str]) -> set[str]:
    """Whose dyes these hold, in clear, as JSON, hex or base64, or packed."""
    whole = (part.encode() if isinstance(part, str) else part for part in seen)
    marked = (part for part in whole if holds(part, MARK))  # few are: looked into for each dye
    return {DYES[found] for part in marked for found in found_in(part, DYES)}
