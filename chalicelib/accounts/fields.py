"""What may stand in the fields of an account: pure rules, each answering with one sentence."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EMAIL_MAX = 254
LOCAL_MAX = 64
LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
DOMAIN = re.compile(
    r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(?!\d+$)[a-z0-9][a-z0-9-]{0,61}[a-z0-9]"
)
LOGIN_MIN = 3
LOGIN = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
PHONE = re.compile(r"\+[1-9][0-9 ()./-]*")
TAX_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]*")
PHONE_DIGITS = range(5, 16)  # E.164 has at most 15
CARD_DIGITS = range(13, 20)
CARD_RUN = re.compile(r"\d(?:[\s\u2010-\u2015-]*\d){12,}")

PASSWORD_MIN = 12
PASSWORD_MAX = 128
DISTINCT_MIN = 5
NAMED_MIN = 4
COMMON = frozenset(
    {
        "1q2w3e4r5t6y", "1qaz2wsx3edc", "administrator", "azertyuiop", "baseball", "basketball",
        "cetrus", "changeme", "computer", "contrasena", "correcthorsebatterystaple", "football",
        "iloveyou", "internet", "letmein", "michelle", "motdepasse", "password", "passwort",
        "princess", "qazwsxedcrfv", "qwertyuiop", "qwertzuiop", "starwars", "sunshine",
        "superman", "trustno1", "welcome", "whatever", "zaq12wsxcde3",
    }
)  # fmt: skip
ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)


def normal_email(text: str) -> str:
    """The address with its domain in ASCII and lower case; ValueError where it is none."""
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        domain = ""
    address = f"{local}{at}{domain}"
    well = LOCAL_PART.fullmatch(local) and DOMAIN.fullmatch(domain)
    if not well or len(local) > LOCAL_MAX or len(address) > EMAIL_MAX:
        raise ValueError("This is not an email address, such as name@example.org.")
    return address


def email_identity(text: str) -> str:
    """What two spellings of one address have in common; ValueError where it is none."""
    return normal_email(text).lower()


def login_identity(text: str) -> str:
    """What two spellings of one login name have in common."""
    return unicodedata.normalize("NFKC", text.strip()).casefold()


def check_login(text: str) -> str:
    if len(text) < LOGIN_MIN:
        raise ValueError(f"Use at least {LOGIN_MIN} characters.")
    if not LOGIN.fullmatch(login_identity(text)) or not text.isascii():
        raise ValueError(
            "Use letters, digits, dots, dashes and underscores, the first and last not a sign."
        )
    return text


def check_phone(text: str) -> str:
    digits = sum(character.isdigit() for character in text)
    if text and (not PHONE.fullmatch(text) or digits not in PHONE_DIGITS):
        raise ValueError(
            "This is not a phone number with + and its country code, such as +49 30 123456."
        )
    return text


def check_tax_id(text: str) -> str:
    if text and not TAX_ID.fullmatch(text):
        raise ValueError("Use letters, digits, spaces, dots, slashes and dashes.")
    return text


def passes_luhn(digits: list[int]) -> bool:
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]  # noqa: PLR2004 - Luhn
    return (sum(doubled) + sum(digits[::-2])) % 10 == 0


def holds_card_number(text: str) -> bool:
    """Whether 13 to 19 digits in a row, spaces and dashes aside, could be a card's number (PS-19).

    A number that starts with `+` and keeps to a phone's length is a phone number.
    """
    for run in CARD_RUN.finditer(text):
        digits = [unicodedata.digit(character) for character in run[0] if character.isdigit()]
        if text[: run.start()].endswith("+") and len(digits) in PHONE_DIGITS:
            continue
        if any(
            passes_luhn(digits[start : start + length])
            for length in CARD_DIGITS
            for start in range(len(digits) - length + 1)
        ):
            return True
    return False


def squeezed(text: str) -> str:
    """Letters and digits alone, without accents or case."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in decomposed if character.isalnum())


def is_row(text: str) -> bool:
    """Whether it only walks along the keyboard, the alphabet or the digits, or repeats itself."""
    return text in (text + text)[1:-1] or any(text in row or text in row[::-1] for row in ROWS)


def is_mostly(password: str, word: str) -> bool:
    """Whether it is the word itself, or the word and a number."""
    rest = password.replace(word, "", 1)
    return len(word) >= NAMED_MIN and rest != password and (not rest or rest.isdigit())


def check_password(password: str, about: Iterable[str] = ()) -> str:
    """The password; ValueError says why it would be guessed. `about` is what others know."""
    if len(password) < PASSWORD_MIN:
        raise ValueError(f"Use at least {PASSWORD_MIN} characters. A short sentence works well.")
    if len(password) > PASSWORD_MAX:
        raise ValueError(f"Use at most {PASSWORD_MAX} characters.")
    core = squeezed(password)
    if len(set(password.casefold())) < DISTINCT_MIN or (core and is_row(core)):
        raise ValueError("This repeats or follows a row of keys. Mix several words instead.")
    without_digits = core.strip("0123456789")
    if core in COMMON or without_digits in COMMON:
        raise ValueError("This is among the first passwords that are tried. Use another.")
    known = {squeezed(word) for fact in about for word in (fact, fact.partition("@")[0])}
    if any(is_mostly(core, word) for word in known):
        raise ValueError("This is mostly your name, login name or email address. Use another.")
    return password
