"""Card numbers in mail that reaches us: each digit is made an x before the mail is kept (PS-19)."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import CARD_RUN, holds_card_number
from chalicelib.mail.incoming import header

if TYPE_CHECKING:
    import re
    from email.message import EmailMessage

UNREADABLE = (LookupError, ValueError)
"""What decoding raises for a charset that nobody knows, or that is no name of one at all."""


def without_cards(raw: bytes) -> bytes:
    """The very same bytes where subject and text hold no number that could be a card's.

    What cannot be read as text is left alone: nothing here reads an attachment.
    """
    mail: EmailMessage = message_from_bytes(raw, policy=policy.default)
    changed = blank_subject(mail)
    for part in mail.walk():
        if part.get_content_maintype() == "text" and not part.is_multipart():
            changed = blank_text(part) or changed
    return mail.as_bytes() if changed else raw


def blank_subject(mail: EmailMessage) -> bool:
    subject = " ".join(str(header(mail, "Subject") or "").split())  # no header may break its line
    if not holds_card_number(subject):
        return False
    mail.replace_header("Subject", blanked(subject))
    return True


def blank_text(part: EmailMessage) -> bool:
    try:
        text = part.get_content()
    except UNREADABLE:
        return False
    if not isinstance(text, str) or not holds_card_number(text):
        return False
    part.set_content(blanked(text), subtype=part.get_content_subtype())
    return True


def blanked(text: str) -> str:
    def hide(run: re.Match[str]) -> str:
        if not holds_card_number(run[0]):
            return run[0]
        return "".join("x" if each.isdigit() else each for each in run[0])

    return CARD_RUN.sub(hide, text)
