"""Who calls for an application: a person's access token, or a license key, with the proof.

On the license path (check and launch) nothing is read here: a token says all by itself, and a
license key is compared with the head that the path reads anyway. Elsewhere two reads find the
account, and whether the sign-in still stands: nobody signed out everywhere since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.caller import Caller
from chalicelib.identity.proofs import BadProof, read_proof
from chalicelib.licenses import license_keys, rules

if TYPE_CHECKING:
    from chalicelib.edge.request import Request
    from chalicelib.identity.service import Identity
    from chalicelib.licenses.service import Licenses

CHECK = "/v1/licenses/check"
LICENSE_PATH = frozenset({CHECK, "/v1/launches"})
KIND = "application"


def application(request: Request, identity: Identity, licenses: Licenses) -> Caller | None:
    """The caller with what its credential says; None where there is no credential at all."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "dpop":
            return by_token(request, credential.strip(), identity)
        case "license":
            return by_key(request, credential.strip(), identity, licenses)
        case "" if request.resource == CHECK:
            # A check alone takes its license key in the body; the view looks at it.
            return Caller(KIND, "", claims={"by": "body"})
    return None


def by_token(request: Request, token: str, identity: Identity) -> Caller:
    claims = identity.read_access(token)
    proof = read_proof(request, identity.issuer, now=identity.clock(), token=token)
    if proof.computer != claims["cnf"]["jkt"]:
        raise BadProof("The access token belongs to another computer.")
    account = "" if request.resource in LICENSE_PATH else identity.account_of(claims)
    said = {
        "by": "token", "person": claims["sub"], "application": claims["application"],
        "licenses": claims["licenses"], "computer": proof.computer,
    }  # fmt: skip
    return Caller(KIND, account, claims=said)


def by_key(request: Request, key: str, identity: Identity, licenses: Licenses) -> Caller:
    license_id = license_keys.license_of(key)
    if license_id is None:
        raise rules.WrongKey
    proof = read_proof(request, identity.issuer, now=identity.clock())
    key_hash = licenses.key_hash(key)
    said = {
        "by": "key", "license": license_id, "licenses": [license_id],
        "key_hash": key_hash, "computer": proof.computer,
    }  # fmt: skip
    if request.resource in LICENSE_PATH:
        return Caller(KIND, "", claims=said)
    head = licenses.head(license_id)
    ask = rules.Ask(application="", key_hash=key_hash, by_key=True)
    rules.require_key(head, ask)
    account = head.account if head else ""
    return Caller(KIND, account, claims={**said, "application": head.application if head else ""})
