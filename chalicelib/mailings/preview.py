"""A mailing as its reader will see it, made by what makes the mails themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.mail.letters import words
from chalicelib.mail.rules import Message, Stop
from chalicelib.mail.templates import TEMPLATES
from chalicelib.mailings.planner import template_of
from chalicelib.privacy.sinks import Recipient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.mail.letters import Letterhead, Words
    from chalicelib.mail.rules import Argument
    from chalicelib.mailings.rules import Content

SAMPLE = Recipient("somebody@example.com", "Somebody", "Sample account", "sample")


def preview(
    head: Letterhead, content: Content, told: Mapping[str, Argument], now: int
) -> Words:  # fmt: skip
    """Subject and text of its mail to nobody in particular."""
    name = template_of(content.kind)
    template = TEMPLATES[name]
    message = Message("preview", name, template.mail_class, None, None, told, now, now)
    stop = "" if message.law.stop is Stop.NEVER else "each-readers-own"
    return words(head, message, template, SAMPLE, "", stop)
