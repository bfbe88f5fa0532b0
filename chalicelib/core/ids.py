"""Identifiers: random where they name a new thing, derived where they name a fact."""

from __future__ import annotations

import hashlib
import json
import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: none reads as a digit
RANDOM_BITS = 125


def encode(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits = ALPHABET[digit] + digits
    return digits


def new_id(prefix: str) -> str:
    """An unguessable name such as `acc_…`: 125 random bits, no time in it."""
    return f"{prefix}_{encode(secrets.randbits(RANDOM_BITS), 25)}"


def derived_id(prefix: str, *facts: str | int) -> str:
    """The one name of a fact: the same facts always give the same id."""
    canonical = json.dumps(facts, separators=(",", ":")).encode()
    number = int.from_bytes(hashlib.sha256(canonical).digest()[:16])
    return f"{prefix}_{encode(number, 26)}"


def new_token() -> str:
    """A bearer secret of 256 random bits, safe in a URL."""
    return secrets.token_urlsafe(32)
