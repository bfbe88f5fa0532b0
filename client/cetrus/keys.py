"""The keys that Cetrus signs with: cached on disk, fetched again for a key never seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cetrus import jose, state
from cetrus.errors import CetrusError, Unverified

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cetrus.clock import Clock

FRESH_MS = 3_600_000
# Forged key names must not turn this client into a flood of requests.
REFETCH_S = 30.0


class KeyRing:
    """Verifies what the issuer signed. A key that the newest set revokes or drops is refused."""

    def __init__(self, path: Path, fetch: Callable[[], dict[str, Any]], clock: Clock) -> None:
        self._path, self._fetch, self._clock = path, fetch, clock
        stored = state.read_json(path) or {}
        self._keys = _usable(stored.get("keys"))
        self._fetched_ms = stored["at"] if isinstance(stored.get("at"), int) else 0
        self._tried: float | None = None

    def verify(self, compact: Any, typ: str) -> jose.Claims:
        """The claims of a statement of this kind; Unverified in every other case."""
        kid = jose.key_id(compact)
        self.refresh()
        if kid not in self._keys:
            self._refetch()
        if kid not in self._keys:
            raise Unverified("The answer is signed by a key that Cetrus does not publish.")
        return jose.verify(compact, jwk=self._keys[kid], typ=typ)

    def refresh(self) -> None:
        """Fetches the set where the stored one is older than an hour; failing changes nothing."""
        if not 0 <= self._clock.wall_ms() - self._fetched_ms < FRESH_MS:
            self._refetch()

    def _refetch(self) -> None:
        now = self._clock.steady()
        if self._tried is not None and now - self._tried < REFETCH_S:
            return
        self._tried = now
        try:
            found = self._fetch()
        except CetrusError:
            return
        if keys := _usable(found.get("keys")):
            self._keys, self._fetched_ms = keys, self._clock.wall_ms()
            state.write_json(self._path, {"at": self._fetched_ms, "keys": found["keys"]})


def _usable(keys: Any) -> dict[str, dict[str, Any]]:
    """By `kid`, without those revoked or of another kind."""
    found: dict[str, dict[str, Any]] = {}
    for key in keys if isinstance(keys, list) else []:
        if isinstance(key, dict) and isinstance(key.get("kid"), str) and not _revoked(key):
            found[key["kid"]] = key
    return found


def _revoked(key: dict[str, Any]) -> bool:
    return bool(key.get("revoked_at") or key.get("revoked_ms") or key.get("revoked"))
