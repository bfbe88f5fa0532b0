"""The HTTP server: one origin for the API, the hosted pages and the controls."""

import json
import re
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from infra.local.processor import api, control, control_page, hosted, html
from infra.local.processor.api import Call
from infra.local.processor.desk import Desk
from infra.local.processor.errors import FORBIDDEN, NOT_FOUND, ApiError, JsonObject
from infra.local.processor.hosted import Shown
from infra.local.processor.keys import Keys
from infra.local.processor.world import World

_MAX_BODY = 1_000_000
_PAGE = re.compile(r"/c/pay/(\w+)(/confirm)?")
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_SERVER_ERROR = 500
_MISDIRECTED = 421


class Server(ThreadingHTTPServer):
    """The listening socket and what its handlers work with."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], desk_for: Callable[[str], Desk], keys: Keys
    ) -> None:
        super().__init__(address, Handler)
        host, port = self.server_address[:2]
        self.base = f"http://{host!s}:{port}"
        self.hosts = frozenset({f"{host!s}:{port}", f"localhost:{port}"})
        self.desk = desk_for(self.base)
        self.keys = keys

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is no error; anything else is."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as received


class Handler(BaseHTTPRequestHandler):
    """Routes a request; card numbers pass through and are neither kept nor logged."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "CetrusProcessorSimulator"
    sys_version = ""
    timeout = 60
    server: Server
    _security: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: addresses and forms stay out of every log."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        try:
            body = self._read()
            self._check_host()
            self._route(urlsplit(self.path).path, body)
        except ApiError as refusal:
            self._json(refusal.status, refusal.body)

    def _read(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _MAX_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            raise ApiError("A body needs a Content-Length of at most 1 MB.", 413)
        return self.rfile.read(int(length))

    def _check_host(self) -> None:
        # A name that resolves here from a hostile page, or a form on it, gets nothing.
        if self.headers.get("Host", "") not in self.server.hosts:
            raise ApiError("This host name is not served here.", _MISDIRECTED)
        origin = self.headers.get("Origin")
        foreign = origin is not None and origin.removeprefix("http://") not in self.server.hosts
        crossed = self.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        if self.command != "GET" and (foreign or crossed):
            raise ApiError("Requests from other sites are refused.", FORBIDDEN)

    def _route(self, path: str, body: bytes) -> None:
        self.server.desk.courier.tick()
        page = _PAGE.fullmatch(path)
        if page is not None:
            self._hosted(page[1], body, confirming=page[2] is not None)
        elif path.startswith("/_sim"):
            self._control(path, body)
        elif path.startswith("/v1/"):
            self._api(body)
        elif path == "/c/style.css":
            self._send(200, html.asset("style.css").encode(), "text/css; charset=utf-8")
        elif path in ("/", "/favicon.ico"):
            self._plain(path)
        else:
            raise ApiError(f"Unrecognized request URL ({self.command}: {path}).", NOT_FOUND)

    def _plain(self, path: str) -> None:
        if path == "/":
            self._send(303, b"", _HTML, {"Location": "/_sim/"})
        else:
            self._send(204, b"", "image/x-icon")

    # the hosted page

    def _hosted(self, session: str, body: bytes, *, confirming: bool) -> None:
        desk = self.server.desk
        with desk.store.transaction():
            shown = self._hosted_answer(desk.world, session, body, confirming=confirming)
        desk.courier.wake()
        headers = {"Content-Security-Policy": _policy(shown.forms_to)}
        if shown.location:
            headers["Location"] = shown.location
        self._send(shown.status, shown.body, _HTML, headers)

    def _hosted_answer(self, world: World, session: str, body: bytes, *, confirming: bool) -> Shown:
        if self.command == "GET":
            return hosted.show(world, session, urlsplit(self.path).query)
        form = dict(parse_qsl(body.decode("utf-8", "replace")))
        return (hosted.authenticate if confirming else hosted.submit)(world, session, form)

    # the controls

    def _control(self, path: str, body: bytes) -> None:
        desk = self.server.desk
        if path in ("/_sim", "/_sim/") and self.command == "GET":
            self._overview(desk)
            return
        found, object_id = control.find(self.command, path)
        answer = found.run(desk, self._given(body), object_id)
        desk.courier.wake()
        self._json(200, answer)

    def _overview(self, desk: Desk) -> None:
        overview = control.overview(desk)
        accept = self.headers.get("Accept", "")
        if "text/html" in accept:
            policy = {"Content-Security-Policy": _policy(())}
            self._send(200, control_page.render(overview), _HTML, policy)
        else:
            self._json(200, overview)

    def _given(self, body: bytes) -> JsonObject:
        if self.command == "GET":
            return dict(parse_qsl(urlsplit(self.path).query))
        try:
            given = json.loads(body or b"{}")
        except ValueError:
            raise ApiError("The body is not JSON.") from None
        if not isinstance(given, dict):
            raise ApiError("The body is not a JSON object.")
        return given

    # the API

    def _api(self, body: bytes) -> None:
        desk = self.server.desk
        call = Call(self.command, self.path, dict(self.headers.items()), body)
        reply = api.answer(desk.store, self.server.keys, desk.base, call)
        desk.courier.wake()
        if reply.trouble == "lose":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif reply.trouble == "fail":
            failure = {"error": {"type": "api_error", "message": "An error occurred."}}
            self._json(_SERVER_ERROR, failure, reply.headers(call))
        else:
            self._json(reply.status, reply.body, reply.headers(call))

    # answers

    def _json(self, status: int, body: JsonObject, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body, indent=2).encode(), _JSON, headers)

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (self._security | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _policy(forms_to: tuple[str, ...]) -> str:
    """The content security policy of a page: its style, its own forms, nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            " ".join(("form-action 'self'", *forms_to)),
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
