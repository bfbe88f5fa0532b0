"""Purposes, policies and the ledger's chain: what may be seen, for what, and how that is proved.

CetrusError
└── Forbidden
    └── PurposeDenied   no grant, another purpose, or not the owner: no way to the plaintext
SealBroken              what is stored was changed or moved; nothing was opened (never expected)
LedgerBroken            a ledger's rows do not follow from each other
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.core.errors import Forbidden
from chalicelib.core.signing import canonical
from chalicelib.privacy import policies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WORD = re.compile(r"[a-z0-9_][a-z0-9_:./#-]{0,119}")
FIRST = "0" * 64
PLAIN = re.compile(r"[a-z]{2,4}_[0-9a-z]{20,}")  # an id as it is, random or derived
REFERENCE = 20  # hexadecimal digits


class Purpose(StrEnum):
    """A use of personal data that some version of the policy names."""

    ACCOUNT = "account"
    BILLING = "billing"
    COMPUTERS = "computers"
    INVITATION = "invitation"
    POLICY_NOTICE = "policy_notice"
    MARKETING = "marketing"
    PARTNER_MAIL = "partner_mail"
    SUPPORT = "support"
    FISCAL = "fiscal"
    STAFF = "staff"
    SURVEYS = "surveys"


class When(StrEnum):
    """What brings a purpose about."""

    REGISTRATION = "registration"
    CHOICE = "choice"
    ACT = "act"
    LAW = "law"


Mailed = Literal[
    Purpose.ACCOUNT, Purpose.INVITATION, Purpose.POLICY_NOTICE, Purpose.MARKETING,
    Purpose.PARTNER_MAIL, Purpose.SUPPORT, Purpose.STAFF, Purpose.SURVEYS,
]  # fmt: skip
"""The purposes for which an address may be written to."""
Shown = Literal[Purpose.ACCOUNT, Purpose.BILLING, Purpose.COMPUTERS, Purpose.INVITATION]
"""The purposes for which a person's own pages may open something."""
ReadByStaff = Literal[Purpose.SUPPORT, Purpose.FISCAL]
"""What somebody who works here may read by the operator's command, one case or record at a time."""
ASKED_AT_REST = ("mail:password_reset:", "mail:rights_link:")
"""Why the address of whoever rests is opened: for a link that they asked for themselves."""


class Event(StrEnum):
    """What the ledger records."""

    COLLECTED = "collected"
    CORRECTED = "corrected"
    OPENED = "opened"
    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    SHARED = "shared"
    NOTIFIED = "notified"
    DEACTIVATED = "deactivated"
    REACTIVATED = "reactivated"
    ERASED = "erased"
    PUBLISHED = "published"
    STAFF_ADDED = "staff_added"
    STAFF_ENDED = "staff_ended"
    STAFF_SIGNED_IN = "staff_signed_in"
    MAILING = "mailing"
    OPERATED = "operated"


BY_ID = frozenset({Event.MAILING, Event.OPERATED})
"""What those who work here did, told by the ids of what they did it to."""


class PurposeDenied(Forbidden):
    code = "purpose_denied"
    title = "Not for this purpose"
    detail = "This was not collected for that purpose, or it is no longer here."


class SealBroken(Exception):
    """A sealed value or its key was changed, moved, or bound to something else."""


class LedgerBroken(Exception):
    """The first row that does not follow from those before it."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one purpose may see under one policy, and who receives it."""

    says: str
    fields: frozenset[str]
    recipients: frozenset[str]
    optional: bool
    kept: str
    when: When
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One version: `id` is its number and the hash of its content, from 3 on of its text too."""

    number: int
    id: str
    uses: Mapping[Purpose, Use]

    def fields(self) -> frozenset[str]:
        return frozenset().union(*(use.fields for use in self.uses.values()))

    def granted(self, when: When) -> tuple[Purpose, ...]:
        """The purposes that this brings about."""
        return tuple(purpose for purpose, use in self.uses.items() if use.when is when)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a subject's data; every value is a closed word, never data."""

    event: Event
    purpose: Purpose | None = None
    policy: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.reason is not None and not WORD.fullmatch(self.reason):
            raise ValueError("a reason is one word of the program, such as page:/account")


@dataclass(frozen=True, slots=True)
class Row:
    """An entry in its place: `hash` covers the rest, `previous` is the hash of the row before."""

    subject: str
    number: int
    at: int
    entry: Entry
    previous: str
    hash: str


def because(kind: str, about: str, key: bytes) -> str:
    """A row's reason: what for and, where it is about something, which one by a keyed reference."""
    return f"{kind}:{reference(about, key)}" if about else kind


