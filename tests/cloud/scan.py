"""Looks for what must not be somewhere, also where it was encoded on the way."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RUN_OF_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
MAGIC_OF_GZIP = b"\x1f\x8b"


def spellings(canary: str) -> set[bytes]:
    """The ways in which this text may stand in other text, in small letters."""
    raw = canary.encode()
    plain = {canary, json.dumps(canary)[1:-1], quote(canary, safe=""), quote_plus(canary)}
    return {text.lower().encode() for text in plain} | {raw.hex().encode()}


def inside_base64(canary: str) -> set[bytes]:
    """What stays of it in base64, at each of the three offsets that it may begin at."""
    found = set()
    for offset in range(3):
        coded = base64.b64encode(bytes(offset) + canary.encode()).rstrip(b"=")
        whole = coded[(0, 2, 3)[offset] : len(coded) - 2]
        found |= {whole, whole.translate(bytes.maketrans(b"+/", b"-_"))}
    return {part for part in found if len(part) >= 6}


def holds(data: bytes, canary: str) -> bool:
    """Whether it stands there in clear, as JSON, URL, hex, base64, or gzip of one of them."""
    small = data.lower()
    if any(spelling in small for spelling in spellings(canary)):
        return True
    if any(part in data for part in inside_base64(canary)):
        return True
    return any(holds(unpacked, canary) for unpacked in packed(data))


def packed(data: bytes) -> Iterator[bytes]:
    """What was compressed, whole or as base64 within."""
    candidates: list[bytes] = [data] if data.startswith(MAGIC_OF_GZIP) else []
    for run in RUN_OF_BASE64.findall(data):
        if run.startswith(b"H4sI"):
            padded = run.translate(bytes.maketrans(b"-_", b"+/"))
            candidates.append(base64.b64decode(padded + b"=" * (-len(padded) % 4)))
    for candidate in candidates:
        try:
            yield gzip.decompress(candidate)
        except (OSError, EOFError):
            continue


def found_in(value: Any, canaries: Iterable[str]) -> list[str]:
    """The canaries that anything of this holds, whatever its shape."""
    data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return [canary for canary in canaries if holds(data, canary)]
