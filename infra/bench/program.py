"""A customer with a license on a local cloud, and the requests of a program that runs on it."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.core import signing
from infra.local.clock import follow
from infra.local.front.events import Address, Arrival, proxy_event
from infra.local.front.http import Request
from infra.local.front.routes import Match, Resource
from infra.person import Person

if TYPE_CHECKING:
    import httpx

    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
PASSWORD = "nine slow boats at anchor"  # noqa: S105 - of a customer that lives as long as the run
CARD = {"number": "4242424242424242", "expiry": "12/34", "cvc": "123"}


class Unexpected(Exception):
    """The service answered something else than what is to be measured."""


def new_license(cloud: LocalCloud, login: str, slug: str = "halyard") -> tuple[str, str]:
    """Register, pay and make a license key, as a person would: the license and its key."""
    person = Person(cloud.app)
    with person:
        register(cloud, person, login)
        person.open(f"/apps/{slug}")
        person.submit("/orders")
        page = person.submit("/c/pay/", **CARD)
        require(page.path.startswith("/orders/"), page.url)
        cloud.control.settle()
        person.open("/account/computers")
        page = person.submit("/account/computers/keys")
        return between(page.html, 'data-license="'), between(page.html, 'data-license-key="')


def register(cloud: LocalCloud, person: Person, login: str) -> None:
    email = f"{login}@example.org"
    person.open("/register")
    page = person.submit(
        "/register", account_name=login, login=login, email=email, password=PASSWORD,
        name="Bench Customer", street="1 Example Street", city="Exampleton",
        postal_code="10115", country="DE",
    )  # fmt: skip
    require(page.path == "/register/sent", page.text)
    cloud.control.settle()
    text = cloud.control.mail(to=email)[-1]["text"]
    person.open("http" + text.partition("http")[2].split()[0])
    page = person.submit("/verify/", password=PASSWORD)
    require(page.path == "/account", page.text)


def between(html: str, start: str) -> str:
    require(start in html, start)
    return html.partition(start)[2].partition('"')[0]


def require(holds: object, found: object) -> None:
    if not holds:
        raise Unexpected(str(found))


@dataclass
class Program:
    """One application on one computer, by license key; `base` is what proofs are made out to."""

    base: str
    application: str
    license_key: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def check(self) -> Request:
        body = {"license_key": self.license_key, "application": self.application}
        return self.request("/v1/licenses/check", body)

    def launch(self) -> Request:
        body = {
            "application": self.application,
            "launch_id": secrets.token_hex(8),
            "computer": signing.public_jwk(self.key),
        }
        return self.request("/v1/launches", body, f"License {self.license_key}")

    def heartbeat(self, lease: str, seq: int) -> Request:
        claims = signing.split(lease)[1]
        shown = {"lease": claims["jti"], "sha256": claims["screen"]}
        body = {"lease": lease, "seq": seq}
        if seq == 1:
            body["shown"] = signing.sign(shown, key=self.key, typ="shown+jwt")
        return self.request(f"/v1/leases/{claims['jti']}/heartbeats", body)

    def end(self, lease: str) -> Request:
        claims = signing.split(lease)[1]
        return self.request(f"/v1/leases/{claims['jti']}/end", {"lease": lease})

    def request(self, path: str, body: Json, authorization: str = "") -> Request:
        headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
        headers.append(("DPoP", self.proof(path)))
        if authorization:
            headers.append(("Authorization", authorization))
        return Request("POST", path, tuple(headers), json.dumps(body).encode(), "192.0.2.1")

    def proof(self, path: str) -> str:
        claims = {
            "htm": "POST", "htu": self.base + path,
            "iat": int(time.time()), "jti": secrets.token_urlsafe(12),
        }  # fmt: skip
        return signing.sign(claims, key=self.key, typ="dpop+jwt", jwk=signing.public_jwk(self.key))


def program_on(cloud: LocalCloud, login: str) -> Program:
    """A new customer's program, on the cloud's clock."""
    follow(cloud.clock_file)
    _, key = new_license(cloud, login)
    return Program(cloud.operator["BASE_URL"], "halyard", key)


def over_http(cloud: LocalCloud, http: httpx.Client, request: Request) -> Json:
    """Send it through the front door; raises Unexpected for anything but a 200."""
    answer = http.post(
        cloud.app + request.path, content=request.body, headers=list(request.headers)
    )
    require(answer.status_code == 200, answer.text)
    found: Json = answer.json()
    require(found["valid"], found["code"])
    return found


def as_event(request: Request) -> Json:
    """What API Gateway would hand to the function."""
    path, parameters = request.path, {}
    if "/leases/" in path:
        lease_id = path.split("/")[3]
        path = path.replace(lease_id, "{lease_id}")
        parameters = {"lease_id": lease_id}
    resource = Resource(path, frozenset({request.method}), None, ())  # type: ignore[arg-type]  # its pattern is not asked
    request = replace(request, headers=(*request.headers, ("Host", "localhost:443")))
    address = Address(request.path, request.path)
    arrival = Arrival("00000000-0000-4000-8000-000000000001", time.time(), request.peer)
    return proxy_event(request, Match(resource, parameters), address, arrival, "api", binary=False)


def verdict(answer: Any) -> Json:
    """What a function's answer says; raises Unexpected where it is no valid verdict."""
    require(answer["statusCode"] == 200, answer)
    found: Json = json.loads(answer["body"])
    require(found["valid"], found)
    return found
