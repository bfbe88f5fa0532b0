"""A running launch: the lease in the hands of a program, renewed by a background thread."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
from typing import TYPE_CHECKING, Protocol, Self

from cetrus.errors import CetrusError

if TYPE_CHECKING:
    from types import TracebackType

    from cetrus.keeper import Keeper
    from cetrus.leases import Lease, Receipt
    from cetrus.records import Held

log = logging.getLogger("cetrus")

# Waits are cut up, because a wait that began before the computer slept does not end in time.
SLICE_S = 15.0
END_TRIES = 2


class Ends(Protocol):
    def end(self, lease: Lease) -> Receipt: ...


class Launch:
    """Permission to run, from `Client.launch`. Use it in `with`, or call `close` at the end.

    Nothing that happens in the background raises in the program; `Events` tells of it.
    """

    def __init__(self, keeper: Keeper, held: Held, calls: Ends) -> None:
        self._keeper, self._held, self._calls = keeper, held, calls
        self._pid = os.getpid()
        self._closing = threading.Event()
        self._once = threading.Lock()
        self._closed = False
        self.receipt: Receipt | None = None
        self._thread = threading.Thread(target=self._keep, name="cetrus-heartbeat", daemon=True)
        atexit.register(self.close)
        self._thread.start()

    @property
    def lease(self) -> Lease:
        """The last verified lease."""
        return self._keeper.lease

    @property
    def launch_id(self) -> str:
        return self._held.record.launch_id

    @property
    def mode(self) -> str:
        """`run`, `read_only` or `stop`: what the program may do now."""
        return self._keeper.mode

    @property
    def stopped(self) -> str | None:
        """The verdict code that stopped this launch for good, or None."""
        return self._keeper.stopped

    def close(self) -> Receipt | None:
        """Ends the lease; the signed receipt, or None where Cetrus could not be reached.

        Then the next start on this computer delivers the end; the bill stops at the lease's end
        in any case. Safe to call twice and from any thread; does nothing in a forked child.
        """
        if os.getpid() != self._pid:
            return None
        with self._once:
            if not self._closed:
                self._closed = True
                self._finish()
        return self.receipt

    def _finish(self) -> None:
        self._closing.set()
        atexit.unregister(self.close)
        try:
            self._held.record.ending = True
            self._held.save()
            self.receipt = self._deliver_end()
        except Exception as error:  # noqa: BLE001 - closing never takes the program down
            log.warning("cetrus: the end could not be stored: %s", error)
        with contextlib.suppress(CetrusError, OSError):
            if self.receipt is None and self.stopped is None:
                self._held.release()
            else:
                self._held.forget()

    def _deliver_end(self) -> Receipt | None:
        for _ in range(END_TRIES):
            try:
                return self._calls.end(self._keeper.lease)
            except CetrusError as error:
                log.warning("cetrus: the end of the launch was not heard: %s", error)
        return None

    def _keep(self) -> None:
        while not self._closing.is_set():
            try:
                wait = self._keeper.step()
            except Exception:
                log.exception("cetrus: a step failed; the program is not affected")
                wait = SLICE_S
            if self._closing.wait(min(wait, SLICE_S)):
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
