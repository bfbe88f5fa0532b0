"""A server with the wire shapes of the contract and real signatures, for these tests alone.

It is written apart from the client: nothing here uses the client's own code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable

TTL_MS = 300_000
GRACE_MS = 12 * 3_600_000
APPLICATION = "app_halyard"
Json = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def jwk_of(key: Ed25519PrivateKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": b64(key.public_key().public_bytes_raw())}


def thumbprint(jwk: Json) -> str:
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    return b64(hashlib.sha256(canonical(members)).digest())


def sign(claims: Json, key: Ed25519PrivateKey, typ: str, **header: Any) -> str:
    head = b64(canonical({"alg": "EdDSA", "typ": typ, **header}))
    signed = f"{head}.{b64(canonical(claims))}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def opened(compact: str, typ: str, jwk: Json | None = None) -> tuple[Json, Json]:
    """Header and claims of a JWS whose signature holds; raises otherwise."""
    head, body, signature = compact.split(".")
    header = json.loads(unb64(head))
    if header["typ"] != typ or header["alg"] != "EdDSA":
        raise ValueError("another kind")
    key = Ed25519PublicKey.from_public_bytes(unb64((jwk or header["jwk"])["x"]))
    key.verify(unb64(signature), f"{head}.{body}".encode())
    return header, json.loads(unb64(body))


@dataclass
class Row:
    """A lease as the server holds it."""

    lease_id: str
    launch_id: str
    application: str
    jwk: Json
    release: str | None
    segment: int = 0
    seq: int = 0
    start_ms: int = 0
    end_ms: int = 0
    ended: bool = False
    shown: bool = False
    billed_ms: int = 0
    last: str = ""


@dataclass
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class Rejected(Exception):
    def __init__(self, status: int, body: Json) -> None:
        super().__init__(str(body))
        self.reply = Reply(status, body)


def problem(status: int, code: str) -> Rejected:
    return Rejected(status, {"title": code, "status": status, "detail": f"{code}.", "code": code})


class Reference:
    """`fault` bends answers below `fault_paths`, `lost` loses them after the deed is done."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.kid = thumbprint(jwk_of(self.key))
        self.published = [{**jwk_of(self.key), "kid": self.kid, "alg": "EdDSA", "use": "sig"}]
        self.offset_ms = 0
        self.clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self.ttl_ms = TTL_MS
        self.outage: Json = {"grace_s": 3600, "mode": "run", "bill": "free"}
        self.rows: dict[str, Row] = {}
        self.tokens: dict[str, str] = {}
        self.refresh: dict[str, Json] = {}
        self.used_refresh: set[str] = set()
        self.slow_tokens_s = 0.0
        self.family_dead = False
        self.device_answers: list[str] = []
        self.license_keys = {"key_1"}
        self.unknown_to: set[str] = set()
        self.refuse: str | None = None
        self.refuse_unsigned = False
        self.retry_after: int | None = None
        self.quote: Json = {}
        self.names: dict[str, str] = {}
        self.fault: str | None = None
        self.lost = ""
        self.fault_paths: tuple[str, ...] = ("/",)
        self.bend_lease: Callable[[Json], Json] = lambda claims: claims
        self.bend_answer: Callable[[Json], Json] = lambda body: body
        self.requests: list[tuple[str, str, Json]] = []
        self.releases: dict[str, Json] = {}
        self.files: dict[str, bytes] = {}
        self.links: dict[str, tuple[str, int]] = {}
        self.link_ms = 300_000
        self.cut_after: list[int] = []
        self.ranges: list[str | None] = []
        self.bent = 0
        self.screen_body = "Halyard costs 0.37 USD an hour. The first minute is free."
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.base = f"http://localhost:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.fault = None
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def now(self) -> int:
        return self.clock() + self.offset_ms

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    # --- proofs -----------------------------------------------------------------------------

    def prove(self, method: str, path: str, headers: Any, token: str | None) -> Json:
        try:
            header, claims = opened(headers.get("DPoP", ""), "dpop+jwt")
            assert claims["htm"] == method
            assert claims["htu"] == self.base + path
            assert claims["jti"]
            if token is not None:
                assert claims["ath"] == b64(hashlib.sha256(token.encode()).digest())
        except Exception as error:
            raise problem(401, "bad_proof") from error
        return cast("Json", header["jwk"])

    def admit(self, method: str, path: str, headers: Any) -> Json:
        scheme, _, value = headers.get("Authorization", "").partition(" ")
        if scheme == "License" and value in self.license_keys:
            return self.prove(method, path, headers, None)
        if scheme != "DPoP" or value not in self.tokens:
            raise problem(401, "token_expired")
        jwk = self.prove(method, path, headers, value)
        if self.tokens[value] != thumbprint(jwk):
            raise problem(401, "bad_proof")
        return jwk

    def sign(self, claims: Json, typ: str) -> str:
        return sign(claims, self.key, typ, kid=self.kid)

    # --- routes -----------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: str, headers: Any, raw: bytes) -> Reply:
        with self._lock:
            body = _body(headers, raw)
            self.requests.append((method, path, body))
            try:
                return self._route(method, path, query, headers, body)
            except Rejected as rejected:
                return rejected.reply

    def _route(self, method: str, path: str, query: str, headers: Any, body: Json) -> Reply:
        parts = path.strip("/").split("/")
        match parts:
            case ["v1", "keys"]:
                return Reply(200, {"keys": self.published})
            case ["v1", "device", "code"]:
                self.prove(method, path, headers, None)
                return self._device_code()
            case ["v1", "device", "token"]:
                return self._device_token(body, self.prove(method, path, headers, None))
            case ["v1", "launches"]:
                token = headers.get("Authorization", "").partition(" ")[2]
                return self._launch(body, self.admit(method, path, headers), token)
            case ["v1", "leases", lease_id, "heartbeats"]:
                return self._beat(lease_id, body, self.prove(method, path, headers, None))
            case ["v1", "leases", lease_id, "end"]:
                return self._end(lease_id, body, self.prove(method, path, headers, None))
            case ["v1", "licenses", "check"]:
                self.admit(method, path, headers)
                assert body["application"] == APPLICATION or not self.releases
                valid = self.refuse is None
                code = self.refuse or "VALID"
                said = {"valid": valid, "code": code, "detail": "", "notices": []}
                quote = {"quote": self.quote} if valid and self.quote else {}
                return Reply(200, {**said, **quote, **self._wait()})
            case ["v1", "usage"]:
                self.admit(method, path, headers)
                return self._usage(query)
            case ["v1", "applications", _, "release"]:
                self.admit(method, path, headers)
                platform = parse_qs(query)["platform"][0]
                if platform not in self.releases:
                    raise problem(404, "not_found")
                return Reply(200, self.releases[platform])
            case ["v1", "artifacts", name]:
                self.admit(method, path, headers)
                link = secrets.token_hex(8)
                self.links[link] = (name, self.now() + self.link_ms)
                return Reply(303, None, {"Location": f"http://127.0.0.1:{self.port}/s3/{link}"})
            case ["s3", link]:
                return self._object(link, headers)
        raise problem(404, "not_found")

    def _device_code(self) -> Reply:
        return Reply(
            200,
            {
                "device_code": secrets.token_hex(8),
                "user_code": "WDJB-MJHT",
                "verification_uri": self.base + "/device",
                "verification_uri_complete": self.base + "/device?user_code=WDJB-MJHT",
                "expires_in": 600,
                "interval": 5,
            },
        )

    def _device_token(self, form: Json, jwk: Json) -> Reply:
        time.sleep(self.slow_tokens_s)
        if form["grant_type"] == "refresh_token":
            token = form["refresh_token"]
            if token in self.used_refresh:
                self.family_dead = True
            known = self.refresh.pop(token, None)
            self.used_refresh.add(token)
            if self.family_dead or known is None or known["jkt"] != thumbprint(jwk):
                raise Rejected(400, {"error": "invalid_grant"})
        elif self.device_answers and (error := self.device_answers.pop(0)) != "ok":
            raise Rejected(400, {"error": error, "error_description": f"{error}."})
        return Reply(200, self.issue(thumbprint(jwk)))

    def issue(self, jkt: str) -> Json:
        access, refresh = secrets.token_hex(8), secrets.token_hex(8)
        self.tokens[access] = jkt
        self.refresh[refresh] = {"jkt": jkt}
        return {
            "access_token": access,
            "token_type": "DPoP",
            "expires_in": 600,
            "refresh_token": refresh,
        }

    def _launch(self, body: Json, jwk: Json, token: str) -> Reply:
        assert body["computer"] == jwk
        launch_id, segment = body["launch_id"], body.get("segment", 0)
        row = self.rows.get(launch_id)
        asked = {"launch_id": launch_id, "seg": segment, "seq": row.seq if row else 0}
        if token in self.unknown_to:
            return self._no("UNKNOWN", asked)
        if self.refuse is not None:
            return self._no(self.refuse, asked)
        if row is None:
            row = Row(
                f"lea_{len(self.rows)}", launch_id, body["application"], jwk, body.get("release")
            )
            row.start_ms, row.end_ms = self.now(), self.now() + self.ttl_ms
            row.segment = segment
            self.rows[launch_id] = row
        elif row.jwk != jwk or row.release != body.get("release"):
            raise problem(409, "conflict")
        elif row.ended:
            return self._no("LEASE_ENDED", asked)
        elif segment == row.segment:
            if self.now() >= row.end_ms:
                return self._no("LEASE_EXPIRED", asked)
            return self._yes(row, screen=True, token=row.last)
        elif segment != row.segment + 1 or not row.end_ms <= self.now() < row.end_ms + GRACE_MS:
            return self._no("LEASE_EXPIRED", asked)
        else:
            row.billed_ms += row.end_ms - row.start_ms
            row.segment, row.seq = segment, 0
            row.start_ms, row.end_ms = self.now(), self.now() + self.ttl_ms
        return self._yes(row, screen=True)

    def _screen(self) -> Json:
        parts = {"id": "scr_1", "title": "Halyard ⚓", "body": self.screen_body}
        return {**parts, "sha256": hashlib.sha256(canonical(parts)).hexdigest()}

    def _claims(self, row: Row) -> Json:
        claims = {
            "iss": self.base,
            "vendor": "vnd_1",
            "application": row.application,
            "license": "lic_1",
            "jti": row.lease_id,
            "launch_id": row.launch_id,
            "seg": row.segment,
            "item": "USE#1",
            "jwk": row.jwk,
            "cnf": {"jwk": row.jwk},
            "start_ms": row.start_ms,
            "issued_ms": self.now(),
            "end_ms": row.end_ms,
            "seq": row.seq,
            "quote": {"rate": 37, "per": "h", "currency": "USD", "terms": 1, "free_ms": 60_000},
            "capped": False,
            "screen": self._screen()["sha256"],
            "outage": self.outage,
            "epoch": 1,
        }
        return self.bend_lease(claims)

    def _yes(self, row: Row, *, screen: bool = False, token: str = "") -> Reply:
        row.last = token or self.sign(self._claims(row), "lease+jwt")
        body: Json = {"valid": True, "code": "VALID", "detail": "", "notices": []}
        body["lease"] = row.last
        if screen:
            body["screen"] = self._screen()
        return Reply(200, self.bend_answer(body))

    def _no(self, code: str, asked: Json) -> Reply:
        body: Json = {"valid": False, "code": code, "detail": f"{code}.", "notices": []}
        body.update(self._wait())
        if not self.refuse_unsigned:
            body["verdict"] = self.sign({"iss": self.base, **body, **asked}, "verdict+jwt")
        return Reply(200, self.bend_answer(body))

    def _wait(self) -> Json:
        return {} if self.retry_after is None else {"retry_after": self.retry_after}

    def _beat(self, lease_id: str, body: Json, jwk: Json) -> Reply:
        _, claims = opened(body["lease"], "lease+jwt", jwk_of(self.key))
        assert claims["cnf"]["jwk"] == jwk
        assert claims["jti"] == lease_id
        row = self.rows[claims["launch_id"]]
        asked = {"launch_id": row.launch_id, "seg": claims["seg"], "seq": body["seq"]}
        if self.refuse is not None:
            return self._no(self.refuse, asked)
        if row.ended:
            return self._no("LEASE_ENDED", asked)
        if claims["seg"] != row.segment or body["seq"] < row.seq:
            return self._no("LEASE_SUPERSEDED", asked)
        if self.now() >= row.end_ms:
            return self._no("LEASE_EXPIRED", asked)
        if body["seq"] == row.seq:
            return self._yes(row, token=row.last)
        if "shown" in body:
            _, shown = opened(body["shown"], "shown+jwt", jwk)
            row.shown = shown == {"lease": lease_id, "sha256": claims["screen"]}
        if not row.shown:
            return self._no("SCREEN_REQUIRED", asked)
        row.seq, row.end_ms = body["seq"], self.now() + self.ttl_ms
        return self._yes(row)

    def _end(self, lease_id: str, body: Json, jwk: Json) -> Reply:
        _, claims = opened(body["lease"], "lease+jwt", jwk_of(self.key))
        assert claims["cnf"]["jwk"] == jwk
        assert claims["jti"] == lease_id
        row = self.rows[claims["launch_id"]]
        if not row.ended:
            row.ended = True
            row.end_ms = min(self.now(), row.end_ms)
            row.billed_ms += row.end_ms - row.start_ms
        receipt = {**self._claims(row), "billed_ms": row.billed_ms}
        answer = {"valid": True, "code": "VALID", "detail": "", "notices": []}
        answer["receipt"] = self.sign(receipt, "receipt+jwt")
        return Reply(200, self.bend_answer(answer))

    def _usage(self, query: str) -> Reply:
        row = {"application": APPLICATION, "license": "lic_1", "milliseconds": 5_400_000}
        names = {"names": self.names} if self.names else {}
        if "cursor" in query:
            return Reply(200, {"items": [{**row, "day": "2026-11-25"}], "next": None, **names})
        return Reply(200, {"items": [{**row, "day": "2026-11-24"}], "next": "c1", **names})

    # --- installers -------------------------------------------------------------------------

    def publish(
        self,
        name: str,
        data: bytes,
        platform: str,
        vendor: Ed25519PrivateKey,
        version: str = "1.0.0",
    ) -> Json:
        """Signs a release twice and offers it as the newest."""
        statement = {
            "application": APPLICATION,
            "version": version,
            "platform": platform,
            "filename": name,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        kid = thumbprint(jwk_of(vendor))
        self.files[name] = data
        self.releases[platform] = {
            **statement,
            "slug": "halyard",
            "name": "Halyard",
            "vendor_signature": sign(statement, vendor, "release+jwt", kid=kid),
            "countersignature": self.sign({**statement, "vendor_kid": kid}, "release+jwt"),
            "vendor_key": jwk_of(vendor),
            "url": f"{self.base}/v1/artifacts/{name}",
        }
        return self.releases[platform]

    def _object(self, link: str, headers: Any) -> Reply:
        assert "Authorization" not in headers
        assert "DPoP" not in headers
        name, until = self.links[link]
        if self.now() >= until:
            return Reply(403, b"<Error>Request has expired</Error>")
        data = self.files[name]
        wanted = headers.get("Range")
        self.ranges.append(wanted)
        status, extra = 200, {"Content-Type": "application/octet-stream"}
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return Reply(416, b"")
            status, extra["Content-Range"] = 206, f"bytes {start}-{len(data) - 1}/{len(data)}"
            data = data[start:]
        extra["X-Cut"] = str(self.cut_after.pop(0)) if self.cut_after else ""
        return Reply(status, data, extra)


def _body(headers: Any, raw: bytes) -> Json:
    if "json" in headers.get("Content-Type", ""):
        return cast("Json", json.loads(raw))
    return {name: values[0] for name, values in parse_qs(raw.decode()).items()}


GARBAGE: dict[str, tuple[int, bytes, str]] = {
    "garbage": (200, b"\x00\xff{not json", "application/json"),
    "portal": (200, b"<html>Sign in to Wi-Fi</html>", "text/html"),
    "list": (200, b"[1, 2]", "application/json"),
    "nested": (200, b"[" * 200_000, "application/json"),
    "empty": (200, b"", "application/json"),
    "redirect": (302, b"", "text/html"),
    "500": (500, b'{"detail": "broken"}', "application/problem+json"),
    "503": (503, b"", "text/plain"),
    "401": (401, b'{"code": "bad_lease", "detail": "x"}', "application/problem+json"),
    "403": (403, b'{"message": "Forbidden"}', "application/json"),
    "unsigned": (200, b'{"valid": false, "code": "REVOKED", "detail": "no"}', "application/json"),
    "bad_gzip": (200, b"not gzip", "application/json"),
    "odd_types": (200, b'{"valid": true, "lease": 7, "notices": {}}', "application/json"),
    "429": (429, b"{}", "application/json"),
}


def _handler(server: Reference) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One packet an answer; else each one waits 40 ms for an acknowledgment.
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            if server.fault and parts.path.startswith(server.fault_paths):
                self._bend(server.fault)
                return
            reply = server.answer(method, parts.path, parts.query, self.headers, raw)
            if server.lost and parts.path.startswith(server.lost):
                self.close_connection = True
                return
            self._send(reply)

        def _bend(self, fault: str) -> None:
            server.bent += 1
            if fault == "close":
                self.close_connection = True
                return
            if fault == "hang":
                while server.fault == "hang":
                    time.sleep(0.02)
                self.close_connection = True
                return
            status, data, kind = GARBAGE[fault]
            headers = {"Content-Type": kind}
            if fault == "redirect":
                headers["Location"] = "http://127.0.0.1:9/"
            if fault == "bad_gzip":
                headers["Content-Encoding"] = "gzip"
            if fault == "429":
                headers["Retry-After"] = "120"
            self._send(Reply(status, data, headers))

        def _send(self, reply: Reply) -> None:
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            cut = reply.headers.pop("X-Cut", "")
            self.send_response(reply.status)
            reply.headers.setdefault("Content-Type", "application/json")
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: int(cut)] if cut else raw)
            if cut:
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            """Tests read what the server recorded, not a log."""

    return Handler
