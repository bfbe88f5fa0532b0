"""One Lambda sandbox with nothing added: AWS's runtime client, a Runtime API, and a stopwatch.

The local cloud's own workers carry its virtual clock and its watch on outgoing requests; here a
process has what it would have in Lambda, so that ours and a peer's are timed alike.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What `python -m awslambdaric app.handler` does, with the runtime client behind the task's own
# packages, and without a home, a site folder or a place to write bytecode to: as in Lambda.
START = (
    "import runpy, sys; runtime = sys.argv.pop(1); sys.path.insert(0, '.'); "
    "sys.path.append(runtime); "
    "runpy.run_module('awslambdaric', run_name='__main__', alter_sys=True)"
)
PATIENCE = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """The function failed; the text is what its runtime reported."""


class RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A process that was ended drops its connection: no news. All else is told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Sandbox:
    """One process of one function; `invoke` hands it an event and returns what it answered."""

    def __init__(
        self, task: Path, runtime: Path, handler: str, environment: Mapping[str, str]
    ) -> None:
        self.events: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[tuple[bytes, bool]] = queue.SimpleQueue()
        self.server = RuntimeApi(("127.0.0.1", 0), handler_of(self))
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        variables = {
            "PATH": "/usr/bin:/bin",
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_LAMBDA_FUNCTION_NAME": "check",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            **environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_address[1]}",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", START, str(runtime), handler],
            cwd=task,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def invoke(self, event: Mapping[str, Any]) -> Any:
        self.events.put(json.dumps(event).encode())
        try:
            payload, failed = self.answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failed("no answer") from None
        if failed:
            raise Failed(payload.decode(errors="replace")[:2000])
        return json.loads(payload)

    def cpu(self) -> float:
        """Seconds of CPU that the process has used, its kernel time included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def handler_of(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    """The Runtime API, for one process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.reply(200, sandbox.events.get())

        def do_POST(self) -> None:
            payload = self.payload()
            sandbox.answers.put((payload, not self.path.endswith("/response")))
            self.reply(202, b"")

        def payload(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole

        def reply(self, status: int, body: bytes) -> None:
            self.send_response_only(status)
            self.send_header(
                "Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000000"
            )
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 60_000))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:eu-west-1:123456789012:function:check",
            )
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal is for figures."""

    return Handler


@contextmanager
def started(*arguments: Any) -> Iterator[tuple[Sandbox, float]]:
    """A sandbox, and the instant at which its process was asked for."""
    began = time.perf_counter()
    with Sandbox(*arguments) as sandbox:
        yield sandbox, began
