"""Which ports a local cloud listens on: the one asked for, else last time's, else any free one."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from infra.local.front.folder import StartError
from infra.local.front.http import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.front.http import Server


def listen_on(port: int, make: Callable[[int], Server]) -> Server:
    """Listen on exactly this port; raises StartError if it is taken or not ours to take."""
    try:
        server = make(port)
    except OSError as error:
        raise StartError(_why_not(port, error)) from error
    except OverflowError:
        raise StartError(f"There is no port {port}: ports end at 65535.") from None
    if port and _answers_as_localhost(port):
        server.stop()
        taken = f"Port {port} is taken on ::1, where browsers look for localhost first: "
        raise StartError(taken + "choose another one with --port.")
    return server


def listen_near(remembered: Any, make: Callable[[int], Server]) -> Server:
    """Listen on the remembered port if it is free, else on any."""
    if isinstance(remembered, int) and 0 < remembered < 65_536:
        try:
            return make(remembered)
        except OSError:
            return make(0)
    return make(0)


class Reserved:
    """Holds a port for a server that starts later: the address is known, nobody else takes it."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((HOST, port))
            self._socket.listen(1)
        except OSError:
            self._socket.close()
            raise

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def release(self) -> int:
        """Give the port free for its server to bind; releasing twice does no harm."""
        port = self.port if self._socket.fileno() >= 0 else 0
        self._socket.close()
        return port


def reserve_near(remembered: Any) -> Reserved:
    if isinstance(remembered, int) and 0 < remembered < 65_536:
        try:
            return Reserved(remembered)
        except OSError:
            return Reserved()
    return Reserved()


def _why_not(port: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"Port {port} is reserved for the system: choose one above 1023 with --port."
    return f"Port {port} is taken: stop what uses it, or choose another one with --port."


def _answers_as_localhost(port: int) -> bool:
    try:
        with socket.create_connection(("::1", port), timeout=0.2):
            return True
    except OSError:
        return False
