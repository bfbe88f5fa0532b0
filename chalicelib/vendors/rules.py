"""Vendors and the tokens of their programs."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.core.ids import ALPHABET, encode

if TYPE_CHECKING:
    from chalicelib.core.signing import Jwk

PREFIX = "cvt"
BODY = 52  # 260 bits in base 32
TOKEN = re.compile(rf"{PREFIX}_[{ALPHABET}]{{{BODY}}}_[{ALPHABET}]{{7}}")


@dataclass(frozen=True, slots=True)
class Vendor:
    """`keys` are the public keys that its releases may be signed with."""

    id: str
    name: str
    keys: tuple[Jwk, ...] = field(default=())


def make_token(random_bits: int) -> str:
    """A prefixed token with a checksum, so that a typing error costs no read."""
    body = f"{PREFIX}_{encode(random_bits, BODY)}"
    return f"{body}_{checksum(body)}"


def checksum(body: str) -> str:
    return encode(binascii.crc32(body.encode()), 7)


def well_formed(token: str) -> bool:
    if not TOKEN.fullmatch(token):
        return False
    body, _, check = token.rpartition("_")
    return checksum(body) == check
