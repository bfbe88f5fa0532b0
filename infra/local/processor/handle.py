"""Starting the simulator, and what the local cloud holds of it."""

import secrets as randomness
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.local.processor import backlog, checkout, control
from infra.local.processor.backlog import Endpoint, Secret
from infra.local.processor.desk import Desk
from infra.local.processor.errors import JsonObject
from infra.local.processor.keys import ANY_SECRET_KEY, Keys
from infra.local.processor.server import Server
from infra.local.processor.store import Store
from infra.local.processor.webhooks import Courier
from infra.local.processor.world import World

STATE_FILE = "processor.sqlite3"
_DEFAULT_ENDPOINT = "we_local"


def _nobody(_secrets: list[JsonObject]) -> None:
    """No one else needs to know about a rotation."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A running simulator. `url` is its origin: API, hosted pages and controls."""

    url: str
    _server: Server
    _thread: threading.Thread

    @property
    def _desk(self) -> Desk:
        return self._server.desk

    def set_endpoint(
        self,
        url: str,
        secrets: Sequence[str | Mapping[str, Any]],
        endpoint: str = _DEFAULT_ENDPOINT,
    ) -> None:
        """Deliver webhooks to `url`, signed with every live secret; replaces what it was.

        A secret is its text, or `{id, value, not_before, not_after}` in milliseconds UTC.
        What has waited for this endpoint since an earlier run is delivered now.
        """
        if urlsplit(url).scheme != "http":
            raise ValueError(f"Webhooks go to http URLs on this machine, not to {url!r}.")
        wanted = Endpoint(endpoint, url, tuple(Secret.of(one) for one in secrets))
        store = self._desk.store
        with store.transaction():
            others = [one for one in backlog.endpoints(store) if one.id != endpoint]
            backlog.set_endpoints(store, [*others, wanted])
        self._desk.courier.active.add(endpoint)
        self._desk.courier.wake()

    def pending(self) -> int:
        """How many webhooks are due now and not yet delivered."""
        self._desk.courier.tick()
        return len(self._desk.courier.due())

    def next_due(self) -> float | None:
        """When the next webhook that waits is due: seconds UTC on the clock; None: none waits."""
        return self._desk.courier.next_due()

    def flush(self) -> int:
        """Deliver what is due now, in order, before returning; how many attempts that took."""
        self._desk.courier.tick()
        count = 0
        while self._desk.courier.deliver_next():
            count += 1
        return count

    def complete(self, session: str, card: str = "succeeds") -> JsonObject:
        """Complete a checkout without a browser: as POST /_sim/complete."""
        found, _ = control.find("POST", "/_sim/complete")
        answer = found.run(self._desk, {"session": session, "card": card}, "")
        self._desk.courier.wake()
        return answer

    def stop(self) -> None:
        """Stop serving and delivering; the state stays in its file."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._desk.courier.stop()
        self._desk.store.close()


def serve(
    folder: Path,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    keys: Keys = ANY_SECRET_KEY,
    on_secrets: Callable[[list[JsonObject]], None] = _nobody,
) -> Handle:
    """Start the simulator on a port of its own (0: any free one), its state under `folder`.

    `keys` maps each API key to what it may do; `on_secrets` hears of each rotation of the
    webhook secrets, in the form that the parameter store keeps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / STATE_FILE)
    with store.transaction():
        if store.setting("salt") is None:
            store.set("salt", randomness.token_hex(8))

    def desk_for(base: str) -> Desk:
        courier = Courier(store, tick=lambda: _expire(store, base))
        return Desk(store, courier, base, on_secrets)

    server = Server((host, port), desk_for, keys)
    thread = threading.Thread(
        target=lambda: server.serve_forever(poll_interval=0.05), name="processor", daemon=True
    )
    thread.start()
    server.desk.courier.start()
    return Handle(server.base, server, thread)


def _expire(store: Store, base: str) -> None:
    with store.transaction():
        checkout.expire_overdue(World(store, base))
