"""The license calls of `/v1`: every verdict is a 200; a 4xx is for form and credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core import signing
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.bodies import read_json
from chalicelib.edge.responses import as_json
from chalicelib.edge.routes import Edge
from chalicelib.identity.proofs import BadProof, read_proof
from chalicelib.licenses import leases, license_keys
from chalicelib.licenses.bodies import CheckBody, EndBody, HeartbeatBody, LaunchBody
from chalicelib.licenses.leases import Question
from chalicelib.licenses.rules import Ask
from chalicelib.licenses.verdicts import Code, Verdict
from chalicelib.settings import settings

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.core.signing import Claims
    from chalicelib.edge.request import Request

routes = Edge(__name__)
KEYS_KEPT = "public, max-age=300"


@routes.call("POST", "/v1/licenses/check")
def check_license(request: Request) -> Response:
    """Takes no seat and writes nothing."""
    body = read_json(request, CheckBody)
    said = said_by(request)
    ask = asked_by_key(body) if body.license_key else asked(said, body.license_id)
    computer = signing.thumbprint(body.computer) if body.computer else said.get("computer")
    about = rules_of(ask, application=body.application, release=body.release, computer=computer)
    known = about.license_id is not None or about.own
    verdict = wiring.licenses().check(about) if known else Verdict(Code.UNKNOWN)
    return as_json(wiring.answers().check(verdict))


@routes.call("POST", "/v1/launches")
def launch(request: Request) -> Response:
    """Idempotent by launch_id and segment, so it needs no key."""
    body, said = read_json(request, LaunchBody), said_by(request)
    computer = signing.thumbprint(body.computer)
    if computer != said["computer"]:
        raise BadProof("The computer is not the one whose key made the proof.")
    segment = body.segment or 0
    ask = rules_of(
        asked(said, body.license_id), application=body.application, release=body.release,
        computer=computer, launch_id=body.launch_id, segment=segment,
    )  # fmt: skip
    verdict = wiring.licenses().launch(ask)
    question = Question(body.application, body.launch_id, segment, 0, computer)
    return as_json(wiring.answers().launch(verdict, question, body.computer))


@routes.call("POST", "/v1/leases/{lease_id}/heartbeats")
def renew(request: Request, lease_id: str) -> Response:
    """No read in the common case: the signed lease says all, and the proof shows whose it is."""
    body = read_json(request, HeartbeatBody)
    claims = proved_lease(request, body.lease)
    question = question_of(claims, body.seq)
    verdict = Verdict(Code.UNKNOWN)
    if lease_id == claims["jti"]:
        shown = leases.was_shown(body.shown, claims)
        verdict = wiring.licenses().heartbeat(leases.lease_of(claims), body.seq, shown=shown)
    return as_json(wiring.answers().heartbeat(verdict, question, claims))


@routes.call("POST", "/v1/leases/{lease_id}/end")
def end(request: Request, lease_id: str) -> Response:
    """Ended again, or after its expiry: the receipt all the same."""
    body = read_json(request, EndBody)
    claims = proved_lease(request, body.lease)
    question = question_of(claims, claims["seq"])
    verdict = Verdict(Code.UNKNOWN)
    if lease_id == claims["jti"]:
        verdict = wiring.licenses().end(leases.lease_of(claims))
    return as_json(wiring.answers().end(verdict, question, claims))


@routes.call("GET", "/v1/keys")
def list_keys(request: Request) -> Response:
    """Each with the time in which it signs; the next one stands here before it does."""
    return as_json(wiring.key_ring().public_set(), headers={"Cache-Control": KEYS_KEPT})


def said_by(request: Request) -> dict[str, Any]:
    return request.caller.claims if request.caller else {}


def asked(said: dict[str, Any], license_id: str | None) -> Ask:
    """By an access token or a license key; the key itself is judged where its license is read."""
    own = tuple(said.get("licenses", ()))
    if said.get("by") == "body":
        raise InvalidInput(errors={"license_key": "Send a license key, or a credential."})
    if said.get("by") == "key":
        named = license_id or said["license"]
        mine = named == said["license"]
        return Ask("", key_hash=said["key_hash"], by_key=mine, own=own, license_id=named)
    return Ask("", person=said.get("person"), own=own, license_id=license_id)


def asked_by_key(body: CheckBody) -> Ask:
    """By the key in the body, whoever calls; a wrong key is as unknown as its license."""
    if body.license_id is not None:
        raise InvalidInput(errors={"license_key": "Send license_key or license_id, not both."})
    key = body.license_key or ""
    license_id = license_keys.license_of(key)
    return Ask("", key_hash=wiring.licenses().key_hash(key), license_id=license_id)


def rules_of(ask: Ask, **about: Any) -> Ask:
    from dataclasses import replace

    return replace(ask, **about)


def proved_lease(request: Request, compact: str) -> Claims:
    """The claims of a lease of ours, from the computer that it was signed for.

    The proof's age is not judged: a computer whose clock is wrong must not lose its lease.
    """
    claims = wiring.leases().read(compact)
    proof = read_proof(request, settings().base_url, now=None)
    if proof.jwk != claims["cnf"]["jwk"]:
        raise BadProof("The lease belongs to another computer.")
    return claims


def question_of(claims: Claims, seq: int) -> Question:
    return Question(
        claims["application"], claims["launch_id"], claims["seg"], seq, claims["computer"]
    )