def reference(about: str, key: bytes) -> str:
    """What stands for an id in the ledger: once the grant's key is gone, nothing leads back."""
    return hmac.new(key, about.encode(), hashlib.sha256).hexdigest()[:REFERENCE]


def require_no_id(entry: Entry) -> None:
    """ValueError where a row about somebody would hold an id as it is."""
    if entry.event not in BY_ID and PLAIN.search(entry.reason or ""):
        raise ValueError("a reason holds no id: say what it is about, and it is keyed")


def read_policy(number: int, content: Mapping[str, Any]) -> Policy:
    """KeyError or ValueError where the content names a field or purpose that is not declared."""
    for use in content.values():
        if unknown := set(use["fields"]) - policies.FIELDS.keys():
            raise ValueError(f"undeclared fields: {sorted(unknown)}")
        if unknown := set(use["recipients"]) - policies.RECIPIENTS.keys():
            raise ValueError(f"undeclared recipients: {sorted(unknown)}")
    told = [number, content]
    if number >= policies.FIRST_WITH_TEXT and number in policies.TEXTS:
        told.append(policies.TEXTS[number])
    digest = hashlib.sha256(canonical(told)).hexdigest()
    uses = {Purpose(name): read_use(use) for name, use in content.items()}
    return Policy(number, f"{number}:{digest[:16]}", uses)


def read_use(use: Mapping[str, Any]) -> Use:
    before = When.ACT if use["optional"] else When.REGISTRATION  # as it was until version 2
    return Use(
        use["says"], frozenset(use["fields"]), frozenset(use["recipients"]), use["optional"],
        use["kept"], When(use.get("when", before)), use.get("beside"),
    )  # fmt: skip


@cache
def known_policies() -> Mapping[str, Policy]:
    """Every version by its id, as the files now stand."""
    return {policy(number).id: policy(number) for number in policies.VERSIONS}


@cache
def policy(number: int) -> Policy:
    """KeyError for a version that was never written."""
    return read_policy(number, policies.VERSIONS[number])


def policy_for(purpose: Purpose, in_force: int) -> Policy:
    """The version that a grant for this purpose is bound to: the first that says what holds now.

    PurposeDenied where nothing in force names the purpose.

    Nobody is moved to a new version that says nothing new of them, and what is collected today is
    understood by a release that does not know the newest version yet.
    """
    now = policies.VERSIONS[in_force].get(purpose)
    if now is None:
        raise PurposeDenied
    first = in_force
    while policies.VERSIONS.get(first - 1, {}).get(purpose) == now:
        first -= 1
    return policy(first)


def same_until(purpose: Purpose, number: int, in_force: int) -> int:
    """The last version up to the one in force that says of a purpose what version `number` does."""
    last, now = number, policies.VERSIONS[number].get(purpose)
    while last < in_force and policies.VERSIONS[last + 1].get(purpose) == now:
        last += 1
    return last


def family(field: str) -> str:
    """The field that the policy names: `computer_label:<which>` is one of many."""
    return field.partition(":")[0]


def use_under(policy_id: str, purpose: Purpose) -> Use:
    """What the purpose may see under that version; PurposeDenied where it names no such purpose."""
    policy = known_policies().get(policy_id)
    if policy is None or purpose not in policy.uses:
        raise PurposeDenied
    return policy.uses[purpose]


def binding(subject: str, purpose: Purpose, policy_id: str, field: str) -> bytes:
    """The associated data of one sealed field: it opens in this very place and nowhere else."""
    return canonical([subject, purpose, policy_id, field])


def key_context(subject: str, purpose: Purpose, policy_id: str) -> dict[str, str]:
    """What the key service demands to hear again. It logs this, so the subject is a pseudonym."""
    return {"subject": subject, "purpose": purpose, "policy": policy_id}


def follow(last: Row | None, subject: str, entry: Entry, now: int) -> Row:
    """The row after `last`, or the first of the subject's ledger."""
    number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
    return Row(subject, number, now, entry, previous, digest(subject, number, now, entry, previous))


def digest(subject: str, number: int, at: int, entry: Entry, previous: str) -> str:
    told = [subject, number, at, entry.event, entry.purpose, entry.policy, entry.reason, previous]
    return hashlib.sha256(canonical(told)).hexdigest()


def verify(rows: Iterable[Row]) -> Row | None:
    """The last row of a whole chain; LedgerBroken where one was changed, taken out or moved."""
    last: Row | None = None
    for row in rows:
        expected = follow(last, row.subject, row.entry, row.at)
        if row != expected or (last and (row.subject != last.subject or row.at < last.at)):
            raise LedgerBroken(f"{row.subject}: row {row.number}")
        last = row
    return last
