"""A program's side of the front door: a computer's key, its proofs, and the calls of `/v1`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib import wiring
from chalicelib.core import signing
from chalicelib.core.ids import new_id
from tests.browser import Browser

BASE = "https://cetrus.test"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Computer:
    """A random key pair."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def jwk(self) -> dict[str, str]:
        return signing.public_jwk(self.key)

    @property
    def id(self) -> str:
        return signing.thumbprint(self.jwk)

    def prove(self, method: str, path: str, token: str | None = None, **changed: Any) -> str:
        claims: dict[str, Any] = {
            "htm": method, "htu": BASE + path, "iat": wiring.now() // 1000, "jti": new_id("jti"),
        }  # fmt: skip
        if token is not None:
            claims["ath"] = signing.b64(hashlib.sha256(token.encode()).digest())
        return signing.sign({**claims, **changed}, key=self.key, typ="dpop+jwt", jwk=self.jwk)

    def shown(self, lease: str, /, **changed: Any) -> str:
        claims = claims_of(lease)
        said = {"lease": claims["jti"], "sha256": claims["screen"], **changed}
        return signing.sign(said, key=self.key, typ="shown+jwt")


@dataclass
class Reply:
    status: int
    body: Any
    headers: dict[str, str]

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


@dataclass
class Program:
    """One application on one computer; `token` or `license_key` is its credential."""

    application: str
    computer: Computer = field(default_factory=Computer)
    token: str | None = None
    license_key: str | None = None

    def post(self, path: str, body: Any, *, raw: bytes | None = None, **headers: str) -> Reply:
        data = json.dumps(body).encode() if raw is None else raw
        given = {"content-type": "application/json", **self.credentials("POST", path), **headers}
        return self.send("POST", path, data, given)

    def get(self, path: str) -> Reply:
        return self.send("GET", path, b"", self.credentials("GET", path.partition("?")[0]))

    def form(self, path: str, proof: bool | str = True, **fields: str) -> Reply:
        """With a proof of its own, with this very proof, or with none."""
        headers = {"content-type": FORM}
        if proof:
            made = self.computer.prove("POST", path) if proof is True else proof
            headers["dpop"] = made
        return self.send("POST", path, urlencode(fields).encode(), headers)

    def send(self, method: str, path: str, data: bytes, headers: dict[str, str]) -> Reply:
        answer = Browser().send(method, path, data, {"accept": "application/json", **headers})
        return Reply(answer.status, json.loads(answer.text), answer.headers)

    def credentials(self, method: str, path: str) -> dict[str, str]:
        if self.token:
            proof = self.computer.prove(method, path, self.token)
            return {"authorization": f"DPoP {self.token}", "dpop": proof}
        if self.license_key:
            proof = self.computer.prove(method, path)
            return {"authorization": f"License {self.license_key}", "dpop": proof}
        return {"dpop": self.computer.prove(method, path)}

    # the calls

    def sign_in(self, browser: Browser) -> dict[str, Any]:
        """The whole device flow; the tokens."""
        code = self.form("/v1/device/code", client_id=self.application)
        browser.post("/device", {"user_code": code["user_code"], "decision": "approve"})
        tokens = self.exchange(code["device_code"])
        assert tokens.status == 200, tokens.body
        self.token = tokens["access_token"]
        return dict(tokens.body)

    def exchange(self, device_code: str, proof: bool | str = True) -> Reply:
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        return self.form(
            "/v1/device/token", proof, grant_type=grant, device_code=device_code,
            client_id=self.application,
        )  # fmt: skip

    def refresh(self, token: str, proof: bool | str = True) -> Reply:
        return self.form(
            "/v1/device/token", proof, grant_type="refresh_token", refresh_token=token,
            client_id=self.application,
        )  # fmt: skip

    def check(self, **body: Any) -> Reply:
        return self.post("/v1/licenses/check", {"application": self.application, **body})

    def launch(self, launch_id: str = "launch-one", **body: Any) -> Reply:
        usual = {
            "application": self.application, "launch_id": launch_id, "computer": self.computer.jwk,
        }  # fmt: skip
        return self.post("/v1/launches", {**usual, **body})

    def beat(self, lease: str, seq: int, **body: Any) -> Reply:
        path = f"/v1/leases/{claims_of(lease)['jti']}/heartbeats"
        return self.post(path, {"lease": lease, "seq": seq, **body})

    def end(self, lease: str) -> Reply:
        return self.post(f"/v1/leases/{claims_of(lease)['jti']}/end", {"lease": lease})


def claims_of(compact: str) -> dict[str, Any]:
    return signing.split(compact)[1]


def p256() -> tuple[EllipticCurvePrivateKey, dict[str, str]]:
    """A P-256 key and its JWK."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(SECP256R1())
    numbers = key.public_key().public_numbers()
    x, y = (signing.b64(n.to_bytes(32)) for n in (numbers.x, numbers.y))
    return key, {"kty": "EC", "crv": "P-256", "x": x, "y": y}
