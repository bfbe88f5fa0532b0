"""Card numbers in mail that reaches us: each digit is made an x before the mail is kept (PS-19).

The mail is read to find them and never written anew: what holds a number is replaced in the very
bytes that came, so that a mail which no library can write again is blanked all the same.
"""

from __future__ import annotations

import base64
import codecs
import html
import quopri
import re
from email import message_from_string, policy
from email.header import Header
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import PHONE_DIGITS, holds_card_number
from chalicelib.observability import count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

BYTES = "latin-1"
"""Each byte as a character, there and back."""
FORMATS = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
"""Characters that are not seen (category Cf)."""
RUN = re.compile(rf"\d(?:[\s\u2010-\u2015._/{FORMATS}-]*\d){{12,}}")
LONGEST = 2000
"""More digits in a row than anybody looks through: in so many some are a card's by chance."""
LOOKS = 5
"""What one look blanks may show another number to the next, in a mail of mixed encodings."""
MACHINES = re.compile(
    r"(x-)?received(-spf)?|return-path|(resent-)?message-id|references|in-reply-to|(resent-)?date"
    r"|(.*-)?dkim-signature|(.*-)?authentication-results|arc-.*|x-ses-.*|mime-version"
    r"|content-(id|transfer-encoding)|thread-index"
)
"""Headers that no person writes; whether a sender is believed stands in them."""
OF_PEOPLE = re.compile(r"(resent-|x-original-)?(from|to|cc|bcc|sender|reply-to)")
ADDRESS = re.compile(r"[^\s<>\",;:()]+@[^\s<>\",;:()]+")
HELD = re.compile(r"(\S*@\S*|boundary\s*=\s*(?:\"[^\"]*\"|[^\s;]+))", re.IGNORECASE)
"""What a header keeps as it is: addresses, and what the parts of the mail are told apart by."""
CELL = re.compile(r"</?(?:td|th|tr|li|option|h[1-6])\b[^<>]*>", re.IGNORECASE)
TAG = re.compile(r"<[^<>]*>")


def without_cards(raw: bytes) -> bytes:
    """The very same bytes where no header and no text holds a number that could be a card's.

    Nothing here reads an attachment. It never fails: what cannot be taken apart is blanked as it
    stands.
    """
    try:
        for _ in range(LOOKS):
            if (kept := looked_through(raw)) == raw:
                break
            raw = kept
    except Exception:  # noqa: BLE001 - no hostile mail may keep a number for being hostile
        count("mail_unreadable")
        return as_it_stands(raw)
    return raw


def looked_through(raw: bytes) -> bytes:
    mail: EmailMessage = message_from_string(raw.decode(BYTES), policy=policy.default)
    for old, new in sorted(changes(mail), key=lambda change: len(change[0]), reverse=True):
        raw = raw.replace(old, new)  # the longest first: one may stand within another
    return raw


def changes(mail: EmailMessage) -> Iterator[tuple[bytes, bytes]]:
    """What of the mail's bytes is replaced, and by what."""
    for part in mail.walk():
        for name, value in part.raw_items():
            yield from change(str(value), header(part, name, str(value)).encode(BYTES))
        text = part.get_payload()
        if isinstance(text, str) and part.get_content_maintype() == "text":
            yield from change(text, body(part, text))
        elif isinstance(text, str) and part.get_content_maintype() == "multipart":
            yield from change(text, as_it_stands(text.encode(BYTES)))
        for around in filter(None, (part.preamble, part.epilogue)):
            yield from change(around, as_it_stands(around.encode(BYTES)))


def change(text: str, new: bytes) -> Iterator[tuple[bytes, bytes]]:
    if (old := text.encode(BYTES)) != new:
        yield old, new


def header(part: EmailMessage, name: str, value: str) -> str:
    """The header's value without numbers; where people stand in it, their addresses alone."""
    if MACHINES.fullmatch(name.lower()):
        return value
    kept = apart(value)
    if (blank := apart(text := read(part, name, kept))) == text:
        return kept
    if OF_PEOPLE.fullmatch(name.lower()):
        return ", ".join(ADDRESS.findall(value))
    return blank if blank.isascii() else Header(blank, "utf-8", header_name=name).encode()


def read(part: EmailMessage, name: str, value: str) -> str:
    """The header as a mail program shows it."""
    try:
        return " ".join(str(part.policy.header_fetch_parse(name, value)).split())
    except Exception:  # noqa: BLE001 - the parser of the standard library trips over some headers
        return value


def apart(text: str) -> str:
    return "".join(piece if HELD.fullmatch(piece) else blanked(piece) for piece in HELD.split(text))


def body(part: EmailMessage, written: str) -> bytes:
    """The text of a part in the encoding that it came in."""
    old, content = written.encode(BYTES), part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return as_it_stands(old)
    text, charset = decoded(content, part.get_content_charset() or "utf-8")
    blank = of_markup(text) if part.get_content_subtype() == "html" else blanked(text)
    if blank == text:
        return as_it_stands(old)
    new, way = blank.encode(charset), str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    if way == "base64":
        return base64.encodebytes(new)
    if way == "quoted-printable":
        return quopri.encodestring(new)
    return codecs.encode(new, "uu") if "uu" in way else new


def decoded(content: bytes, charset: str) -> tuple[str, str]:
    """Text with the charset that it can be written back in: any bytes are Latin-1."""
    for each in (charset, "utf-8"):
        try:
            text = content.decode(each)
            if text.encode(each) == content:
                return text, each
        except (LookupError, ValueError):
            continue
    return content.decode(BYTES), BYTES


def as_it_stands(raw: bytes) -> bytes:
    text, charset = decoded(raw, "utf-8")
    return blanked(text).encode(charset)


def of_markup(text: str) -> str:
    """Without any digit where a reader would see a number that tags or entities take apart."""
    blank = blanked(text)
    seen = html.unescape(TAG.sub("", CELL.sub("|", blank)))
    if blanked(seen) == seen and blanked(html.unescape(blank)) == html.unescape(blank):
        return blank
    return without_digits(html.unescape(TAG.sub("", CELL.sub(" ", blank))))


def blanked(text: str) -> str:
    return RUN.sub(hide, text)


def hide(run: re.Match[str]) -> str:
    """A number that starts with `+` and keeps to a phone's length is a phone number."""
    digits = "".join(filter(str.isdecimal, run[0]))
    phone = run.string[: run.start()].endswith("+") and len(digits) in PHONE_DIGITS
    if phone or (len(digits) <= LONGEST and not holds_card_number(digits)):
        return run[0]
    return without_digits(run[0])


def without_digits(text: str) -> str:
    return "".join("x" if each.isdigit() else each for each in text)
