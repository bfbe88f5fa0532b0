"""A small threaded HTTP/1.1 server: whole requests in, whole answers out, 127.0.0.1 only."""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

Headers = tuple[tuple[str, str], ...]

HOST = "127.0.0.1"
MAX_BODY = 10 * 1024 * 1024
"""Bytes of request body that API Gateway takes."""
PIECE = 64 * 1024
DRAINED = 64 * 1024 * 1024
"""Bytes of a refused body that are still read, so that the client sees the answer, not a reset."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; `oversize` means the body was over the limit and was dropped."""

    method: str
    target: str
    headers: Headers
    body: bytes
    peer: str
    oversize: bool = False

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """Return the last value of a header, as API Gateway does for repeated ones."""
        wanted = name.lower()
        return next((v for k, v in reversed(self.headers) if k.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((v for k, v in self.headers if k.lower() == wanted), None)


JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
PROBLEM = (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"))


def as_json(value: Any, status: int = 200) -> Answer:
    body = json.dumps(value, ensure_ascii=False, default=str).encode()
    return Answer(status, JSON, body)


def as_problem(
    status: int, code: str, title: str, detail: str, headers: Headers = (), **more: Any
) -> Answer:
    """Say what is wrong as an RFC 9457 problem."""
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps({**problem, "code": code, **more}, ensure_ascii=False).encode()
    return Answer(status, PROBLEM + headers, body)


class BadRequest(Exception):
    """The bytes that came in are not an HTTP request we can read."""


class Handler(BaseHTTPRequestHandler):
    """What every server here shares: keep-alive, Nagle off, no chatter, errors as problems."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        """Say nothing: what was asked is nobody's log line here."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        title = message or self.responses.get(code, ("Error", ""))[0]
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        self.write(as_problem(code, "http_error", title, explain or title))

    def drain(self, size: int) -> None:
        """Read a refused body away; one too long for that ends the connection."""
        self.close_connection |= size > DRAINED
        left = min(size, DRAINED)
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)

    def content_length(self) -> int:
        """Return the length of the body that was announced; raises BadRequest."""
        text = self.headers.get("Content-Length") or "0"
        if not (text.isascii() and text.isdigit()):
            raise BadRequest("Content-Length must be a number of bytes.")
        return int(text)

    def write(self, answer: Answer) -> None:
        """Send an answer whole; HEAD, 204 and 304 go without a body."""
        self.send_response_only(answer.status)
        self.send_header("Date", formatdate(usegmt=True))
        for name, value in answer.headers:
            self.send_header(name, value)
        bodiless = answer.status in (204, 304)
        if not bodiless:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and not bodiless:
            self.wfile.write(answer.body)


class WholeHandler(Handler):
    """Reads the whole request, asks `answer`, and writes the whole answer."""

    def __init__(self, answer: Callable[[Request], Answer], *args: Any) -> None:
        self.answer = answer
        super().__init__(*args)

    def _serve(self) -> None:
        try:
            body, oversize = self._body()
        except BadRequest as error:
            self.send_error(400, "Bad Request", str(error))
            return
        target = _origin_form(self.path)
        if not target.startswith("/"):
            self.send_error(400, "Bad Request", "The request target must be a path.")
            return
        headers = tuple((k, str(v)) for k, v in self.headers.items())
        peer = str(self.client_address[0])
        self.write(self.answer(Request(self.command, target, headers, body, peer, oversize)))

    def _body(self) -> tuple[bytes, bool]:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            return self._chunked()
        size = self.content_length()
        if size > MAX_BODY:
            self.drain(size)
            return b"", True
        body = self.rfile.read(size)
        if len(body) != size:
            raise BadRequest("The body ended early.")
        return body, False

    def _chunked(self) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        total = 0
        while size := _chunk_size(self.rfile):
            total += size
            if total > DRAINED:
                self.close_connection = True
                return b"", True
            piece = self.rfile.read(size)
            if self.rfile.read(2) != b"\r\n":
                raise BadRequest("A chunk does not end where it says.")
            if total <= MAX_BODY:
                pieces.append(piece)
        while self.rfile.readline(PIECE).strip():
            pass  # trailers carry nothing that API Gateway would pass on
        return (b"", True) if total > MAX_BODY else (b"".join(pieces), False)

    # The names that http.server looks for.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815


def _chunk_size(stream: BinaryIO | Any) -> int:
    text = stream.readline(1024).partition(b";")[0].strip()
    try:
        size = int(text, 16)
    except ValueError:
        raise BadRequest("A chunk has no size.") from None
    if size < 0:
        raise BadRequest("A chunk has a negative size.")
    return size


def _origin_form(target: str) -> str:
    """Turn `http://host/path` (what proxies are sent) into `/path`."""
    scheme, sep, rest = target.partition("://")
    if not sep or scheme.lower() not in ("http", "https"):
        return target
    return "/" + rest.partition("/")[2]


class Server(ThreadingHTTPServer):
    """A server in a thread of its own; `stop` returns once it no longer listens."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__((HOST, port), handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.daemon = True

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> Server:
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, except that a client went away."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def serve(answer: Callable[[Request], Answer], port: int = 0) -> Server:
    """Listen on 127.0.0.1 (port 0: any free one) and answer each request by `answer`."""
    return Server(partial(WholeHandler, answer), port)
