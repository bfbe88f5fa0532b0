"""This computer as Cetrus knows it: a random key pair made here, never a hardware fingerprint."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cetrus import jose, state
from cetrus.errors import StateTrouble

if TYPE_CHECKING:
    from pathlib import Path


class Computer:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.jwk = jose.public_jwk(key)
        self.id = jose.thumbprint(self.jwk)

    @property
    def name(self) -> str:
        """`Ab1c De2f Gh3i`: as the website shows this computer, for a person to compare."""
        return " ".join(self.id[start : start + 4] for start in (0, 4, 8))

    def prove(self, method: str, url: str, *, iat: int, token: str | None = None) -> str:
        """The DPoP proof of RFC 9449 for one request; `url` without query, `iat` in seconds."""
        claims = {"htm": method, "htu": url, "iat": iat, "jti": secrets.token_urlsafe(16)}
        if token is not None:
            claims["ath"] = jose.encode_b64(hashlib.sha256(token.encode()).digest())
        return jose.sign(claims, key=self._key, typ="dpop+jwt", jwk=self.jwk)

    def confirm_shown(self, lease_id: str, screen_sha256: str) -> str:
        """The receipt of the launch screen; sign it only after the person could see the screen."""
        claims = {"lease": lease_id, "sha256": screen_sha256}
        return jose.sign(claims, key=self._key, typ="shown+jwt")


def load_computer(folder: Path) -> Computer:
    """The stored key, made at the first call; StateTrouble where it cannot be read."""
    path = folder / "computer.json"
    with state.locked(folder / "computer.lock"):
        stored = state.read_json(path)
        if stored is None:
            if path.exists():
                raise StateTrouble(
                    f"The key of this computer in {path} is damaged.",
                    hint="Restore the file, or delete it to register this computer anew.",
                )
            key = Ed25519PrivateKey.generate()
            secret = jose.encode_b64(key.private_bytes_raw())
            state.write_json(path, {**jose.public_jwk(key), "d": secret})
            return Computer(key)
    return Computer(_read_key(str(stored.get("d", "")), path))


def _read_key(secret: str, path: Path) -> Ed25519PrivateKey:
    try:
        raw = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        return Ed25519PrivateKey.from_private_bytes(raw)
    except ValueError as error:
        raise StateTrouble(
            f"The key of this computer in {path} is damaged.",
            hint="Restore the file, or delete it to register this computer anew.",
        ) from error
