"""Signed statements: compact JWS whose algorithm follows from the key and whose `typ` is fixed."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from jwt import PyJWK
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from cetrus.errors import Unverified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Claims = dict[str, Any]
Jwk = dict[str, str]
# The algorithm is never read from what is being verified.
ALGORITHMS = {("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256"}
MEMBERS = {"OKP": ("crv", "kty", "x"), "EC": ("crv", "kty", "x", "y")}
MAX_COMPACT = 16_384
_JWS = PyJWS(algorithms=list(ALGORITHMS.values()))


def encode_b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8: what is hashed and signed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def hash_hex(value: Any) -> str:
    """The hex SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def public_jwk(key: Ed25519PrivateKey) -> Jwk:
    return {
        "crv": "Ed25519",
        "kty": "OKP",
        "x": encode_b64(key.public_key().public_bytes_raw()),
    }


def public_members(jwk: Any) -> Jwk:
    """Only the members that make the key, as strings; Unverified where it is none that we take."""
    names = MEMBERS.get(str(jwk.get("kty"))) if isinstance(jwk, dict) else None
    if names is None or any(not isinstance(jwk.get(name), str) for name in names):
        raise Unverified("A public key in the answer cannot be used.")
    found = {name: str(jwk[name]) for name in names}
    if (found["kty"], found["crv"]) not in ALGORITHMS:
        raise Unverified("A public key in the answer is of a kind that is not accepted.")
    return found


def thumbprint(jwk: Any) -> str:
    """The RFC 7638 SHA-256 thumbprint, base64url."""
    return encode_b64(hashlib.sha256(canonical(public_members(jwk))).digest())


def sign(claims: Mapping[str, Any], *, key: Ed25519PrivateKey, typ: str, **header: Any) -> str:
    return _JWS.encode(canonical(claims), key, algorithm="EdDSA", headers={"typ": typ, **header})


def key_id(compact: Any) -> str:
    """The `kid` in the header, only to choose the key by; Unverified where there is none."""
    if not isinstance(compact, str) or len(compact) > MAX_COMPACT:
        raise Unverified("The answer carries no signed statement.")
    try:
        kid = _JWS.get_unverified_header(compact).get("kid")
    except (PyJWTError, ValueError, RecursionError) as error:
        raise Unverified("The answer carries no signed statement.") from error
    if not isinstance(kid, str):
        raise Unverified("The signed statement names no key.")
    return kid


def verify(compact: Any, *, jwk: Mapping[str, Any], typ: str) -> Claims:
    """The claims, if this key signed them as this kind of statement; else Unverified."""
    if not isinstance(compact, str) or len(compact) > MAX_COMPACT:
        raise Unverified("The answer carries no signed statement.")
    members = public_members(jwk)
    algorithm = ALGORITHMS[(members["kty"], members["crv"])]
    try:
        key = PyJWK(cast("dict[str, Any]", members), algorithm=algorithm)
        found = _JWS.decode_complete(compact, key.key, algorithms=[algorithm])
        claims = json.loads(found["payload"])
    except (PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise Unverified("A signature in the answer does not hold.") from error
    if found["header"].get("typ") != typ or not isinstance(claims, dict):
        raise Unverified("The answer is signed, but is another kind of statement.")
    return claims
