"""The S3 front: judges presigned links and upload forms, then passes them on to moto's S3.

Addresses are path-style: `/bucket/key`. Requests signed in their headers pass unjudged: moto
enforces their policies. Bodies pass in pieces; objects are read from the engine's own files,
since moto would build each one in memory.
"""

from __future__ import annotations

import http.client
import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from infra.local.front.cors import cors_headers
from infra.local.front.http import PIECE, Answer, BadRequest, Handler, Server
from infra.local.front.signatures import Form, Keys, Refused, check_form, check_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from email.message import Message

LARGEST_FORM = 16 * 1024 * 1024
"""Bytes of a browser's upload form; larger files go by a presigned PUT."""
FRONT_ONLY = frozenset({"connection", "expect", "origin", "keep-alive"})
"""Request headers that end here: moto answers any Origin permissively, so it never sees one."""
OWN = frozenset(
    {"connection", "transfer-encoding", "keep-alive", "date", "server", "content-length"}
)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Backend:
    """What the front needs from the engine."""

    upstream: str
    """Address of moto, such as http://127.0.0.1:40123."""
    keys: Keys
    read_object: Callable[[str, str], tuple[BinaryIO, int] | None]
    """An open file of its own and its length, or None if there is no such object."""
    cors_rules: Callable[[str], Iterable[Mapping[str, Any]]] = field(default=lambda _: ())
    now: Callable[[], datetime] = _now


def serve_s3(backend: Backend, port: int = 0) -> Server:
    """Listen on 127.0.0.1; start it once the engine runs."""
    return Server(partial(S3Handler, backend), port)


class S3Handler(Handler):
    """One connection of the S3 front."""

    def __init__(self, backend: Backend, *args: Any) -> None:
        self.backend = backend
        self.cors: dict[str, str] = {}
        super().__init__(*args)

    def _serve(self) -> None:
        path, _, self.query = self.path.partition("?")
        self.bucket, _, self.key = unquote(path).lstrip("/").partition("/")
        self.cors = {}
        self.left = 0
        try:
            self.left = self.content_length()
            if self.command == "OPTIONS":
                self._preflight()
                return
            self._set_cors()
            body = self._judge()
        except Refused as refused:
            self._refuse(refused)
        except BadRequest as error:
            self._refuse(Refused("InvalidArgument", str(error), 400))
        else:
            self._pass_on(body)

    def _preflight(self) -> None:
        asked = self.headers.get("Access-Control-Request-Headers", "")
        method = self.headers.get("Access-Control-Request-Method", "")
        rules = self.backend.cors_rules(self.bucket)
        headers = cors_headers(rules, self.headers.get("Origin", ""), method, asked)
        if not headers:
            denied = "CORSResponse: This CORS request is not allowed."
            raise Refused("AccessForbidden", denied)
        self.write(Answer(200, tuple(headers.items())))

    def _set_cors(self) -> None:
        if origin := self.headers.get("Origin"):
            rules = self.backend.cors_rules(self.bucket)
            self.cors = cors_headers(rules, origin, self.command)

    def _judge(self) -> bytes | None:
        """Return the body if judging had to read it; raises Refused."""
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            needed = "You must provide the Content-Length HTTP header."
            raise Refused("MissingContentLength", needed, 411)
        if "X-Amz-Signature=" in self.query or "X-Amz-Algorithm=" in self.query:
            headers = {name: str(value) for name, value in self.headers.items()}
            check_link(self.command, self.path, headers, self.backend.keys, self.backend.now())
        elif self._is_form():
            return self._judge_form()
        elif "Authorization" not in self.headers:
            raise Refused("AccessDenied", "Access Denied")
        return None

    def _is_form(self) -> bool:
        kind = self.headers.get("Content-Type", "")
        return self.command == "POST" and kind.startswith("multipart/form-data") and not self.query

    def _judge_form(self) -> bytes:
        if self.left > LARGEST_FORM:
            raise Refused("EntityTooLarge", "A form may carry 16 MB: use a presigned PUT.", 400)
        body = self.rfile.read(self.left)
        self.left = 0
        form = read_form(self.headers["Content-Type"], body)
        check_form(self.bucket, form, self.backend.keys, self.backend.now())
        return body

    def _refuse(self, refused: Refused) -> None:
        """Answer with S3's XML, after reading the body away so that the client hears it."""
        self.drain(self.left)
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{refused.code}</Code><Message>{escape(str(refused))}</Message>"
            "<RequestId>LOCAL</RequestId><HostId>local</HostId></Error>"
        )
        headers = (("Content-Type", "application/xml"), *self.cors.items())
        self.write(Answer(refused.status, headers, xml.encode()))

    # passing on --------------------------------------------------------------------------------

    def _pass_on(self, body: bytes | None) -> None:
        # A function's own read goes to the engine, which records it and strikes it with faults.
        presigned = "Authorization" not in self.headers
        plain = self.command == "GET" and self.key and not self.left
        if presigned and plain and not self._names_a_part():
            found = self.backend.read_object(self.bucket, self.key)
            if found is not None:
                with found[0] as file:
                    if self._from_file(file, found[1]):
                        return
        with _Upstream(self, self.command, body) as answer:
            self._relay(answer)

    def _names_a_part(self) -> bool:
        names = {name for name, _ in parse_qsl(self.query, keep_blank_values=True)}
        return any(not name.startswith(("X-Amz-", "response-", "x-id")) for name in names)

    def _from_file(self, file: BinaryIO, total: int) -> bool:
        """Serve an object from its file with moto's headers; False if moto has an error to say."""
        with _Upstream(self, "HEAD", b"") as answer:
            if answer.status not in (200, 206):
                return False
            span = re.match(r"bytes (\d+)-(\d+)/", answer.getheader("Content-Range") or "")
            first, last = (int(span[1]), int(span[2])) if span else (0, total - 1)
            self._send_head(answer, self._overrides())
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        file.seek(first)
        left = last + 1 - first
        while left and (piece := file.read(min(left, PIECE))):
            left -= len(piece)
            self.wfile.write(piece)
        return True

    def _overrides(self) -> dict[str, str]:
        """Return the headers that the link itself sets; moto forgets them on HEAD."""
        pairs = parse_qsl(self.query)
        return {k.removeprefix("response-"): v for k, v in pairs if k.startswith("response-")}

    def _send_head(self, answer: http.client.HTTPResponse, instead: Mapping[str, str]) -> None:
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        for name, value in answer.getheaders():
            lower = name.lower()
            if lower not in OWN and lower not in instead and not lower.startswith("access-control"):
                self.send_header(name, value)
        for name, value in {**instead, **self.cors}.items():
            self.send_header(name.title(), value)

    def _relay(self, answer: http.client.HTTPResponse) -> None:
        self._send_head(answer, {})
        length = answer.getheader("Content-Length")
        if length is not None:
            self.send_header("Content-Length", length)
        elif self.command != "HEAD":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            shutil.copyfileobj(answer, self.wfile, PIECE)

    # The names that http.server looks for.
    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = _serve  # noqa: N815


