"""Starts AWS's runtime client in a process that sees the deployment zip, and nothing of ours.

    python -I -S -B worker.py app.handler     (cwd = the unzipped zip, the rest in LOCAL_*)

Before the client runs, this puts the process on the shared clock and, from outside the zip,
reports two things that are no cloud calls: argon2 hashes and checks, and requests to other hosts
than the cloud's. Reports are answered before the work goes on: a fault can end the process there.
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
from pathlib import Path
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


class _Seen:
    """One request to elsewhere, as far as it has been written."""

    def __init__(self, method: str, url: str) -> None:
        self.method, self.url = method, url
        self.headers: dict[str, str] = {}
        self.body = b""
        self.in_head = True

    def header(self, name: Any, values: Sequence[Any]) -> None:
        text = _text(name)
        if text.lower() not in {"authorization", "cookie"}:
            self.headers[text] = ", ".join(_text(value) for value in values)

    def part(self, data: Any) -> None:
        if isinstance(data, (bytes, str)):
            self.body += data.encode() if isinstance(data, str) else data

    def report(self) -> None:
        body = base64.b64encode(self.body).decode()
        more = {"method": self.method, "url": self.url, "headers": self.headers, "body": body}
        _report("request", more)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _address(connection: Any, url: str, own: frozenset[str]) -> str | None:
    """Where a request goes, or None if to the cloud itself."""
    place = f"{connection.host}:{connection.port or connection.default_port}"
    if place in own:
        return None
    scheme = "https" if connection.default_port == 443 else "http"
    return url if "://" in url else f"{scheme}://{place}{url}"


class _Watch:
    """Reports what urllib3, requests and urllib send to other hosts: all write by http.client."""

    def __init__(self, connection: Any, own: frozenset[str]) -> None:
        self.own = own
        names = ("putrequest", "putheader", "endheaders", "send", "getresponse")
        self.stock = {name: getattr(connection, name) for name in names}
        connection.local_seen = None
        for name in names:
            setattr(connection, name, self._bound(getattr(self, name)))

    def _bound(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def stand_in(connection: Any, *args: Any, **kwargs: Any) -> Any:
            return method(connection, *args, **kwargs)

        return stand_in

    def putrequest(self, on: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        address = _address(on, url, self.own)
        on.local_seen = _Seen(method, address) if address else None
        self.stock["putrequest"](on, method, url, *args, **kwargs)

    def putheader(self, on: Any, name: Any, *values: Any) -> None:
        if on.local_seen:
            on.local_seen.header(name, values)
        self.stock["putheader"](on, name, *values)

    def endheaders(self, on: Any, message_body: Any = None, **kwargs: Any) -> None:
        self.stock["endheaders"](on, message_body, **kwargs)
        if on.local_seen:
            on.local_seen.in_head = False
            on.local_seen.part(message_body)

    def send(self, on: Any, data: Any) -> None:
        if on.local_seen and not on.local_seen.in_head:
            on.local_seen.part(data)
        self.stock["send"](on, data)

    def getresponse(self, on: Any) -> Any:
        if on.local_seen:
            on.local_seen.report()
            on.local_seen = None
        return self.stock["getresponse"](on)


def _watch_requests(own: frozenset[str]) -> None:
    from http.client import HTTPConnection

    _Watch(HTTPConnection, own)


def _follow_clock(path: str) -> None:
    place = Path(__file__).with_name("clock.py")
    spec = importlib.util.spec_from_file_location("_local_cloud_clock", place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.follow(path)


def main() -> None:
    sys.path.append(os.environ.pop("LOCAL_RUNTIME"))
    _follow_clock(os.environ.pop("LOCAL_CLOCK"))
    sys.meta_path.insert(0, _Argon2Finder())
    own = [*os.environ.pop("LOCAL_HOSTS").split(), os.environ["AWS_LAMBDA_RUNTIME_API"]]
    _watch_requests(frozenset(own))
    sys.path.insert(0, str(Path.cwd()))  # what `python -m awslambdaric` would have put there
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
