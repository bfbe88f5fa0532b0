"""The registry of texts: every sentence of ours, and the fields that an author may fill in.

A text is changed by a review of this file. Its wording goes into the hash that is pinned when a
mailing is approved, so that a changed text must be approved again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from chalicelib.mail.rules import MailClass

if TYPE_CHECKING:
    from collections.abc import Mapping


WRAPPER = "07e92046ad67c6c85c5d6a604db7823f65dcf3a3d0dc1513a189989146de4191"
"""The digest of what stands around every text in a mail: layout, subjects, and the sentence at the
foot. A test computes it. It goes into the hash too, so that what was approved inside another
wrapper must be approved again."""


class Kind(StrEnum):
    """What a mailing is."""

    ANNOUNCEMENT = "announcement"
    SERVICE = "service"
    SCREEN = "screen"
    OFFER = "offer"
    PARTNER = "partner"


class Channel(StrEnum):
    MAIL = "mail"
    SCREEN = "screen"


@dataclass(frozen=True, slots=True)
class KindRule:
    """`mail_class` is the law that its mail is under; None for a launch screen."""

    label: str
    goes_to: str
    mail_class: MailClass | None
    of_application: bool = False

    @property
    def channel(self) -> Channel:
        return Channel.MAIL if self.mail_class else Channel.SCREEN


KINDS: Mapping[Kind, KindRule] = {
    Kind.ANNOUNCEMENT: KindRule(
        "Announcement", "every member, whatever they chose", MailClass.ANNOUNCEMENT
    ),
    Kind.SERVICE: KindRule(
        "Service notice", "members who own the application, unless they stopped these notices",
        MailClass.NOTICE, of_application=True,
    ),
    Kind.SCREEN: KindRule(
        "Launch screen", "whoever launches the application", None, of_application=True
    ),
    Kind.OFFER: KindRule(
        "Offer", "established members (confirmed, with an order that was paid) who said yes to "
        "offers, twice in 30 days at most",
        MailClass.OFFER,
    ),
    Kind.PARTNER: KindRule(
        "Partner mail", "members who said yes to mail on behalf of partners", MailClass.PARTNER
    ),
}  # fmt: skip


class FieldKind(StrEnum):
    """What a field may hold."""

    LINE = "line"
    SENTENCES = "sentences"
    DAY = "day"
    TIME = "time"
    PAGE = "page"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class Field:
    kind: FieldKind
    label: str
    hint: str = ""
    most: int = 80


FIELDS: Mapping[str, Field] = {
    "day": Field(FieldKind.DAY, "Day", "Such as 2027-03-31.", 10),
    "begins": Field(FieldKind.TIME, "From", "UTC, such as 06:30.", 5),
    "ends": Field(FieldKind.TIME, "To", "UTC, such as 07:15.", 5),
    "headline": Field(FieldKind.LINE, "Headline", "It is the subject too."),
    "what": Field(FieldKind.SENTENCES, "What it is about", "Plain sentences, no links.", 600),
    "act": Field(FieldKind.SENTENCES, "What the reader can do", "Plain sentences, no links.", 400),
    "body": Field(FieldKind.SENTENCES, "Text", "Plain sentences, no links.", 1500),
    "page": Field(FieldKind.PAGE, "Page of ours to link to"),
    "partner": Field(FieldKind.LINE, "Partner", "The name of the company."),
    "web": Field(
        FieldKind.WEB, "Page of the partner", "It opens through our page that says so.", 300
    ),
}
PAGES: Mapping[str, str] = {
    "/account": "The account",
    "/account/notices": "Notices",
    "/account/downloads": "Downloads",
    "/apps": "Apps",
    "/contact": "Contact",
    "/privacy": "Privacy",
    "/privacy/security": "Security",
    "/status": "Status",
}


@dataclass(frozen=True, slots=True)
class Text:
    """`title` and `paragraphs` name fields in braces; `{application}` is the application's name."""

    label: str
    title: str
    paragraphs: tuple[str, ...]
    fields: tuple[str, ...]
    kinds: frozenset[Kind]


PLAIN = frozenset({Kind.ANNOUNCEMENT})
OF_APPLICATION = frozenset({Kind.SERVICE, Kind.SCREEN})
TEXTS: Mapping[str, Text] = {
    "maintenance": Text(
        "Maintenance of Cetrus",
        "Maintenance on {day}",
        (
            "Cetrus will not answer on {day} from {begins} to {ends} UTC.",
            "Applications that run then go on for as long as their license terms say.",
            "{what}",
        ),
        ("day", "begins", "ends", "what"),
        PLAIN,
    ),
    "incident": Text(
        "What went wrong",
        "What happened on {day}",
        ("{what}", "{act}"),
        ("day", "what", "act"),
        PLAIN,
    ),
    "service_change": Text(
        "A change to Cetrus",
        "Cetrus changes on {day}",
        ("From {day} on, this is different:", "{what}"),
        ("day", "what", "page"),
        PLAIN,
    ),
    "security": Text(
        "Security of accounts",
        "About the security of your account",
        ("{what}", "{act}"),
        ("what", "act", "page"),
        PLAIN,
    ),
    "application_maintenance": Text(
        "Maintenance of an application",
        "{application}: maintenance on {day}",
        ("{application} cannot be started on {day} from {begins} to {ends} UTC.", "{what}"),
        ("day", "begins", "ends", "what"),
        OF_APPLICATION,
    ),
    "application_change": Text(
        "A change to an application",
        "{application} changes on {day}",
        ("From {day} on, this is different in {application}:", "{what}"),
        ("day", "what"),
        OF_APPLICATION,
    ),
    "offer": Text(
        "An offer of ours",
        "{headline}",
        ("{body}",),
        ("headline", "body", "page"),
        frozenset({Kind.OFFER}),
    ),
    "partner": Text(
        "Material of a partner",
        "{headline}",
        (
            "{body}",
            "This is material of {partner}. Cetrus sends it; {partner} does not learn who gets it.",
        ),
        ("headline", "body", "partner", "web"),
        frozenset({Kind.PARTNER}),
    ),
}
