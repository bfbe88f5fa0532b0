"""What we state in public and sign: heads of the ledger, and results on the proof page.

A document is `{"body", "kind", "signature"}`. Signed is one short text, which holds the kind and
the body's hash, so that a head is never taken for anything else. The key is of its own, P-256, in
the key service; anybody checks a signature with its public half (infra/verify_ledger.py).
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chalicelib.core.signing import canonical

ALGORITHM = "ECDSA_SHA_256"


class SealInvalid(Exception):
    """A document is not of this kind, or was not signed by this key as it stands."""


def digest(body: Any) -> str:
    return hashlib.sha256(canonical(body)).hexdigest()


def statement(kind: str, body: Any) -> bytes:
    """The text that is signed for a document."""
    return f"cetrus {kind}\n{digest(body)}\n".encode()


@dataclass
class Seals:
    """Signs and reads documents; `kms` is the key service's client."""

    kms: Any
    key_id: str

    def sign(self, kind: str, body: Any) -> bytes:
        """The whole document, as it is stored and shown."""
        signature = self.kms.sign(
            KeyId=self.key_id,
            Message=statement(kind, body),
            MessageType="RAW",
            SigningAlgorithm=ALGORITHM,
        )["Signature"]
        document = {"body": body, "kind": kind, "signature": base64.b64encode(signature).decode()}
        return canonical(document)

    def read(self, kind: str, document: bytes) -> Any:
        """The body; SealInvalid where this key did not sign it as this kind."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            found = json.loads(document)
            body, signature = found["body"], base64.b64decode(found["signature"], validate=True)
            self._public.verify(signature, statement(kind, body), ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError, KeyError, TypeError) as error:
            raise SealInvalid(kind) from error
        return body

    def public_pem(self) -> str:
        """The public key as PEM text, for whoever checks from outside."""
        der = base64.b64encode(self._public_der).decode()
        lines = [der[start : start + 64] for start in range(0, len(der), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])

    @cached_property
    def _public_der(self) -> bytes:
        der: bytes = self.kms.get_public_key(KeyId=self.key_id)["PublicKey"]
        return der

    @cached_property
    def _public(self) -> Any:
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        return load_der_public_key(self._public_der)
