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
from cetrus.records import LaunchBook
from cetrus.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from cetrus.clock import Clock
    from cetrus.credentials import Credential

DEFAULT_SERVER = "https://www.cetrus.com"
SERVER_VARIABLE = "CETRUS_SERVER"
KEY_VARIABLE = "CETRUS_LICENSE_KEY"


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
        named = server or os.environ.get(SERVER_VARIABLE) or DEFAULT_SERVER
        self.clock: Clock = clock or SystemClock()
        self.wire = Wire(named, transport=transport)
        self.server = self.wire.base_url
        self.folder = state.server_folder(home or state.home_folder(), self.server)
        self.sign_ins = SignIns(self.folder)

    @cached_property
    def api(self) -> Api:
        return Api(self.wire, load_computer(self.folder), self.clock)

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
        return SignedIn(self.sign_ins, application, self.api.refresh_token, self.clock)

    def close(self) -> None:
        self.wire.close()
