"""What is signed about a launch: leases, receipts and refusals; and what a computer signs back.

| typ | says |
|---|---|
| lease+jwt | the permission, with all that renewing and ending it need |
| receipt+jwt | the lease's claims, with how it ended and what is billed |
| verdict+jwt | a refusal, naming launch, segment and seq: it answers one question alone |
| shown+jwt | by the computer: this launch screen was shown |

A lease is a function of what is stored: the same state always signs to the same text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core import signing
from chalicelib.core.errors import Unauthorized
from chalicelib.licenses.values import Lease

if TYPE_CHECKING:
    from chalicelib.core.signing import Claims, Jwk
    from chalicelib.licenses.keys import KeyRing
    from chalicelib.licenses.values import Head, Interval
    from chalicelib.licenses.verdicts import Verdict

LEASE, RECEIPT, VERDICT, SHOWN = "lease+jwt", "receipt+jwt", "verdict+jwt", "shown+jwt"


class BadLease(Unauthorized):
    code = "lease_invalid"
    title = "The lease is not valid"
    detail = "The lease is not one that this service signed for this computer."


@dataclass(frozen=True, slots=True)
class Question:
    """What a refusal answers."""

    application: str
    launch_id: str
    segment: int
    seq: int
    computer: str


class Leases:
    def __init__(self, ring: KeyRing, issuer: str) -> None:
        self.ring, self.issuer = ring, issuer

    def sign(self, lease: Lease, head: Head, jwk: Jwk) -> str:
        return self.ring.sign({"iss": self.issuer, **claims_of(lease, head, jwk)}, LEASE)

    def renew(self, claims: Claims, lease: Lease) -> str:
        """The lease again, with what a heartbeat changes."""
        return self.ring.sign({**claims, **moving(lease)}, LEASE)

    def receipt(self, claims: Claims, interval: Interval) -> str:
        """`end_ms` is where the bill ends, not where the lease would have ended."""
        ended = {
            "end_ms": interval.ended_at, "ended_ms": interval.ended_at,
            "billed_ms": interval.billed_ms, "by": interval.by,
        }  # fmt: skip
        return self.ring.sign({**claims, **ended}, RECEIPT)

    def refusal(self, verdict: Verdict, question: Question, now: int, **more: Any) -> str:
        said = {
            "iss": self.issuer, "valid": False, "code": str(verdict.code),
            "detail": verdict.detail, "application": question.application,
            "launch_id": question.launch_id, "seg": question.segment, "seq": question.seq,
            "cnf": {"jkt": question.computer}, "iat_ms": now, **more,
        }  # fmt: skip
        return self.ring.sign(said, VERDICT)

    def read(self, compact: str) -> Claims:
        """The claims of a lease of ours; BadLease for anything else."""
        try:
            claims = self.ring.verify(compact, LEASE)
        except signing.BadSignature:
            raise BadLease from None
        if claims.get("iss") != self.issuer:
            raise BadLease
        return claims


def claims_of(lease: Lease, head: Head, jwk: Jwk) -> Claims:
    terms = head.terms
    return {
        "jti": lease.id, "sub": lease.person, "vendor": lease.vendor,
        "application": lease.application, "license": lease.license,
        "launch_id": lease.launch_id, "seg": lease.segment,
        "item": lease.sk, "cnf": {"jwk": jwk}, "computer": lease.computer,
        "release": lease.release, "start_ms": lease.started_at, **moving(lease),
        "ttl_ms": lease.lease_ms, "capped": lease.capped, "prepaid": lease.prepaid,
        "screen": lease.screen,
        "quote": quote(lease),
        "outage": {
            "grace_s": terms.outage_grace_ms // 1000, "mode": terms.outage_mode,
            "bill": terms.outage_bill,
        },
    }  # fmt: skip


def moving(lease: Lease) -> Claims:
    """What changes while a lease runs; issued when the stored state came about."""
    return {
        "issued_ms": lease.seen, "end_ms": lease.expires_at, "seq": lease.seq,
        "epoch": lease.epoch, "license_end_ms": lease.ends_at,
    }  # fmt: skip


def quote(lease: Lease) -> Claims:
    """The price that was promised: `rate` is in 10⁻⁶ minor units, `terms` their version."""
    return {
        "rate": lease.rate, "per": "hour", "currency": lease.currency, "terms": lease.terms,
        "free_ms": lease.free_ms,
    }  # fmt: skip


def lease_of(claims: Claims) -> Lease:
    """The lease as it was when it was signed."""
    price = claims["quote"]
    return Lease(
        license=claims["license"], sk=claims["item"], id=claims["jti"],
        launch_id=claims["launch_id"], segment=claims["seg"], started_at=claims["start_ms"],
        expires_at=claims["end_ms"], seq=claims["seq"], seen=claims["issued_ms"],
        epoch=claims["epoch"], rate=price["rate"], currency=price["currency"],
        terms=price["terms"], free_ms=price["free_ms"], lease_ms=claims["ttl_ms"],
        vendor=claims["vendor"], application=claims["application"], computer=claims["computer"],
        release=claims["release"], screen=claims["screen"], capped=claims["capped"],
        prepaid=claims.get("prepaid", False), ends_at=claims.get("license_end_ms"),
        person=claims.get("sub"),
    )  # fmt: skip


def was_shown(shown: str | None, claims: Claims) -> bool:
    """True for the computer's own receipt of this lease's screen; any other is as good as none."""
    if shown is None:
        return False
    try:
        said = signing.verify(shown, jwk=claims["cnf"]["jwk"], typ=SHOWN)
    except signing.BadSignature:
        return False
    return (said.get("lease"), said.get("sha256")) == (claims["jti"], claims["screen"])
