"""The keys that leases, receipts, verdicts and access tokens are signed with.

One Ed25519 key signs at a time. Each is wrapped by the key service under a fixed encryption
context, unwrapped once a process, and looked for again at most every five minutes; so a new key is
published for longer than that before it signs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.core import signing
from chalicelib.core.clock import DAY, MINUTE, to_text
from chalicelib.core.errors import Unavailable
from chalicelib.storage.dynamo import ABSENT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from chalicelib.core.clock import Clock
    from chalicelib.core.signing import Jwk
    from chalicelib.storage.dynamo import Item, Table

PK = "SIGNING"
CONTEXT = {"use": "lease"}
LOOK_AGAIN = 5 * MINUTE
PUBLISHED_BEFORE = 15 * MINUTE
SIGNS_FOR = 365 * DAY
# What was signed last must stay verifiable: receipts are kept as evidence.
VERIFIES_FOR = SIGNS_FOR + 730 * DAY
RENEWED_BEFORE = 30 * DAY


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`not_before` to `signs_until` it signs; until `not_after` it verifies."""

    kid: str
    jwk: Jwk
    not_before: int
    signs_until: int
    not_after: int
    wrapped: bytes = field(repr=False)

    def signs(self, now: int) -> bool:
        return self.not_before <= now < self.signs_until

    def published(self) -> dict[str, str]:
        return {
            **self.jwk, "kid": self.kid, "use": "sig", "alg": "EdDSA",
            "not_before": to_text(self.not_before), "not_after": to_text(self.not_after),
        }  # fmt: skip


class KeyRing:
    def __init__(self, accounts: Table, kms: Any, key_id: str, clock: Clock) -> None:
        self.accounts, self.kms, self.key_id, self.clock = accounts, kms, key_id, clock
        self._keys: dict[str, SigningKey] = {}
        self._private: dict[str, Ed25519PrivateKey] = {}
        self._looked_at: int | None = None

    # using

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """The key that signs now; Unavailable where `ensure_key` was never run."""
        now = self.clock()
        usable = [key for key in self._current() if key.signs(now)]
        if not usable:
            raise Unavailable
        key = max(usable, key=lambda key: (key.not_before, key.kid))
        if key.kid not in self._private:
            self._private[key.kid] = self._unwrap(key)
        return key.kid, self._private[key.kid]

    def jwk(self, kid: str) -> Jwk | None:
        """The public key of what is still to be verified; None for any other."""
        now = self.clock()
        found = next((key for key in self._current() if key.kid == kid), None)
        return found.jwk if found and now < found.not_after else None

    def public_set(self) -> dict[str, list[dict[str, str]]]:
        """The JWK set, the next key included before it signs."""
        now = self.clock()
        return {"keys": [key.published() for key in self._current() if now < key.not_after]}

    def sign(self, claims: dict[str, Any], typ: str) -> str:
        kid, key = self.signer()
        return signing.sign(claims, key=key, typ=typ, kid=kid)

    def verify(self, compact: str, typ: str) -> signing.Claims:
        """The claims of our own statement of this kind; BadSignature for everything else."""
        header, _, _, _ = signing.split(compact)
        jwk = self.jwk(str(header.get("kid")))
        if jwk is None:
            raise signing.BadSignature("not a key of ours")
        return signing.verify(compact, jwk=jwk, typ=typ)

    def _current(self) -> list[SigningKey]:
        now = self.clock()
        # A clock set back must not keep an old set alive.
        if self._looked_at is None or not 0 <= now - self._looked_at < LOOK_AGAIN:
            found = [signing_key(item) for item in self.accounts.query(PK, prefix="KEY#")]
            self._keys = {key.kid: key for key in found}
            self._looked_at = now
        return list(self._keys.values())

    def _unwrap(self, key: SigningKey) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        answer = self.kms.decrypt(
            CiphertextBlob=key.wrapped, KeyId=self.key_id, EncryptionContext=CONTEXT
        )
        return Ed25519PrivateKey.from_private_bytes(answer["Plaintext"])

    # what the operator does

    def ensure_key(self) -> str:
        """The kid of a key that signs for at least another month, made now if there is none.

        The first signs at once; a later one only once every process knows it.
        """
        self._looked_at = None
        now = self.clock()
        keys = self._current()
        lasting = [key for key in keys if key.signs_until - now > RENEWED_BEFORE]
        if lasting:
            return max(lasting, key=lambda key: key.not_before).kid
        first = not any(key.signs(now) for key in keys)
        made = self._make(now if first else now + PUBLISHED_BEFORE)
        self._looked_at = None
        return made

    def _make(self, not_before: int) -> str:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        jwk = signing.public_jwk(private)
        kid = signing.thumbprint(jwk)
        wrapped = self.kms.encrypt(
            KeyId=self.key_id, Plaintext=private.private_bytes_raw(), EncryptionContext=CONTEXT
        )["CiphertextBlob"]
        item = {
            "pk": PK, "sk": f"KEY#{kid}", "type": "signing_key", "v": 1, "kid": kid, "jwk": jwk,
            "not_before": not_before, "signs_until": not_before + SIGNS_FOR,
            "not_after": not_before + VERIFIES_FOR, "wrapped": wrapped,
        }  # fmt: skip
        self.accounts.apply(self.accounts.put(item, ABSENT))
        return kid


def signing_key(item: Item) -> SigningKey:
    return SigningKey(**{name: item[name] for name in SigningKey.__slots__})
