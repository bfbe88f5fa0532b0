"""Keyed hashes: what is stored in place of addresses, login names and tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KeyedHash:
    """HMAC-SHA-256 under one secret, separated by use; without it nothing can be guessed."""

    key: bytes = field(repr=False)

    def of(self, use: str, value: str) -> str:
        return self._mac(use, value).hex()

    def token(self, use: str, value: str) -> str:
        """A URL-safe secret that only this key can derive again, such as a mail link's token."""
        return base64.urlsafe_b64encode(self._mac(use, value)).rstrip(b"=").decode()

    def _mac(self, use: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{use}\0{value}".encode(), hashlib.sha256)


def same(left: str, right: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
