"""Mail classes with the law of each, message states, and when to try again.

    waiting --claim--> sending --handed over--> sent
       ^                  |-- nobody to write to ----> no_recipient
       |                  |-- refused ---------------> refused
       |                  |-- optional, outcome unknown -> unknown
       |                  |-- its time has passed ---> stale
       |                  |-- tried too often -------> failed
       +---- try later ---+

A claim that lapsed is taken again, unless optional mail was being handed over just then.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, HOUR, MINUTE, SECOND
from chalicelib.privacy.rules import Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

CLAIM_LIFE = 2 * MINUTE  # longer than any function that sends may run
MAX_TRIES = 12
FIRST_PAUSE = 30 * SECOND
LONGEST_PAUSE = 4 * HOUR
FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})

Argument = str | int | list[str]


class MailClass(StrEnum):
    """What a mail is, which decides what may happen to it."""

    ACCOUNT = "account"
    NOTICE = "notice"
    ANNOUNCEMENT = "announcement"
    OFFER = "offer"
    PARTNER = "partner"
    POLICY_CHANGE = "policy_change"


class Stop(StrEnum):
    """How a person ends mail of a class."""

    NEVER = "with the account alone"
    ONE_CLICK = "one click, or a mail to us"


class Links(StrEnum):
    """Where links in a mail may lead."""

    OWN = "our pages"
    EXIT = "our pages, others through /exit"


class Lane(StrEnum):
    """Who hands a mail over: functions whose roles open the addresses of these purposes alone."""

    SERVICE = "MAIL_DUE"
    CAMPAIGN = "CAMPAIGN_DUE"


@dataclass(frozen=True, slots=True)
class Cap:
    """So many mails of a class to one account in any stretch of `days` days."""

    mails: int
    days: int

    @property
    def span(self) -> int:
        return self.days * DAY


@dataclass(frozen=True, slots=True)
class Law:
    """What may happen to mail of a class; the mailer, its headers and docs/mails.md read this.

    `must_arrive`: sent again, with the same Message-ID, where a hand-over's outcome is unknown.
    All other mail is optional: it is not sent again, it carries a way to stop it, and a wish to
    stop it counts up to the hand-over itself. `approved`: staff write it, and a second person
    approves it. `promotes`: it may advertise.
    """

    must_arrive: bool
    purposes: frozenset[Purpose]
    goes_to: str
    links: Links = Links.OWN
    cap: Cap | None = None
    approved: bool = False
    promotes: bool = False
    lane: Lane = Lane.SERVICE

    @property
    def stop(self) -> Stop:
        return Stop.NEVER if self.must_arrive else Stop.ONE_CLICK


LAWS = {
    MailClass.ACCOUNT: Law(
        must_arrive=True,
        purposes=frozenset({Purpose.ACCOUNT, Purpose.SUPPORT, Purpose.STAFF}),
        goes_to="whoever it is about",
    ),
    MailClass.NOTICE: Law(
        must_arrive=False,
        purposes=frozenset({Purpose.ACCOUNT, Purpose.INVITATION}),
        goes_to="owners of the application that it is about; whoever was invited",
    ),
    MailClass.ANNOUNCEMENT: Law(
        must_arrive=True,
        purposes=frozenset({Purpose.ACCOUNT}),
        goes_to="every active member",
        approved=True,
    ),
    MailClass.OFFER: Law(
        must_arrive=False,
        purposes=frozenset({Purpose.MARKETING, Purpose.SURVEYS}),
        goes_to="active members with a paid order who said yes",
        cap=Cap(2, 30),
        approved=True,
        promotes=True,
        lane=Lane.CAMPAIGN,
    ),
    MailClass.PARTNER: Law(
        must_arrive=False,
        purposes=frozenset({Purpose.PARTNER_MAIL}),
        goes_to="active members who said yes",
        links=Links.EXIT,
        cap=Cap(2, 30),
        approved=True,
        promotes=True,
        lane=Lane.CAMPAIGN,
    ),
    MailClass.POLICY_CHANGE: Law(
        must_arrive=True,
        purposes=frozenset({Purpose.POLICY_NOTICE, Purpose.ACCOUNT}),
        goes_to="active members whom the change affects",
    ),
}


def classes_of(lane: Lane) -> list[MailClass]:
    return [mail_class for mail_class, law in LAWS.items() if law.lane is lane]


class Why(StrEnum):
    """Why a message ended unsent, beside its state."""

    UNWANTED = "unwanted"
    CAP = "cap"
    UNAPPROVED = "unapproved"
    NO_GRANT = "no_grant"


class State(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    NO_RECIPIENT = "no_recipient"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    STALE = "stale"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a hand-over to the mail service ended."""

    SENT = "sent"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class NoRecipient(Exception):
    """There is nobody, or nobody any more, whom this message may go to."""


class Gone(NoRecipient):
    """The account is no more, or is being erased."""


class Unapproved(Exception):
    """What would go out is not what was approved, or is not to go out any more."""


class Unsendable(Exception):
    """The mail would carry a control character, or its address is none."""


@dataclass(frozen=True, slots=True)
class Message:
    """One mail to one person; it names them by account or by email claim, never by address.

    From `not_after` on there is nothing left to say, and it is not sent any more. `counted` is
    whether the cap of its class has it already.
    """

    id: str
    template: str
    mail_class: MailClass
    account: str | None
    claim: str | None
    arguments: Mapping[str, Argument] = field(repr=False)
    created_at: int
    due: int
    state: State = State.WAITING
    tries: int = 0
    not_after: int | None = None
    counted: bool = False

    @property
    def law(self) -> Law:
        return LAWS[self.mail_class]

    @property
    def mailing(self) -> str | None:
        """The mailing that it is one mail of; what it says stands there."""
        found = self.arguments.get("mailing")
        return str(found) if found is not None else None

    def stale(self, now: int) -> bool:
        return self.not_after is not None and now >= self.not_after


def pause(tries: int) -> int:
    """Milliseconds to wait after so many tries: doubled each time, with an upper end."""
    return min(FIRST_PAUSE << max(0, tries - 1), LONGEST_PAUSE)


def sendable(value: str) -> str:
    """The value; Unsendable where it holds a line break or another control character."""
    if any(unicodedata.category(character) in FORBIDDEN for character in value):
        raise Unsendable("a control character")
    return value


def sendable_address(address: str) -> str:
    """An address as it stands on the wire; Unsendable where it cannot."""
    local, at, domain = sendable(address).rpartition("@")
    try:
        wire = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise Unsendable("no such domain") from None
    if not at or not local or not domain or not wire.isascii() or set(wire) & set(' ,;:<>()[]"\\'):
        raise Unsendable("not one address")
    return wire


def normalized(address: str) -> str:
    """One text for the spellings of one address; Unsendable where it is none."""
    return sendable_address(address.strip()).casefold()
