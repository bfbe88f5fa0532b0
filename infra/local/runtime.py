"""One Lambda sandbox: a process of AWS's runtime client, and the Runtime API that it polls."""

from __future__ import annotations

import base64
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .errors import InvocationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIMIT = 6 * 1024 * 1024
WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What the template says of a function; `timeout` in seconds, `memory` in MB."""

    name: str
    physical: str
    logical_id: str
    handler: str
    role: str
    timeout: int
    memory: int
    environment: Mapping[str, str] = field(default_factory=dict)


class Reports(Protocol):
    """Who hears what a worker does: its lines, its password hashes, its requests elsewhere."""

    def line(self, worker: Worker, text: str) -> None: ...
    def argon2(self, worker: Worker, action: str) -> str | None: ...
    def request(self, worker: Worker, seen: dict[str, Any]) -> None: ...


class Worker:
    """A process that runs one invocation at a time; broken for good after a timeout or a crash."""

    def __init__(
        self, spec: FunctionSpec, task: Path, environment: Mapping[str, str], reports: Reports
    ) -> None:
        self.spec, self.reports = spec, reports
        self.request_id = ""
        self.task, self.broken = task, False
        self.idle_since = time.monotonic()
        self._events: queue.Queue[tuple[str, bytes, float] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes, bool]] = queue.Queue()
        self._server = _serve(self)
        self._process = self._spawn(task, environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _spawn(self, task: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        host, port = self._server.server_address[:2]
        variables = {
            **_lambda_variables(self.spec, task),
            **self.spec.environment,
            **environment,
            "AWS_LAMBDA_RUNTIME_API": f"{host!s}:{port}",
        }
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(WORKER), self.spec.handler],
            cwd=task,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def invoke(self, body: bytes) -> Any:
        """What the handler returned; raises InvocationError with Lambda's payload."""
        request_id = str(uuid.uuid4())
        self.request_id = request_id
        deadline = time.time() + self.spec.timeout
        self._events.put((request_id, body, deadline))
        limit = time.monotonic() + self.spec.timeout + 1
        while True:
            try:
                answered, payload, failed = self._answers.get(timeout=limit - time.monotonic())
            except (queue.Empty, ValueError):
                self.kill()
                raise self._error("Sandbox.Timedout", self._late(request_id)) from None
            if answered in {request_id, "init", "exit"}:
                return self._result(answered, payload, failed=failed)

    def _late(self, request_id: str) -> str:
        return (
            f"RequestId: {request_id} Error: Task timed out after {self.spec.timeout:.2f} seconds"
        )

    def _result(self, answered: str, payload: bytes, *, failed: bool) -> Any:
        if answered == "exit":
            raise self._error("Runtime.ExitError", "Runtime exited: " + payload.decode())
        if len(payload) > LIMIT:
            raise self._error("Function.ResponseSizeTooLarge", "Response payload size exceeded")
        if answered == "init":
            self.broken = True
        value = json.loads(payload or b"null")
        if failed:
            raise InvocationError(self.spec.name, value)
        return value

    def _error(self, kind: str, message: str) -> InvocationError:
        self.broken = True
        return InvocationError(self.spec.name, {"errorType": kind, "errorMessage": message})

    def _read(self) -> None:
        """Collect lines until the process ends, then fail what it was running."""
        assert self._process.stdout is not None  # noqa: S101  # it was started with a pipe
        with self._process.stdout as stream:
            for line in stream:
                self.reports.line(self, line.decode("utf-8", "replace").rstrip("\n"))
        self.broken = True
        code = self._process.wait()
        self._answers.put(("exit", f"status {code}".encode(), True))
        self._events.put(None)

    def kill(self) -> None:
        """SIGKILL, as when the sandbox is reaped: nothing of the function runs after this."""
        self.broken = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def stop(self) -> None:
        """End the process and its Runtime API."""
        self.kill()
        self._reader.join(timeout=5)
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> tuple[str, bytes, float] | None:
        return self._events.get()

    def answer(self, request_id: str, payload: bytes, *, failed: bool) -> None:
        self._answers.put((request_id, payload, failed))


def _lambda_variables(spec: FunctionSpec, task: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": str(task),
        "_HANDLER": spec.handler,
        "AWS_LAMBDA_FUNCTION_NAME": spec.physical,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.physical}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "POWERTOOLS_TRACE_DISABLED": "1",
    }


class _RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True
    worker: Worker


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _RuntimeApi

    def do_GET(self) -> None:
        worker = self.server.worker
        event = worker.next_event()
        if event is None:
            self.close_connection = True
            return
        request_id, body, deadline = event
        function = f"arn:aws:lambda:eu-west-1:123456789012:function:{worker.spec.physical}"
        self._send(
            200,
            body,
            {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": function,
                "Content-Type": "application/json",
            },
        )

    def do_POST(self) -> None:
        payload = self._payload()
        parts = self.path.strip("/").split("/")
        if parts[0] == "local":
            self._report(parts[1], json.loads(payload))
            return
        if parts[2] == "init":
            self.server.worker.answer("init", payload, failed=True)
        else:
            self.server.worker.answer(parts[3], payload, failed=parts[4] == "error")
        self._send(202, b"", {})

    def _report(self, kind: str, body: dict[str, Any]) -> None:
        worker = self.server.worker
        fault = None
        if kind == "argon2":
            fault = worker.reports.argon2(worker, body["action"])
        else:
            body["body"] = base64.b64decode(body["body"]).decode("utf-8", "replace")
            worker.reports.request(worker, body)
        self._send(200, json.dumps({"fault": fault}).encode(), {})

    def _payload(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: Any) -> None:
        """Say nothing: the record of calls says more."""


def _serve(worker: Worker) -> _RuntimeApi:
    server = _RuntimeApi(("127.0.0.1", 0), _Handler)
    server.worker = worker
    server.handle_error = _quiet(server.handle_error)  # type: ignore[method-assign]
    poll = functools.partial(server.serve_forever, poll_interval=0.05)
    threading.Thread(target=poll, daemon=True).start()
    return server


def _quiet(loud: Callable[..., None]) -> Callable[..., None]:
    """A killed worker drops its connections: that is no news for the terminal."""

    def handle(request: Any, client: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            loud(request, client)

    return handle
