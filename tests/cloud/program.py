"""A program of another team: it knows the published contract alone, and nothing of our code."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.cloud.people import CONNECTIONS, WEB

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud
    from tests.cloud.people import Customer

Json = dict[str, Any]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(compact: str) -> Json:
    """What a JWS says; who signed it is not looked at."""
    found: Json = json.loads(unb64(compact.split(".")[1]))
    return found


def header_of(compact: str) -> Json:
    found: Json = json.loads(unb64(compact.partition(".")[0]))
    return found


def verified(compact: str, keys: list[Json], typ: str) -> Json:
    """The claims, signed as this kind by one of these published keys; raises otherwise."""
    header = header_of(compact)
    assert (header["typ"], header["alg"]) == (typ, "EdDSA")
    key = next(key for key in keys if key["kid"] == header["kid"])
    signed, _, signature = compact.rpartition(".")
    public = Ed25519PublicKey.from_public_bytes(unb64(key["x"]))
    public.verify(unb64(signature), signed.encode())
    return claims_of(compact)


class Computer:
    """One computer's key, and the calls that it signs; `program` is the application's id."""

    def __init__(self, cloud: LocalCloud, program: str) -> None:
        self.cloud, self.program = cloud, program
        self.key = Ed25519PrivateKey.generate()
        self.jwk = {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": b64(self.key.public_key().public_bytes_raw()),
        }
        self.http = httpx.Client(timeout=60, trust_env=False)
        CONNECTIONS.callback(self.http.close)
        self.tokens: Json = {}

    @property
    def id(self) -> str:
        canonical = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return b64(hashlib.sha256(canonical.encode()).digest())

    def sign(self, typ: str, claims: Json, **header: Any) -> str:
        parts = [{"typ": typ, "alg": "EdDSA", **header}, claims]
        signed = ".".join(b64(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{b64(self.key.sign(signed.encode()))}"

    def proof(self, method: str, path: str, token: str | None = None) -> str:
        now = datetime.fromisoformat(self.cloud.control.now()).timestamp()
        claims: Json = {
            "htm": method,
            "htu": self.cloud.app + path,
            "iat": int(now),
            "jti": secrets.token_urlsafe(16),
        }
        if token:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        return self.sign("dpop+jwt", claims, jwk=self.jwk)

    def shown(self, lease: str, screen: Json) -> str:
        """The receipt that this launch screen was shown."""
        return self.sign(
            "shown+jwt", {"lease": claims_of(lease)["jti"], "sha256": screen["sha256"]}
        )

    # signing in

    def ask_for_code(self) -> Json:
        answer = self.form("/v1/device/code", client_id=self.program)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def exchange(self, device_code: str) -> httpx.Response:
        fields = {"grant_type": DEVICE, "device_code": device_code, "client_id": self.program}
        answer = self.form("/v1/device/token", **fields)
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer

    def refresh(self) -> httpx.Response:
        answer = self.form(
            "/v1/device/token",
            grant_type="refresh_token",
            refresh_token=self.tokens["refresh_token"],
            client_id=self.program,
        )
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer

    def sign_in(self, customer: Customer) -> None:
        """The whole device flow, the person's part included."""
        codes = self.ask_for_code()
        approve(customer, codes["user_code"])
        answer = self.exchange(codes["device_code"])
        assert answer.status_code == 200, answer.text

    # calls

    def form(self, path: str, **fields: str) -> httpx.Response:
        headers = {"dpop": self.proof("POST", path)}
        return self.http.post(self.cloud.app + path, data=fields, headers=headers)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(self.cloud.app + path, headers=self.credentials("GET", path))

    def call(self, path: str, body: Json) -> httpx.Response:
        """A call with the access token and the proof."""
        headers = self.credentials("POST", path)
        return self.http.post(self.cloud.app + path, json=body, headers=headers)

    def credentials(self, method: str, path: str) -> dict[str, str]:
        token = self.tokens["access_token"]
        plain = path.partition("?")[0]
        return {
            "authorization": f"DPoP {token}",
            "dpop": self.proof(method, plain, token),
        }

    def check(self, **more: Any) -> Json:
        return ok(self.call("/v1/licenses/check", {"application": self.program, **more}))

    def ask_to_launch(self, launch_id: str, **more: Any) -> httpx.Response:
        body = {"application": self.program, "launch_id": launch_id, "computer": self.jwk, **more}
        return self.call("/v1/launches", body)

    def launch(self, launch_id: str, **more: Any) -> Json:
        return ok(self.ask_to_launch(launch_id, **more))

    def of_lease(self, lease: str, what: str, body: Json) -> httpx.Response:
        """Heartbeat or end: the lease and the proof alone."""
        path = f"/v1/leases/{claims_of(lease)['jti']}/{what}"
        headers = {"dpop": self.proof("POST", path)}
        return self.http.post(self.cloud.app + path, json=body, headers=headers)

    def beat(self, lease: str, seq: int, shown: str | None = None) -> Json:
        body: Json = {"lease": lease, "seq": seq}
        return ok(self.of_lease(lease, "heartbeats", body | ({"shown": shown} if shown else {})))

    def end(self, lease: str) -> Json:
        return ok(self.of_lease(lease, "end", {"lease": lease}))


def ok(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def approve(customer: Customer, user_code: str) -> None:
    """The person types the code, sees who asks, and says yes."""
    customer.open("/device")
    page = customer.browser.submit("/device", user_code=user_code)
    assert page.status == 200, page.text
    page = customer.browser.submit("/device", decision="approve")
    assert page.status == 200, page.text


def published_keys(cloud: LocalCloud) -> list[Json]:
    found: list[Json] = ok(WEB.get(f"{cloud.app}/v1/keys"))["keys"]
    return found


def vendor_get(cloud: LocalCloud, token: str, path: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return WEB.get(cloud.app + path, headers=headers)


def vendor_post(cloud: LocalCloud, token: str, path: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return WEB.post(cloud.app + path, headers=headers)
