"""The app behind a plain HTTP server of this process, so that Chromium can look at its pages."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import app
from tests.browser import Browser
from tests.context import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE_AT_A_TIME = threading.Lock()
WITHOUT_CONTENT = 304


class Door(BaseHTTPRequestHandler):
    """One request to one event and back; it leaves cookies to the browser."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers.pop("host", None)  # a door in front of the app, which judges names by itself
        try:
            event = Browser().event(self.command, self.path, body, headers)
        except LookupError:
            self.send_error(404)
            return
        with ONE_AT_A_TIME:
            raw = app.app(event, CONTEXT)
        self.pass_on(raw)

    def pass_on(self, raw: dict[str, Any]) -> None:
        body = raw["body"].encode()
        self.send_response(raw["statusCode"])
        for name, value in raw["headers"].items():
            self.send_header(name, value)
        for name, values in (raw.get("multiValueHeaders") or {}).items():
            for value in values:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: Any) -> None:
        """Quiet: the tests say what they saw."""


@contextmanager
def served() -> Iterator[str]:
    """The address of the app, on a port that the system chose."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