class _Upstream:
    """One request to moto in the client's name: a context that gives the answer."""

    def __init__(self, handler: S3Handler, method: str, body: bytes | None) -> None:
        """Send `body`, or where it is None what the client still has to send."""
        netloc = urlsplit(handler.backend.upstream).netloc
        self.connection = http.client.HTTPConnection(netloc, timeout=120)
        self.handler, self.method, self.body = handler, method, body

    def __enter__(self) -> http.client.HTTPResponse:
        handler, connection = self.handler, self.connection
        connection.putrequest(self.method, handler.path, skip_host=True, skip_accept_encoding=True)
        for name, value in handler.headers.items():
            if name.lower() not in FRONT_ONLY:
                connection.putheader(name, value)
        connection.endheaders()
        if self.body is None:
            self._send_rest()
        elif self.body:
            connection.send(self.body)
        return connection.getresponse()

    def _send_rest(self) -> None:
        handler = self.handler
        while handler.left and (piece := handler.rfile.read(min(PIECE, handler.left))):
            handler.left -= len(piece)
            self.connection.send(piece)

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def read_form(content_type: str, body: bytes) -> Form:
    """Read the fields before the file, names lowered; later ones do not count, as on S3."""
    head = b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n"
    fields: dict[str, str] = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
        name, content = _field(part)
        if name == "file":
            return Form(fields, len(content))
        fields[name] = content.decode("utf-8", "replace")
    return Form(fields, 0)


def _field(part: Message) -> tuple[str, bytes]:
    name = str(part.get_param("name", "", header="content-disposition")).lower()
    content = part.get_payload(decode=True)
    return name, content if isinstance(content, bytes) else b""
