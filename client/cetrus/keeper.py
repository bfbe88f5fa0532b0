"""Keeps one lease alive, step by step: no thread, no sleep, so that every path can be tested.

Only a signed answer stops a program early. Everything else is "unreachable": the lease runs to its
end, then the outage policy that was signed into it runs, while this asks again ever more slowly.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from cetrus import timing
from cetrus.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from cetrus.clock import Clock
    from cetrus.leases import Grant, Lease, Screen
    from cetrus.records import Held

log = logging.getLogger("cetrus")

# A stop leaves this long to save work, or what is left of the lease where that is more.
SAVE_S = 300.0
# After sleep the network needs a moment: one failed try is no outage.
TRIES_BEFORE_STOP = 3
OUTAGE = "OUTAGE"


@dataclass(frozen=True, slots=True)
class Events:
    """What a program may want to hear; called from a background thread, and contained if raising.

    `on_stop(reason, save_by)`: save the work and stop by then; `reason` is a verdict code or
    OUTAGE. `on_outage(mode, until)`: running unheard under the signed policy.
    `on_recovered()`: heard again.
    `on_error(error)`: something in the background failed and was contained.
    """

    show: Callable[[Screen], Any] | None = None
    on_stop: Callable[[str, datetime], Any] | None = None
    on_outage: Callable[[str, datetime], Any] | None = None
    on_recovered: Callable[[], Any] | None = None
    on_error: Callable[[BaseException], Any] | None = None


class Calls(Protocol):
    def launch(self, launch_id: str, segment: int) -> Grant: ...

    def heartbeat(self, lease: Lease, seq: int, shown: str | None) -> Grant: ...

    def confirm_shown(self, lease_id: str, screen_sha256: str) -> str: ...


class Keeper:
    def __init__(
        self, calls: Calls, held: Held, lease: Lease, events: Events, clock: Clock, rng: Random
    ) -> None:
        self._calls, self._held, self._events = calls, held, events
        self._clock, self._rng = clock, rng
        self._resuming = False
        self._screen_wanted = False
        self._failures = 0
        self._outage_told = False
        self._over_told = False
        self.stopped: str | None = None
        self.adopt(lease)

    # --- what holds now ---------------------------------------------------------------------

    def adopt(self, lease: Lease, *, age: float = 0.0, due: float | None = None) -> None:
        """From now on this lease holds; it was issued `age` seconds ago, the next beat is `due`."""
        self.lease = lease
        self._issued_at = self._clock.steady() - age
        self._failures = 0
        wait = timing.beat_delay(lease.lifetime, self._rng) if due is None else due
        self._due = self._clock.steady() + wait
        record = self._held.record
        record.segment, record.seq = lease.segment, max(record.seq, lease.seq)
        record.lease, record.seen_ms = lease.token, max(record.seen_ms, lease.issued_ms)
        record.skew_ms = lease.issued_ms + int(age * 1000) - self._clock.wall_ms()
        self._save()

    def resume(self, segment: int) -> None:
        """Asks for this segment next: it was asked for before and may have been granted."""
        self._resuming = True
        self._held.record.segment, self._held.record.seq = segment, 0
        self._save()

    @property
    def ends_at(self) -> float:
        """Steady time of the lease's end."""
        return self._issued_at + self.lease.lifetime

    @property
    def deadline(self) -> float:
        """Steady time up to which the program may run unheard."""
        return self.ends_at + self.lease.grace

    @property
    def mode(self) -> str:
        """`run` while the lease holds; then what it says about outages; `stop` after a stop."""
        now = self._clock.steady()
        if self.stopped is not None or self._over_told:
            return "stop"
        return "run" if now < self.ends_at else self.lease.outage.mode

    # --- one step ---------------------------------------------------------------------------

    def step(self) -> float:
        """Does what is due; seconds until there may be more to do. Never raises an Exception."""
        if self.stopped is not None:
            return math.inf
        if self._clock.steady() >= self._due:
            self._ask()
        self._judge()
        return math.inf if self.stopped else max(0.0, self._due - self._clock.steady())

    def _ask(self) -> None:
        try:
            self._granted(self._renew())
        except Refused as refusal:
            self._refused(refusal)
        except Exception as error:  # noqa: BLE001 - the promise: nothing here takes the program down
            self._failed(error)

    def _renew(self) -> Grant:
        record = self._held.record
        if self._resuming:
            return self._calls.launch(record.launch_id, record.segment)
        # Each try has a seq of its own: a late copy of an older one then changes nothing.
        record.seq = max(record.seq, self.lease.seq) + 1
        self._save()
        return self._calls.heartbeat(self.lease, record.seq, self._shown())

    def _shown(self) -> str | None:
        """The receipt of the screen, until a renewal shows that it arrived, if it was shown."""
        sha256 = self.lease.screen_sha256
        wanted = self.lease.seq == 0 or self._screen_wanted
        if sha256 is None or not wanted or sha256 not in self._held.record.shown:
            return None
        return self._calls.confirm_shown(self.lease.id, sha256)

    def _granted(self, grant: Grant) -> None:
        self._resuming = self._screen_wanted = False
        if self._outage_told or self._over_told:
            self._outage_told = self._over_told = False
            self._tell(self._events.on_recovered)
        self.adopt(grant.lease)
        if grant.screen is not None:
            self.show(grant.screen)

    def show(self, screen: Screen) -> None:
        """Shows a screen that was not shown yet in this launch; raising means it was not seen."""
        shown = self._held.record.shown
        if screen.sha256 in shown or self._events.show is None:
            return
        if self._tell(self._events.show, screen):
            shown.append(screen.sha256)
            self._save()

    # --- what did not succeed ---------------------------------------------------------------

    def _refused(self, refusal: Refused) -> None:
        if refusal.code == "LEASE_EXPIRED" and not self._resuming:
            # Slept, or unheard past the end: the next segment of the same launch.
            self.resume(self.lease.segment + 1)
            self._due = self._clock.steady()
        elif refusal.code == "SCREEN_REQUIRED" and not self._screen_wanted:
            self._screen_wanted = True
            self._due = self._clock.steady()
        else:
            self.stopped = refusal.code
            self._tell(self._events.on_stop, refusal.code, self._save_by())

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        asked = getattr(error, "retry_after", None)
        delay = timing.retry_delay(self._failures, asked, self._rng)
        self._due = self._clock.steady() + delay
        log.warning("cetrus: no usable answer (%s), next try in %.0f s", error, delay)
        self._tell(self._events.on_error, error)
        # The latest time known of is kept, so that a restart cannot be told an earlier one.
        age_ms = int((self._clock.steady() - self._issued_at) * 1000)
        self._held.record.seen_ms = max(self._held.record.seen_ms, self.lease.issued_ms + age_ms)
        self._save()

    def _judge(self) -> None:
        """Tells of an outage that outlasts the lease, and of one that outlasts the grace."""
        now = self._clock.steady()
        if self.stopped is not None or self._failures == 0 or now < self.ends_at:
            return
        if now < self.deadline and not self._outage_told:
            self._outage_told = True
            left = self.deadline - now
            self._tell(self._events.on_outage, self.lease.outage.mode, self._in(left))
        tried = self._failures >= TRIES_BEFORE_STOP
        if now >= self.deadline and tried and not self._over_told:
            self._over_told = True
            self._tell(self._events.on_stop, OUTAGE, self._save_by())

    # --- helpers ----------------------------------------------------------------------------

    def _save_by(self) -> datetime:
        return self._in(max(SAVE_S, self.ends_at - self._clock.steady()))

    def _in(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(self._clock.wall_ms() / 1000 + seconds, UTC)

    def _save(self) -> None:
        try:
            self._held.save()
        except Exception as error:  # noqa: BLE001 - a full disk must not stop the renewals
            log.warning("cetrus: the launch could not be stored: %s", error)
            self._tell(self._events.on_error, error)

    def _tell(self, callback: Callable[..., Any] | None, *args: Any) -> bool:
        """Calls back; False where the callback raised, which is logged and contained."""
        if callback is None:
            return True
        try:
            callback(*args)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the program's own callback failed
            log.warning("cetrus: a callback of the program failed: %r", error)
            return False
        return True
