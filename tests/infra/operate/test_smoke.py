"""Looking from outside: all well on the running cloud, and every fault of a stand-in is noticed."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import socket
import ssl
from contextlib import ExitStack
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chalicelib.edge.headers import SECURITY_HEADERS
from infra.local.front.http import Answer, Request, serve
from infra.operate import smoke as looking
from infra.operate.smoke import CHECKS, smoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES = [check.__name__.removeprefix("check_").replace("_", " ") for check in CHECKS]
POLICY = "default-src 'none'; style-src 'self'"
SECURITY = (*SECURITY_HEADERS.items(), ("Content-Security-Policy", POLICY))
PAGE = '<h1>Here</h1><link rel="stylesheet" href="/assets/site.css">'
COOKIE = "__Host-form=x; Path=/; Secure; HttpOnly; SameSite=Strict"
KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "AA"}
PATHS = ("/v1/licenses/check", "/v1/launches", "/v1/keys")


def page(*headers: tuple[str, str]) -> Answer:
    return Answer(200, (*SECURITY, ("Content-Type", "text/html"), *headers), PAGE.encode())


def said(value: Any) -> Answer:
    return Answer(
        200, (*SECURITY, ("Content-Type", "application/json")), json.dumps(value).encode()
    )


def problem(status: int, code: str, *headers: tuple[str, str]) -> Answer:
    words = {"type": "t", "title": "t", "status": status, "detail": "d", "code": code}
    kind = ("Content-Type", "application/problem+json")
    return Answer(status, (*SECURITY, kind, *headers), json.dumps(words).encode())


def healthy(request: Request) -> Answer:
    """What the service answers, as far as anybody looks."""
    people = "text/html" in (request.header("Accept") or "")
    fixed = {
        "/assets/site.css": Answer(200, (*SECURITY, ("Cache-Control", "public, immutable"))),
        "/account": Answer(303, (*SECURITY, ("Location", "/login?next=/account"))),
        "/v1/keys": said({"keys": [KEY]}),
        "/v1/openapi.json": said({"openapi": "3.1.0", "paths": {path: {} for path in PATHS}}),
        "/v1/licenses/check": problem(401, "unauthorized", ("WWW-Authenticate", "DPoP algs=x")),
        "/login": page(("Set-Cookie", COOKIE)),
    }
    if request.path in fixed:
        return fixed[request.path]
    return page() if people else problem(404, "not_found")


class Site:
    """A stand-in whose answers a test may spoil."""

    def __init__(self) -> None:
        self.spoiled: dict[str, Callable[[Answer], Answer]] = {}
        self.url = ""

    def answer(self, request: Request) -> Answer:
        answer = healthy(request)
        change = self.spoiled.get(request.path)
        return change(answer) if change else answer

    def spoil(self, path: str, change: Callable[[Answer], Answer]) -> None:
        self.spoiled[path] = change


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    server = serve(made.answer).start()
    made.url = f"http://127.0.0.1:{server.port}"
    yield made
    server.stop()


def wrong(site: Site) -> list[str]:
    return [seen.name for seen in smoke(site.url) if not seen.well]


def without(name: str) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(
        answer.status,
        tuple((k, v) for k, v in answer.headers if k.lower() != name.lower()),
        answer.body,
    )


def saying(body: str) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(answer.status, answer.headers, body.encode())


def renamed(answer: Answer) -> Answer:
    headers = tuple(
        (f"x-amzn-Remapped-{k}" if k == "WWW-Authenticate" else k, v) for k, v in answer.headers
    )
    return Answer(answer.status, headers, answer.body)


def adding(name: str, value: str) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(answer.status, (*answer.headers, (name, value)), answer.body)


SPOILED: list[tuple[str, str, Callable[[Answer], Answer]]] = [
    ("pages", "/contact", lambda _: Answer(502)),
    ("pages", "/contact", saying("nothing")),
    ("headers", "/v1/keys", without("Strict-Transport-Security")),
    ("headers", "/v1/nothing-here", without("Referrer-Policy")),
    ("style", "/assets/site.css", without("Cache-Control")),
    ("cookie", "/login", without("Set-Cookie")),
    ("problems", "/v1/nothing-here", saying('{"message": "Missing Authentication Token"}')),
    ("problems", "/v1/nothing-here", saying("<html>")),
    ("challenge", "/v1/licenses/check", renamed),
    ("challenge", "/v1/licenses/check", without("WWW-Authenticate")),
    ("sign in", "/account", lambda _: page()),
    ("keys", "/v1/keys", saying('{"keys": []}')),
    ("keys", "/v1/keys", saying(json.dumps({"keys": [{**KEY, "d": "AA"}]}))),
    ("contract", "/v1/openapi.json", saying('{"openapi": "3.1.0", "paths": {}}')),
    ("edge", "/", adding("Via", "1.1 abc.cloudfront.net (CloudFront)")),
]


class TestStandIn:
    def test_nothing_is_wrong_where_nothing_is(self, site: Site) -> None:
        assert wrong(site) == []

    @pytest.mark.parametrize(
        ("name", "path", "change"),
        SPOILED,
        ids=[f"{name}-{n}" for n, (name, *_) in enumerate(SPOILED)],
    )
    def test_a_fault_is_noticed_by_its_check(
        self, name: str, path: str, change: Callable[[Answer], Answer], site: Site
    ) -> None:
        site.spoil(path, change)
        assert name in wrong(site)

    def test_every_check_that_needs_no_encryption_has_a_planted_fault(self) -> None:
        assert {name for name, *_ in SPOILED} | {"transport"} == set(NAMES)

    def test_an_address_where_nobody_answers_is_wrong_throughout(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # held, and nobody listens
            assert looking.main([f"http://127.0.0.1:{taken.getsockname()[1]}"]) == 1
        assert "no answer: ConnectError" in capsys.readouterr().out


class TestTransport:
    """Before a TLS server of our own, whose certificate is trusted or not, and lasts or not."""

    @pytest.fixture
    def encrypted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[[int], looking.Site]]:
        with ExitStack() as stack:

            def start(days: int) -> looking.Site:
                file = tmp_path / "certificate.pem"
                file.write_bytes(certificate(days))
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(file)
                line = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                server = Thread(target=greet, args=(line, context), daemon=True)
                server.start()
                monkeypatch.setenv("SSL_CERT_FILE", str(file))
                site = stack.enter_context(
                    looking.Site(f"https://127.0.0.1:{line.getsockname()[1]}")
                )
                away = httpx.Response(301, headers={"location": "https://127.0.0.1/"})
                site.http = httpx.Client(transport=httpx.MockTransport(lambda _: away))
                return stack.enter_context(site)

            yield start

    def test_a_good_line_is_told(self, encrypted: Callable[[int], looking.Site]) -> None:
        assert looking.check_transport(encrypted(90)).startswith("TLSv1.3, certificate for ")

    def test_a_certificate_that_ends_soon_is_wrong(
        self, encrypted: Callable[[int], looking.Site]
    ) -> None:
        site = encrypted(5)
        with pytest.raises(looking.Wrong, match="ends in"):
            looking.check_transport(site)

    def test_one_that_nobody_trusts_is_wrong(
        self, encrypted: Callable[[int], looking.Site], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site = encrypted(90)
        monkeypatch.delenv("SSL_CERT_FILE")
        seen = looking.seen(looking.check_transport, site)
        assert (seen.well, seen.words) == (False, "no answer: SSLCertVerificationError")

    def test_plain_http_must_lead_to_it(self, encrypted: Callable[[int], looking.Site]) -> None:
        site = encrypted(90)
        site.http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
        with pytest.raises(looking.Wrong, match="plain HTTP"):
            looking.check_transport(site)
        site.http.close()


def greet(line: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands once; a viewer that goes away is no fault of the server."""
    with contextlib.suppress(OSError):
        accepted, _ = line.accept()
        with context.wrap_socket(accepted, server_side=True) as tls:
            tls.recv(1)


def usage() -> x509.KeyUsage:
    never = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    rest = dict.fromkeys((*never, "crl_sign", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, **rest)


def certificate(days: int) -> bytes:
    """A certificate for 127.0.0.1 with its key, good from yesterday on."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        # All that a strict reader (Python 3.13's default) asks of a certificate that signs itself.
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .add_extension(usage(), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM) + private
