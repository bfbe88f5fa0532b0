"""A message as the mail that goes out: the same bytes each time it is made."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalicelib.core.clock import to_datetime
from chalicelib.mail.rules import sendable, sendable_address

if TYPE_CHECKING:
    from jinja2 import Environment

    from chalicelib.mail.rules import Message
    from chalicelib.mail.templates import Template
    from chalicelib.privacy.sinks import Recipient

FOLDER = Path(__file__).parent / "messages"
GAPS = re.compile(r"\n{3,}")
STOP = "unsubscribe"
"""The word before a token in the subject of a mail that ends mail of a kind."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What the mail service is given: an address as it stands on the wire, and the whole mail."""

    address: str = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Words:
    """A mail's subject, and its words in both forms."""

    subject: str
    text: str
    markup: str


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who sends: `sender` as a From header says it, `domain` what message ids end in."""

    sender: str
    domain: str
    base_url: str

    @property
    def address(self) -> str:
        return parseaddr(self.sender)[1]


@cache
def environment() -> Environment:
    """HTML is escaped and text is not; an undefined name is an error, never blank."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, autoescape=select_autoescape(["html"]),
    )  # fmt: skip


def compose(
    head: Letterhead,
    message: Message,
    template: Template,
    to: Recipient,
    token: str,
    stop: str = "",
) -> Letter:
    """The mail; Unsendable where a name or the address holds what no header may.

    `token` opens its single-use link, `stop` ends mail of its kind.
    """
    told = words(head, message, template, to, token, stop)
    address = sendable_address(to.address)
    mail = encode(head, message, address, told)
    if stop:
        add_way_out(mail, head, stop)
    return Letter(address, mail.as_bytes())


def words(
    head: Letterhead,
    message: Message,
    template: Template,
    to: Recipient,
    token: str,
    stop: str,
) -> Words:
    """What the mail says; Unsendable where a name or the subject holds what no header may."""
    names = {name: sendable(value) for name, value in asdict(to).items()}
    values = {
        **message.arguments,
        "to": names,
        "link": head.base_url + (template.link or "").format(token=token),
        "why": template.why,
        "base_url": head.base_url,
        "unsubscribe": f"{head.base_url}/unsubscribe/{stop}" if stop else "",
        "support": head.address,
        "written_at": to_datetime(message.created_at).strftime("%-d %B %Y, %H:%M UTC"),
    }
    subject = sendable(render(message.template, "subject.txt", values).strip())
    text = GAPS.sub("\n\n", render(message.template, "body.txt", values)).lstrip()
    markup = render(message.template, "body.html", values | {"subject": subject})
    return Words(subject, text, markup)


def render(template: str, part: str, values: dict[str, Any]) -> str:
    return environment().get_template(f"{template}/{part}").render(values)


def encode(head: Letterhead, message: Message, address: str, told: Words) -> EmailMessage:
    """MIME with nothing in it that differs between two makings: no clock, no random boundary."""
    mail = EmailMessage(SMTP)
    mail["From"] = head.sender
    mail["To"] = Address(addr_spec=address)
    mail["Subject"] = told.subject
    mail["Date"] = format_datetime(to_datetime(message.created_at // 1000 * 1000))
    mail["Message-ID"] = f"<{message.id}@{head.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-SES-MESSAGE-TAGS"] = f"class={message.mail_class}"
    mail.set_content(told.text, cte="quoted-printable")
    mail.add_alternative(told.markup, subtype="html", cte="quoted-printable")
    mail.set_boundary(f"=_{message.id}")
    return mail


def add_way_out(mail: EmailMessage, head: Letterhead, stop: str) -> None:
    """One click of the mail program, or a mail by itself, ends mail of this kind (RFC 8058, 2369).

    Folded by hand where a comma allows it: an address that is longer than a line must stay whole.
    """
    link = f"<{head.base_url}/unsubscribe/{stop}>"
    by_mail = f"<mailto:{head.address}?subject={quote(f'{STOP} {stop}')}>"
    mail.policy = mail.policy.clone(max_line_length=None)
    mail["List-Unsubscribe"] = f"{link}, {by_mail}"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
