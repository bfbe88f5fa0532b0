"""moto behind one door on 127.0.0.1: who calls, may they, does a fault strike, what did it cost.

Function calls are judged by their role, struck by faults and recorded. The operator's calls
(seeding, commands, the S3 front) pass. What any call changed is kept before it is answered.
"""

from __future__ import annotations

import functools
import logging
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Protocol

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.test import run_wsgi_app

from . import faults, wire
from .calls import CallLog, table_of
from .capacity import counted
from .names import OPERATOR_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .iam import Need
    from .judge import Judge
    from .runtime import Worker
    from .wire import Answer, Call, Environ


ABSENT = 404


class Dropped(ConnectionError):
    """The caller gets no answer: its connection is closed."""


class Keeper(Protocol):
    """Keeps what a call changed, before it is answered."""

    def guard(self, call: Call) -> Any: ...  # a context manager around the call
    def keep(self, call: Call, answer: Answer) -> None: ...


class CloudServer:
    """`worker_of` gives the process that owns an access key; others are the operator or nobody."""

    def __init__(
        self,
        log: CallLog,
        struck_by: faults.Faults,
        keeper: Keeper,
        judge: Judge,
        worker_of: Callable[[str], Worker | None],
    ) -> None:
        self.log, self.faults, self.keeper = log, struck_by, keeper
        self.judge, self.worker_of = judge, worker_of
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.moto.get_backend_for_host = functools.cache(self.moto.get_backend_for_host)  # type: ignore[method-assign]
        self._server = self._listen()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _listen(self) -> BaseWSGIServer:
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        server = make_server("127.0.0.1", 0, self, True, request_handler=_Handler)  # type: ignore[arg-type]  # our handler calls `answer`
        server.daemon_threads = True  # type: ignore[attr-defined]  # of the threading mix-in
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return server

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, environ: Environ) -> Answer:
        """The answer to a request, errors of moto's own included; raises Dropped."""
        try:
            return self._answer(environ)
        except NotImplementedError as missing:
            return wire.refusal("", 501, "NotImplemented", f"moto: {missing}")
        except Dropped:
            raise
        except Exception:
            logging.getLogger("infra.local").exception("moto failed on %s", environ["PATH_INFO"])
            return wire.refusal("", 500, "InternalError", "moto failed: see the terminal")

    def _answer(self, environ: Environ) -> Answer:
        call = wire.read(environ)
        if call is None:
            return self._run(environ)
        worker = self.worker_of(call.access_key)
        if worker is None:
            if call.access_key not in {"", OPERATOR_KEY} and not call.presigned:
                message = "The security token included in the request is invalid."
                return wire.refusal(call.service, 403, "UnrecognizedClientException", message)
            refused = self.judge.refused_to_all(call)
            if refused:
                return _denied(call, "arn:aws:iam::123456789012:user/operator", refused)
            return self._kept(call, environ)
        if call.presigned:
            return self._judged(call, worker, environ)
        return self._from_function(call, worker, environ)

    def _from_function(self, call: Call, worker: Worker, environ: Environ) -> Answer:
        name = worker.spec.name
        kind = self.faults.take(name, call.service, call.action)
        if kind == "kill":
            worker.kill()
            raise Dropped
        if kind in {"fail", "throttle", "conflict"}:
            self.log.add(name, call.service, call.action, table_of(call), 0.0)
            return faults.answer(kind, call)
        counted()
        answer = self._told_of_absence(call, worker, self._judged(call, worker, environ))
        self.log.add(name, call.service, call.action, table_of(call), counted())
        if kind == "timeout_after_commit":
            raise Dropped
        return answer

    def _judged(self, call: Call, worker: Worker, environ: Environ) -> Answer:
        spec = worker.spec
        need = self.judge.refused(call, spec.name, spec.role)
        if need:
            return _denied(call, _assumed(worker), need)
        return self._kept(call, environ)

    def _told_of_absence(self, call: Call, worker: Worker, answer: Answer) -> Answer:
        """S3 says that an object is absent only to who may list the bucket; else, forbidden."""
        if answer[0] != ABSENT:
            return answer
        need = self.judge.refused_to_know(call, worker.spec.name, worker.spec.role)
        return _denied(call, _assumed(worker), need) if need else answer

    def _kept(self, call: Call, environ: Environ) -> Answer:
        with self.keeper.guard(call):
            answer = self._run(environ)
            if answer[0] < 400:
                self.keeper.keep(call, answer)
        return answer

    def _run(self, environ: Environ) -> Answer:
        chunks, status, headers = run_wsgi_app(self.moto, environ, buffered=True)
        return int(status.split(" ", 1)[0]), headers.to_wsgi_list(), b"".join(chunks)


def _assumed(worker: Worker) -> str:
    return f"arn:aws:sts::123456789012:assumed-role/{worker.spec.role}/{worker.spec.name}"


def _denied(call: Call, who: str, need: Need) -> Answer:
    plain = call.service in {"s3", "ses"}
    code = "AccessDenied" if plain else "AccessDeniedException"
    status = 400 if call.service in {"dynamodb", "kms", "ssm"} else 403
    wanted = f"{need.action} on resource: {need.resource}"
    message = f"User: {who} is not authorized to perform: {wanted}"
    return wire.refusal(call.service, status, code, message)


class _Handler(MotoRequestHandler):
    """Answers without closing each connection as werkzeug does; drops one where a fault says so."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self.make_environ()
        app: Any = self.server.app
        try:
            status, headers, body = app.answer(environ)
        except Dropped:
            self._drop()
            return
        unread = not environ.get("local.read") and self.command not in {"GET", "HEAD"}
        self.close_connection = self.close_connection or unread
        self._send(status, headers, body)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        has_body = self.command != "HEAD" and status not in {204, 304}
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding"} and not (
                has_body and name.lower() == "content-length"
            ):
                self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            self.wfile.write(body)

    def _drop(self) -> None:
        """Reset the connection at once, so that the client sees a lost answer and no timeout."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def finish(self) -> None:
        try:
            super().finish()
        except (ConnectionError, ValueError, OSError):
            return  # the connection was dropped on purpose

    def log(self, *_: Any) -> None:
        """Say nothing: the record of calls says more."""
