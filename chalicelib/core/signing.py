"""Compact JWS with a fixed algorithm per key: leases, receipts, verdicts, releases, proofs, tokens.

The algorithm follows from the verifying key and `typ` from the caller; neither is ever taken from
what is being verified. Own code, because a general JOSE library costs the license path more than
Chalice itself does (docs/decisions).
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

Claims = dict[str, Any]
Jwk = dict[str, str]
MAX_COMPACT = 8192
MEMBERS = {"OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y")}
ALGORITHMS = {"OKP": ("EdDSA", "Ed25519"), "EC": ("ES256",)}


class BadSignature(ValueError):
    """Not a JWS of this kind by this key; says nothing of the content."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Strict base64url without padding: one text for one value."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise BadSignature("not base64url") from error
    if b64(data) != text:
        raise BadSignature("not canonical base64url")
    return data


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8: what is hashed and signed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def public_members(jwk: Mapping[str, Any]) -> Jwk:
    """The public part that counts, strings only; BadSignature where the key is not one we take."""
    names = MEMBERS.get(str(jwk.get("kty")))
    if names is None or "d" in jwk or any(not isinstance(jwk.get(n), str) for n in names):
        raise BadSignature("not a public Ed25519 or P-256 key")
    found = {name: str(jwk[name]) for name in names}
    if found["crv"] != {"OKP": "Ed25519", "EC": "P-256"}[found["kty"]]:
        raise BadSignature("not a public Ed25519 or P-256 key")
    return found


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The RFC 7638 SHA-256 thumbprint, base64url."""
    return b64(hashlib.sha256(canonical(public_members(jwk))).digest())


def load_public(jwk: Mapping[str, Any]) -> Ed25519PublicKey | EllipticCurvePublicKey:
    members = public_members(jwk)
    try:
        if members["kty"] == "OKP":
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            return Ed25519PublicKey.from_public_bytes(unb64(members["x"]))
        from cryptography.hazmat.primitives.asymmetric import ec

        x, y = (int.from_bytes(unb64(members[n])) for n in ("x", "y"))
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError as error:
        raise BadSignature("not a public Ed25519 or P-256 key") from error


def public_jwk(key: Ed25519PrivateKey) -> Jwk:
    return {"crv": "Ed25519", "kty": "OKP", "x": b64(key.public_key().public_bytes_raw())}


def sign(claims: Mapping[str, Any], *, key: Ed25519PrivateKey, typ: str, **header: Any) -> str:
    """A compact EdDSA JWS over the claims."""
    protected = b64(canonical({"alg": "EdDSA", "typ": typ, **header}))
    signing_input = f"{protected}.{b64(canonical(claims))}"
    return f"{signing_input}.{b64(key.sign(signing_input.encode()))}"


def split(compact: str) -> tuple[Claims, Claims, bytes, bytes]:
    """Header, claims, signing input and signature, with nothing verified yet."""
    if not isinstance(compact, str) or len(compact) > MAX_COMPACT or compact.count(".") != 2:  # noqa: PLR2004 - header.payload.signature
        raise BadSignature("not a compact JWS")
    head, body, signature = compact.split(".")
    try:
        header, claims = parse(unb64(head)), parse(unb64(body))
    except (ValueError, RecursionError) as error:
        raise BadSignature("not a compact JWS") from error
    if not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header:
        raise BadSignature("not a compact JWS")
    return header, claims, f"{head}.{body}".encode(), unb64(signature)


def parse(data: bytes) -> Any:
    """JSON in UTF-8; ValueError for the NaN, and the half characters, that Python's reader takes.

    A NaN is neither old nor new, so a bound would let it through.
    """
    value = json.loads(data.decode(), parse_constant=refuse)
    if b"\\u" in data:
        canonical(value)  # half a character cannot be encoded again
    return value


def refuse(constant: str) -> None:
    raise BadSignature(f"{constant} is not JSON")


def verify(compact: str, *, jwk: Mapping[str, Any], typ: str) -> Claims:
    """The claims, if this key signed them as this kind of statement; else BadSignature."""
    header, claims, signed, signature = split(compact)
    key = load_public(jwk)
    if header.get("typ") != typ or header.get("alg") not in ALGORITHMS[str(jwk["kty"])]:
        raise BadSignature("another kind of statement")
    check_signature(key, signed, signature)
    return claims


def check_signature(
    key: Ed25519PublicKey | EllipticCurvePublicKey, signed: bytes, signature: bytes
) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
            return
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        if len(signature) != 64:  # noqa: PLR2004 - two 32-byte numbers
            raise BadSignature("wrong signature")
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise BadSignature("wrong signature") from error
