"""One server, and what this user keeps for it on this computer."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from cetrus import state
from cetrus.api import Api
from cetrus.clock import SystemClock
from cetrus.computer import load_computer
from cetrus.credentials import LicenseKey, SignedIn, SignIns
from cetrus.keys import KeyRing
from cetrus.names import aliases
from cetrus.records import LaunchBook
from cetrus.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from cetrus.clock import Clock
    from cetrus.computer import Computer
    from cetrus.credentials import Credential

DEFAULT_SERVER = "https://www.cetrus.com"
SERVER_VARIABLE = "CETRUS_SERVER"
KEY_VARIABLE = "CETRUS_LICENSE_KEY"
SERVER_FILE = "server.json"


class Session:
    """Thread-safe; nothing is read, written or sent before it is needed."""

    def __init__(
        self,
        server: str | None = None,
        *,
        home: Path | None = None,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._home = home or state.home_folder()
        named = server or os.environ.get(SERVER_VARIABLE) or self._remembered() or DEFAULT_SERVER
        self.clock: Clock = clock or SystemClock()
        self.wire = Wire(named, transport=transport)
        self.server = self.wire.base_url
        self.folder = state.server_folder(self._home, self.server)
        self.sign_ins = SignIns(self.folder)

    @cached_property
    def api(self) -> Api:
        return Api(self.wire, self.computer, self.clock)

    @cached_property
    def computer(self) -> Computer:
        return load_computer(self.folder)

    @cached_property
    def keys(self) -> KeyRing:
        return KeyRing(self.folder / "keys.json", self.api.keys, self.clock)

    @cached_property
    def launches(self) -> LaunchBook:
        return LaunchBook(self.folder)

    def credential(self, application: str, license_key: str | None = None) -> Credential:
        """A license key where one is given, else the stored sign-in."""
        if key := license_key or os.environ.get(KEY_VARIABLE):
            return LicenseKey(key)
        name = self.signed_in_as(application) or application
        return SignedIn(self.sign_ins, name, self.api.refresh_token, self.clock)

    def signed_in_as(self, application: str) -> str | None:
        """The name of this application, its short one or its id, that a sign-in is kept under."""
        names = sorted(aliases(self, application), key=lambda name: name != application)
        return next((name for name in names if self.sign_ins.read(name)), None)

    def remember_server(self) -> None:
        """Where no server is named, the one of the last sign-in is meant."""
        state.write_json(self._home / SERVER_FILE, {"server": self.server})

    def _remembered(self) -> str | None:
        found = (state.read_json(self._home / SERVER_FILE) or {}).get("server")
        return found if isinstance(found, str) else None

    def close(self) -> None:
        self.wire.close()
