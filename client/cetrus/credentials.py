"""Who asks: a person signed in by the device flow, or a license key where no browser is."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from cetrus import state
from cetrus.errors import SignInNeeded, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cetrus.clock import Clock

# A token that ends while a request is under way is no use.
EARLY_MS = 30_000


@dataclass(frozen=True, slots=True)
class SignIn:
    """What is stored for one application: tokens, or a license key."""

    application: str
    access_token: str = field(default="", repr=False)
    expires_ms: int = 0
    refresh_token: str = field(default="", repr=False)
    license_key: str = field(default="", repr=False)


class Credential(Protocol):
    def current(self, *, not_this: str | None = None) -> tuple[str, str | None]:
        """The Authorization value and the access token in it; `not_this` was just rejected."""


def renew(credential: Credential) -> bool:
    """Exchanges the access token, which knows the licenses as of its issue; False for a key."""
    _, token = credential.current()
    if token is None:
        return False
    credential.current(not_this=token)
    return True


@dataclass(frozen=True, slots=True)
class LicenseKey:
    key: str = field(repr=False)

    def current(self, *, not_this: str | None = None) -> tuple[str, str | None]:  # noqa: ARG002 - a key has no successor
        return f"License {self.key}", None


class SignIns:
    """The sign-ins of this user at one server, one file an application."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "sign-ins"

    def path(self, application: str) -> Path:
        name = hashlib.sha256(application.encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"

    def read(self, application: str) -> SignIn | None:
        return read_sign_in(state.read_json(self.path(application)))

    def write(self, sign_in: SignIn) -> None:
        state.write_json(self.path(sign_in.application), asdict(sign_in))

    def forget(self, application: str) -> None:
        state.remove(self.path(application))

    def all(self) -> Iterator[SignIn]:
        for path in sorted(self._folder.glob("*.json")):
            if (found := read_sign_in(state.read_json(path))) is not None:
                yield found


def read_sign_in(value: dict[str, Any] | None) -> SignIn | None:
    try:
        found = SignIn(**value) if value else None
    except TypeError:
        return None
    return found


class SignedIn:
    """Access tokens of one sign-in, refreshed by one process at a time.

    The refresh token rotates: two processes that both sent the old one would look like a theft and
    lose the sign-in. So the exchange runs under a lock, and whoever waited reads what came of it.
    """

    def __init__(
        self,
        store: SignIns,
        application: str,
        refresh: Callable[[str, str], dict[str, Any]],
        clock: Clock,
    ) -> None:
        self._store, self._application = store, application
        self._refresh, self._clock = refresh, clock

    def current(self, *, not_this: str | None = None) -> tuple[str, str | None]:
        stored = self._stored()
        if stored.license_key:
            return f"License {stored.license_key}", None
        if not self._usable(stored, not_this):
            stored = self._exchange(not_this)
        return f"DPoP {stored.access_token}", stored.access_token

    def _stored(self) -> SignIn:
        stored = self._store.read(self._application)
        if stored is None:
            raise SignInNeeded(
                f"Nobody is signed in to {self._application} on this computer.",
                hint=f"Run `cetrus login {self._application}`.",
            )
        return stored

    def _usable(self, stored: SignIn, not_this: str | None) -> bool:
        left = stored.expires_ms - self._clock.wall_ms()
        return left > EARLY_MS and stored.access_token not in {"", not_this}

    def _exchange(self, not_this: str | None) -> SignIn:
        with state.locked(self._store.path(self._application).with_suffix(".lock")):
            stored = self._stored()
            if self._usable(stored, not_this):
                return stored
            fresh = self._refresh(stored.application, stored.refresh_token)
            renewed = from_tokens(stored.application, fresh, self._clock.wall_ms())
            self._store.write(renewed)
            return renewed


def from_tokens(application: str, body: dict[str, Any], now_ms: int) -> SignIn:
    """A sign-in from the token answer of RFC 6749; Unreachable where it is not one."""
    access, refresh, lifetime = (
        body.get(name) for name in ("access_token", "refresh_token", "expires_in")
    )
    if not (isinstance(access, str) and isinstance(refresh, str) and type(lifetime) is int):
        raise Unreachable("The answer to the sign-in cannot be read.")
    return SignIn(application, access, now_ms + lifetime * 1000, refresh)
