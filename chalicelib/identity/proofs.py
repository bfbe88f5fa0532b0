"""Proof of possession (RFC 9449): each call is signed by the computer's own key.

No `jti` is stored and there is no nonce: launch_id, segment and seq make replays harmless.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chalicelib.core import signing
from chalicelib.core.clock import SECOND
from chalicelib.core.errors import Unauthorized
from chalicelib.core.keyed import same

if TYPE_CHECKING:
    from chalicelib.core.signing import Jwk
    from chalicelib.edge.request import Request

TYP = "dpop+jwt"
TOLERANCE_S = 300


class BadProof(Unauthorized):
    code = "proof_invalid"
    title = "The proof of possession is not valid"
    detail = "Send a DPoP proof for this very call, by the computer's own key."

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail)
        self.headers["WWW-Authenticate"] = 'DPoP error="invalid_dpop_proof", algs="EdDSA ES256"'


@dataclass(frozen=True, slots=True)
class Proof:
    """A computer by its public key; its id is the key's thumbprint. `jti` names this very proof."""

    jwk: Jwk
    computer: str
    jti: str = ""


def read_proof(
    request: Request, base_url: str, *, now: int | None, token: str | None = None
) -> Proof:
    """The computer that proved itself; BadProof otherwise.

    `now` judges the proof's age, unless it is None; `token` must be the one that the proof names.
    """
    claims, proof = opened(request.headers.get("dpop", ""))
    require_call(claims, request, base_url)
    if now is not None:
        require_fresh(claims, now)
    if token is not None and not same(str(claims.get("ath")), digest_of(token)):
        raise BadProof("The proof is for another access token.")
    return replace(proof, jti=claims["jti"])


def opened(compact: str) -> tuple[dict[str, Any], Proof]:
    """Signed by the key in its own header."""
    try:
        header, _, _, _ = signing.split(compact)
        jwk = header.get("jwk")
        if not isinstance(jwk, dict):
            raise BadProof
        claims = signing.verify(compact, jwk=jwk, typ=TYP)
        return claims, Proof(signing.public_members(jwk), signing.thumbprint(jwk))
    except signing.BadSignature:
        raise BadProof from None


def require_call(claims: dict[str, Any], request: Request, base_url: str) -> None:
    """The proof names this method and address; what follows ? or # does not count."""
    htu = str(claims.get("htu")).partition("?")[0].partition("#")[0]
    if claims.get("htm") != request.method or htu != f"{base_url}{request.path}":
        raise BadProof("The proof is for another call.")
    jti, iat = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or isinstance(iat, bool) or not isinstance(iat, int | float):
        raise BadProof("The proof lacks jti or iat.")


def require_fresh(claims: dict[str, Any], now: int) -> None:
    # In milliseconds, since a huge whole number cannot become a float.
    if abs(now - claims["iat"] * SECOND) > TOLERANCE_S * SECOND:
        raise BadProof("The proof is too old, or from the future.")


def digest_of(token: str) -> str:
    return signing.b64(hashlib.sha256(token.encode()).digest())
