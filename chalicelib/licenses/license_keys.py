"""License keys: they stand in for a person on machines without a browser.

`clk_<license>_<secret>_<checksum>`: the license is in the key, so that one read finds it, and the
checksum tells a typing error without any read.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from chalicelib.core.ids import ALPHABET, encode

SECRET_LENGTH, CHECK_LENGTH = 32, 6
KEY = re.compile(
    rf"(clk_([{ALPHABET}]{{25,26}})_[{ALPHABET}]{{{SECRET_LENGTH}}})_([{ALPHABET}]{{{CHECK_LENGTH}}})"
)


def checksum(text: str) -> str:
    return encode(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]), 7)[-CHECK_LENGTH:]


def new_key(license_id: str) -> str:
    """160 random bits for one license."""
    secret = encode(secrets.randbits(5 * SECRET_LENGTH), SECRET_LENGTH)
    text = f"clk_{license_id.removeprefix('lic_')}_{secret}"
    return f"{text}_{checksum(text)}"


def license_of(key: str) -> str | None:
    """The license that a well-formed key is for; None where it is mistyped or no key at all."""
    match = KEY.fullmatch(key)
    if match is None or checksum(match[1]) != match[3]:
        return None
    return f"lic_{match[2]}"
