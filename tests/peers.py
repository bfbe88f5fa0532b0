"""A TLS server of this process that may not be who it says: its clients must find out."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import ssl
import warnings
from dataclasses import dataclass, field
from socket import create_server
from threading import Thread
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from socket import socket

FORGED = ("self-signed", "of an unknown authority", "of another name", "expired", "downgraded")
GOOD = "good"
DAY = dt.timedelta(days=1)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)


@dataclass
class Peer:
    """`trusted` is the file of the one authority to trust; `heard` is what a client told it."""

    url: str
    trusted: Path
    heard: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Signer:
    """Whoever signs certificates; `certificate` is its own."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(self, host: str, ends: dt.timedelta) -> bytes:
        """A certificate for a host that ends so long from now, with its key."""
        key, signer = ec.generate_private_key(ec.SECP256R1()), self.key.public_key()
        made = (
            drawn(host, key, ends)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return in_pem(made, key)


def drawn(
    name: str, key: ec.EllipticCurvePrivateKey, ends: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * DAY)
        .not_valid_after(now + ends)
    )


def authority(name: str) -> Signer:
    """All that a strict reader (Python 3.13's default) asks of one."""
    key = ec.generate_private_key(ec.SECP256R1())
    never = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    rest = dict.fromkeys((*never, "crl_sign", "encipher_only", "decipher_only"), False)
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, **rest)
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = drawn(name, key, DAY)
    made = (
        builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(public, critical=False)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return Signer(key, made)


def self_signed(host: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        drawn(host, key, DAY)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return in_pem(made, key)


def in_pem(made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM) + private


@contextlib.contextmanager
def peer(kind: str, folder: Path) -> Iterator[Peer]:
    """At `localhost`: good, or forged in one way while all else about it is good."""
    ours = authority("an authority that the test trusts")
    trusted, own = folder / "trusted.pem", folder / "own.pem"
    trusted.write_bytes(ours.certificate.public_bytes(Encoding.PEM))
    match kind:
        case "self-signed":
            own.write_bytes(self_signed("localhost"))
        case "of an unknown authority":
            own.write_bytes(authority("an authority of nobody").issue("localhost", DAY))
        case "of another name":
            own.write_bytes(ours.issue("elsewhere.example", DAY))
        case "expired":
            own.write_bytes(ours.issue("localhost", -DAY))
        case _:
            own.write_bytes(ours.issue("localhost", DAY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    if kind == "downgraded":
        downgrade(context)
    with create_server(("127.0.0.1", 0)) as line:
        found = Peer(f"https://localhost:{line.getsockname()[1]}", trusted)
        thread = Thread(target=attend, args=(line, context, found.heard))
        thread.start()
        try:
            yield found
        finally:
            line.shutdown(2)  # wakes the thread, which waits for the next client
            thread.join()


def downgrade(context: ssl.SSLContext) -> None:
    """TLS 1.1 at the most, which speaks with nobody who does not want it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def attend(line: socket, context: ssl.SSLContext, heard: list[bytes]) -> None:
    """Answers one client after another; one that goes away is what is wanted of them."""
    while True:
        try:
            accepted, _ = line.accept()
        except OSError:
            return
        with accepted, contextlib.suppress(OSError):
            accepted.settimeout(10)
            with context.wrap_socket(accepted, server_side=True) as tls:
                if said := request(tls):
                    heard.append(said)
                    tls.sendall(ANSWER)


def request(tls: socket) -> bytes:
    """All of one request: a peer that answers before the body came would seem to hang up."""
    said = b""
    while (end := said.find(b"\r\n\r\n")) < 0 or len(said) < end + 4 + body_length(said[:end]):
        if not (more := tls.recv(65_536)):
            break
        said += more
    return said


def body_length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0
