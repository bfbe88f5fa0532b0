"""Passwords as argon2id verifiers: 19 MiB, two passes, one lane; nothing else is ever kept."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
SALT_BYTES = 16
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Match:
    """`upgraded` is a new verifier where the stored one was made with older parameters."""

    right: bool
    upgraded: str | None = None


@cache
def hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(
        time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES,
        hash_len=HASH_BYTES, salt_len=SALT_BYTES,
    )  # fmt: skip


def nobodys() -> str:
    """A verifier that no password fits and that costs what a real one costs."""
    salt, digest = (
        base64.b64encode(bytes(size)).rstrip(b"=").decode() for size in (SALT_BYTES, HASH_BYTES)
    )
    return f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${digest}"


class Passwords:
    def hash(self, password: str) -> str:
        return hasher().hash(password)

    def match(self, verifier: str | None, password: str) -> Match:
        """Whether the password fits; without a verifier the same work is done for nothing."""
        from argon2.exceptions import VerifyMismatchError

        try:
            hasher().verify(verifier or nobodys(), password)
        except VerifyMismatchError:
            return Match(right=False)
        if verifier is None:
            return Match(right=False)
        old = hasher().check_needs_rehash(verifier)
        return Match(right=True, upgraded=self.hash(password) if old else None)
