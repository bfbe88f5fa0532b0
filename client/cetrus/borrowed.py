"""A program under `cetrus run` that has the client built in: it uses the launcher's lease."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from cetrus.errors import CetrusError
from cetrus.keeper import OUTAGE, SAVE_S

if TYPE_CHECKING:
    from types import TracebackType

    from cetrus.keeper import Events
    from cetrus.leases import Lease
    from cetrus.session import Session

LOOK_S = 15.0


class BorrowedLaunch:
    """Reads the lease that another process of this user renews; renews and ends nothing itself."""

    receipt = None

    def __init__(
        self, lease: Lease, events: Events, session: Session, launch_id: str, skew_ms: int
    ) -> None:
        self.lease, self.launch_id = lease, launch_id
        self._skew_ms = skew_ms
        self.stopped: str | None = None
        self._events, self._session = events, session
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="cetrus-borrowed", daemon=True)
        self._thread.start()

    @property
    def mode(self) -> str:
        now = self._session.clock.wall_ms() + self._skew_ms
        if self.stopped is not None or now >= self.lease.end_ms + self.lease.grace * 1000:
            return "stop"
        return "run" if now < self.lease.end_ms else self.lease.outage.mode

    def look(self) -> None:
        """Takes over the newest lease; tells once where it has run out with its grace."""
        record = self._session.launches.running(self.launch_id)
        if record is not None and record.lease is not None:
            self.lease = self._session.api.read_lease(record.lease, self._session.keys)
            self._skew_ms = record.skew_ms
        if self.mode == "stop" and self.stopped is None:
            self.stopped = OUTAGE
            if self._events.on_stop is not None:
                save_by = self._session.clock.wall_ms() / 1000 + SAVE_S
                self._events.on_stop(OUTAGE, datetime.fromtimestamp(save_by, UTC))

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_S):
            try:
                self.look()
            except (CetrusError, OSError) as error:
                self._report(error)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the program's callback failed
                self._report(error)

    def _report(self, error: BaseException) -> None:
        if self._events.on_error is not None:
            self._events.on_error(error)

    def close(self) -> None:
        self._closing.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
