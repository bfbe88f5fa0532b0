"""Starts AWS's runtime client in a process that sees the deployment zip, and nothing of ours.

    python -I -S -B worker.py app.handler      (cwd = the unzipped zip; the rest in LOCAL_* variables)

Before the client runs, this puts the process on the shared clock and, from outside the zip, reports
two things that are no cloud calls: argon2 hashes and checks, and requests to hosts other than the
cloud's. Reports are answered before the work goes on, so a fault can end the process at that point.
"""

from __future__ import annotations

import base64
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import runpy
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

_ARGON2 = {"hash_secret": "hash", "hash_secret_raw": "hash", "verify_secret": "verify"}


def _report(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Tell the runner and wait for its word; by hand, because http.client itself is watched."""
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    payload = json.dumps(body).encode()
    head = f"POST /local/{kind} HTTP/1.0\r\nContent-Length: {len(payload)}\r\n\r\n".encode()
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(head + payload)
        with wire.makefile("rb") as stream:
            answer = stream.read()
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2] or b"{}")
    return found


def _counted(function: Callable[..., Any], action: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        fault = _report("argon2", {"action": action}).get("fault")
        if fault in {"fail", "throttle"}:
            raise MemoryError(f"argon2: local fault {fault}")
        result = function(*args, **kwargs)
        if fault == "timeout_after_commit":
            raise TimeoutError("argon2: local fault timeout_after_commit")
        return result

    return run


class _Argon2Finder(importlib.abc.MetaPathFinder):
    """Wraps argon2.low_level when the app first imports it, before anything copies its names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "argon2.low_level":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            loader = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                for name, action in _ARGON2.items():
                    setattr(module, name, _counted(getattr(module, name), action))

            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _watch_requests(own: frozenset[str]) -> None:
    """Report what urllib3, requests and urllib send, unless it goes to the cloud's own addresses."""
    from http.client import HTTPConnection

    put, header, end, send, answer = (
        HTTPConnection.putrequest,
        HTTPConnection.putheader,
        HTTPConnection.endheaders,
        HTTPConnection.send,
        HTTPConnection.getresponse,
    )

    def putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        port = self.port or self.default_port
        self.local_seen = None
        if f"{self.host}:{port}" not in own:
            scheme = "https" if self.default_port == 443 else "http"
            address = url if "://" in url else f"{scheme}://{self.host}:{port}{url}"
            self.local_seen = {"method": method, "url": address, "headers": {}, "body": b""}
        put(self, method, url, *args, **kwargs)

    def putheader(self: Any, name: Any, *values: Any) -> None:
        seen = getattr(self, "local_seen", None)
        text = name.decode() if isinstance(name, bytes) else name
        if seen and text.lower() not in {"authorization", "cookie"}:
            seen["headers"][text] = ", ".join(
                v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in values
            )
        header(self, name, *values)

    def endheaders(self: Any, message_body: Any = None, **kwargs: Any) -> None:
        self.local_in_head = True
        try:
            end(self, message_body, **kwargs)
        finally:
            self.local_in_head = False
        seen = getattr(self, "local_seen", None)
        if seen and isinstance(message_body, (bytes, str)):
            seen["body"] += message_body.encode() if isinstance(message_body, str) else message_body

    def sent(self: Any, data: Any) -> None:
        seen = getattr(self, "local_seen", None)
        if seen and not getattr(self, "local_in_head", False) and isinstance(data, bytes):
            seen["body"] += data
        send(self, data)

    def getresponse(self: Any) -> Any:
        seen = getattr(self, "local_seen", None)
        if seen:
            self.local_seen = None
            _report("request", {**seen, "body": base64.b64encode(seen["body"]).decode()})
        return answer(self)

    for name, method in {
        "putrequest": putrequest,
        "putheader": putheader,
        "endheaders": endheaders,
        "send": sent,
        "getresponse": getresponse,
    }.items():
        setattr(HTTPConnection, name, method)


def _follow_clock(path: str) -> None:
    here = os.path.dirname(os.path.abspath(__file__))  # pathlib is slow to load
    place = os.path.join(here, "clock.py")  # as above
    spec = importlib.util.spec_from_file_location("_local_cloud_clock", place)
    if spec is None or spec.loader is None:
        raise ImportError(place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.follow(path)


def main() -> None:
    sys.path.append(os.environ.pop("LOCAL_RUNTIME"))
    _follow_clock(os.environ.pop("LOCAL_CLOCK"))
    sys.meta_path.insert(0, _Argon2Finder())
    own = [*os.environ.pop("LOCAL_HOSTS").split(), os.environ["AWS_LAMBDA_RUNTIME_API"]]
    _watch_requests(frozenset(own))
    sys.path.insert(0, os.getcwd())  # what `python -m awslambdaric` would have put there
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
