"""The words of a mailing: what none may hold, what only offers may, and the shapes of fields.

A text is read as its reader reads it: without accents, in small letters of one width, with the
letters that look alike put back. Texts that promote nothing keep to `ADMITTED`, since no list of
words is long enough for all the letters that there are.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib.mailings.texts import PAGES, FieldKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ANGLES = re.compile(r"[<>{}]|&[#\w]+;")
ABBREVIATED = re.compile(r"(?<![\w.])(?:[^\W\d_]\.)+[^\W\d_]?(?!\w)")
"""Such as e.g.: single letters, which are no address."""
LINKS = re.compile(
    r"[/\\]{2}|www\.|@|[^\W\d_]\w*:\S|(?:[^\W\d]|-)\.[^\W\d_]|\d\.[^\W\d_]{2,}"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b"
)
"""What is made a link of: two letters of any script around a dot, or a colon within a word."""
DOTS = str.maketrans("\u3002\uff61\uff0e\u2024", "....")
"""What a browser takes for the dot of a name."""
PRICES = re.compile(
    r"[%‰]|\bper ?cents?\b|\d\s*(?:usd|eur|gbp|chf|jpy|dollars?|euros?|pounds?|francs?|cents?)\b"
    r"|\b(?:usd|eur|gbp|chf|jpy)\s*\d"
)
CODES = re.compile(r"\b(?=[A-Z0-9-]*[A-Z])(?=[A-Z0-9-]*\d)[A-Z0-9-]{5,}\b")
SMALL_CODES = re.compile(r"\b(?=\w{5})[a-z]{3,}\d+\b")
TECHNICAL = re.compile(
    r"\b(?:cve-\d{4}-\d{4,}|rfc-?\d{3,5}|iso-?\d{4,5}|sha-?\d{1,3}|utf-?\d{1,2}|base64|python3"
    r"|a[rm][md]64|win(?:32|64))\b",
    re.IGNORECASE,
)
"""What has the shape of a code, and is the name of something that notices are about."""
PROMOTING = (
    r"offers?", r"deals?", r"discount\w*", r"sales?", r"bargains?", r"coupon\w*",
    r"voucher\w*", r"promo(?:s|codes?)?", r"promotion(?:s|al)?", r"rebates?", r"cheap(?:er|est)?",
    "free", r"freebies?", "gratis", r"bonus(?:es)?", r"gifts?", r"giveaways?", "win",
    r"prizes?", r"exclusive(?:ly)?",
    "special", r"upgrades?", "upsell", "buy", "purchase", "subscribe", "shop", r"bestsellers?",
    r"sponsor(?:ed|s)?", r"advert(?:s|isements?|ising|ise|ize)?", r"newsletters?", "try it",
    "try now", "order now", "order today", "sign up", "limited time", "last chance", "hurry",
    "act now", "don't miss", "do not miss", "best price", r"lower prices?", r"prices? from",
    r"save (?:up to|money|big|\d+)", "black friday", "cyber monday", "introducing our",
    r"our partners?",
    r"half[ -](?:the )?price[ds]?", "half off",
    r"(?:two|three|[23])[ -]for[ -](?:one|two|the price|[12])",
    "complimentary", r"(?:reduced|lower|better|best) (?:rates?|fees?)(?! limit)",
    r"reduced prices?", r"price (?:cuts?|drops?)", r"pay(?:s|ing)? (?:less|half)", "costs? less",
    r"(?:best|great|good) value", "value for money", "on the house", "treat yourself",
    r"(?:days?|weeks?|months?|quarters?|years?) (?:is |are )?on us",
    r"(?:without|at no)(?: extra| additional)? (?:charge|cost)",
)  # fmt: skip
PROMOTION = re.compile(rf"\b(?:{'|'.join(PROMOTING)})\b")
SPELLED_OUT = re.compile("|".join(PROMOTING))
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
SPACED = re.compile(r"\b(?:\w[\W_]{1,3}){2,}\w\b")
JOINED = re.compile(r"(?<=\w)[-_'\u00b7\u2010-\u2015]+ ?(?=\w)")
LEET = (str.maketrans("01345678!", "oieasgtbi"), str.maketrans("0134567!8", "oleasgtib"))
SPELLED = {
    ord(letter): others
    for letter, others in {
        "\u00e6": "ae", "\u0153": "oe", "\u00f8": "o", "\u0142": "l", "\u0111": "d",
        "\u00f0": "d", "\u0131": "i", "\u0127": "h",
    }.items()
}  # fmt: skip
"""Letters of names and places that have no accent to take away."""
LOOKS = str.maketrans("\u00df\u1e9e", "bb")
"""A sharp s is also read as what it looks like."""
ADMITTED = frozenset(
    "abcdefghijklmnopqrstuvwxyz0123456789 !\"#%&'()*+,-./:;=?[]_~"
    "\u2013\u2014\u2010\u2018\u201c\u201d\u201e\u2022\u00b0\u00a7\u00d7\u00b1"
).union(map(chr, SPELLED))


def wording_flaw(value: str, *, promotes: bool, named: str = "") -> str:
    """What is wrong with free words; "" for nothing. `named` is the application they are about."""
    read = plain(value)
    if ANGLES.search(value) or ANGLES.search(read):
        return "Use words alone: no angle brackets, braces or codes of HTML."
    if any(unicodedata.category(c) in UNSEEN for c in value if c != "\n"):
        return "This holds characters that cannot be used."
    if LINKS.search(ABBREVIATED.sub(" ", read)):
        return "Leave web and mail addresses out: a page of ours has a field of its own."
    return "" if promotes else promotion_flaw(value, named)


def promotion_flaw(value: str, named: str = "") -> str:
    """What in a text would promote something; "" for nothing."""
    read = plain(value)
    if PRICES.search(read) or any(unicodedata.category(c) == "Sc" for c in value):
        return "This names a price or a percentage, which only offers may."
    if not ADMITTED.issuperset(read):
        return "Use plain Latin letters, digits and signs alone."
    if holds_code(value, named):
        return "This looks like a code, which only offers may hold. Put a space before a number."
    found = next(filter(None, map(PROMOTION.search, readings(value))), None)
    if word := found or SPELLED_OUT.search(spelled_out(read)):
        return f"“{word[0]}” promotes something, which only offers may."
    return ""


def holds_code(value: str, named: str) -> bool:
    """The name of an application may end in a number, and is no code for that."""
    told = TECHNICAL.sub(" ", unicodedata.normalize("NFKC", value))
    rest = told.replace(named, " ") if named else told
    return CODES.search(told) is not None or SMALL_CODES.search(rest.casefold()) is not None


def readings(value: str) -> list[str]:
    """The text as it can be read: digits and signs as letters, and hyphens in words as none."""
    spelled = {plain(text).translate(SPELLED) for text in (value, value.translate(LOOKS))}
    meant = [text.translate(letters) for text in sorted(spelled) for letters in ({}, *LEET)]
    return [*meant, *(JOINED.sub("", text) for text in meant)]


def plain(value: str) -> str:
    """Small letters without accents, invisible characters and doubled spaces."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", value)).casefold()
    seen = "".join(c for c in folded if unicodedata.category(c) not in {"Mn", "Mc", "Me", "Cf"})
    return " ".join(seen.split()).replace("\u2019", "'").translate(DOTS)


def spelled_out(value: str) -> str:
    """What is written letter by letter, `a s a l e` and `s.a.l.e`, as words without gaps."""
    runs = (re.sub(r"[\W_]", "", found[0]) for found in SPACED.finditer(value))
    return " ".join(runs)


def is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def is_time(value: str) -> bool:
    try:
        return f"{time.fromisoformat(value):%H:%M}" == value
    except ValueError:
        return False


def is_web(value: str) -> bool:
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        plain_port = parts.port is None
    except ValueError:
        return False
    dotted = re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", host) is not None
    clean = value.isascii() and value.isprintable() and not set(value) & set(" <>\"'\\{}")
    return parts.scheme == "https" and dotted and plain_port and clean and "@" not in parts.netloc


SHAPES: Mapping[FieldKind, tuple[Callable[[str], bool], str]] = {
    FieldKind.DAY: (is_day, "Write a day such as 2027-03-31."),
    FieldKind.TIME: (is_time, "Write a time such as 06:30."),
    FieldKind.PAGE: (PAGES.__contains__, "Choose a page from the list."),
    FieldKind.WEB: (is_web, "Write the https address of a page."),
}
