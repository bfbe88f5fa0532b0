"""How a start becomes a launch: the launcher's, one left over by a crash, or a new one."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from cetrus.borrowed import BorrowedLaunch
from cetrus.credentials import renew
from cetrus.errors import CetrusError, Problem, Refused, Unreachable, Unverified
from cetrus.keeper import Keeper
from cetrus.launch import Launch
from cetrus.leases import Asked
from cetrus.names import is_id

if TYPE_CHECKING:
    from random import Random

    from cetrus.credentials import Credential
    from cetrus.keeper import Events
    from cetrus.leases import Grant, Lease, Receipt, Screen
    from cetrus.records import Held, Record
    from cetrus.session import Session

log = logging.getLogger("cetrus")

LAUNCH_VARIABLE = "CETRUS_LAUNCH"
LAUNCH_TRIES = 3
LAUNCH_PAUSE = 1.0
LONGEST_PAUSE = 5.0
# After a restart the lease may be about to end: ask soon, but not everyone in the same moment.
FIRST_BEAT_AFTER_RESTART = 2.0
CLOCK_TOLERANCE_MS = 300_000
LEASE_GONE = {"LEASE_EXPIRED", "LEASE_ENDED", "LEASE_SUPERSEDED"}
UNKNOWN = "UNKNOWN"
CONFLICT = 409


def require_application(lease: Lease, application: str) -> None:
    """A lease names the id; a short name is kept only where there was no id to be had."""
    if is_id(application) and lease.application != application:
        raise Unverified("The lease is for another application.")


class LaunchCalls:
    """The calls of one launch, with what they need bound."""

    def __init__(self, session: Session, credential: Credential, body: dict[str, Any]) -> None:
        self._session, self._credential, self._body = session, credential, body

    def launch(self, launch_id: str, segment: int) -> Grant:
        asked = Asked(launch_id, segment, 0)
        try:
            grant = self._ask(asked)
        except Refused as refusal:
            # A license bought since the token was issued is not in it.
            if refusal.code != UNKNOWN or not renew(self._credential):
                raise
            grant = self._ask(asked)
        require_application(grant.lease, str(self._body["application"]))
        return grant

    def _ask(self, asked: Asked) -> Grant:
        return self._session.api.launch(self._body, asked, self._credential, self._session.keys)

    def heartbeat(self, lease: Lease, seq: int, shown: str | None) -> Grant:
        return self._session.api.heartbeat(lease, seq, shown, self._session.keys)

    def end(self, lease: Lease) -> Receipt:
        return self._session.api.end(lease, self._session.keys)

    def confirm_shown(self, lease_id: str, screen_sha256: str) -> str:
        return self._session.api.computer.confirm_shown(lease_id, screen_sha256)


class Starter:
    """Turns one start of a program into a running launch."""

    def __init__(
        self,
        session: Session,
        credential: Credential,
        body: dict[str, Any],
        events: Events,
        rng: Random,
    ) -> None:
        self._session, self._events, self._rng = session, events, rng
        self._calls = LaunchCalls(session, credential, body)
        self._application = str(body["application"])

    def start(self) -> Launch | BorrowedLaunch:
        """The launch, running; Refused, SignInNeeded, Problem or Unreachable otherwise."""
        borrowed = self._borrow()
        if borrowed is not None:
            return borrowed
        for held in self._session.launches.left_over(self._application):
            launch = self._take_up(held)
            if launch is not None:
                return launch
        return self._start_new(self._session.launches.begin(self._application))

    # --- under `cetrus run` -----------------------------------------------------------------

    def _borrow(self) -> BorrowedLaunch | None:
        """The launch that `cetrus run` holds for this program, if its signed lease proves it.

        Another application's lease is an error and not a reason to take, and bill, a second one.
        """
        launch_id = os.environ.get(LAUNCH_VARIABLE, "")
        record = self._session.launches.running(launch_id) if launch_id else None
        lease = self._stored_lease(record) if record else None
        if lease is None or self._left_ms(lease, record) <= 0:
            return None
        if self._application != lease.application:
            raise CetrusError(
                f"The launcher holds a lease for {lease.application}, not {self._application}.",
                hint="Start this program by itself, or build it with its application id.",
            )
        skew_ms = record.skew_ms if record else 0
        return BorrowedLaunch(lease, self._events, self._session, launch_id, skew_ms)

    # --- after a crash ----------------------------------------------------------------------

    def _take_up(self, held: Held) -> Launch | None:
        """The launch of an earlier process, or None where that one is over."""
        if held.record.ending:
            self._deliver_end(held)
            return None
        try:
            return self._run(held, self._ask_again(held), due=self._soon())
        except Refused as refusal:
            if refusal.code not in LEASE_GONE:
                held.release()
                raise
        except Problem as problem:
            if problem.status != CONFLICT:
                held.release()
                raise
        except Unreachable:
            return self._run_unheard(held)
        except BaseException:
            held.release()
            raise
        held.forget()
        return None

    def _ask_again(self, held: Held) -> Grant:
        """The same segment, or the next one where that has expired."""
        try:
            return self._ask(held)
        except Refused as refusal:
            if refusal.code != "LEASE_EXPIRED":
                raise
        held.record.segment, held.record.seq = held.record.segment + 1, 0
        held.save()
        return self._ask(held)

    def _deliver_end(self, held: Held) -> None:
        """The end that could not be delivered; kept for the next start while it may matter."""
        lease = self._stored_lease(held.record)
        try:
            if lease is not None:
                self._calls.end(lease)
        except CetrusError as error:
            if lease is not None and self._left_ms(lease, held.record) > 0:
                log.info("cetrus: an earlier end is still not delivered: %s", error)
                held.release()
                return
        held.forget()

    def _run_unheard(self, held: Held) -> Launch:
        """Inside the signed grace the program runs although nobody answers; else raises."""
        lease = self._stored_lease(held.record)
        left = self._left_ms(lease, held.record) if lease else 0
        if lease is None or left <= 0:
            held.release()
            raise Unreachable("Cetrus cannot be reached, and no earlier lease allows to run now.")
        age = lease.lifetime + lease.grace - left / 1000
        segment = held.record.segment
        keeper = Keeper(self._calls, held, lease, self._events, self._session.clock, self._rng)
        keeper.adopt(lease, age=age, due=self._soon())
        if segment > lease.segment:
            keeper.resume(segment)
        return Launch(keeper, held, self._calls)

    def _stored_lease(self, record: Record | None) -> Lease | None:
        if record is None or record.lease is None:
            return None
        try:
            lease = self._session.api.read_lease(record.lease, self._session.keys)
        except Unverified:
            return None
        return lease if lease.launch_id == record.launch_id else None

    def _left_ms(self, lease: Lease, record: Record | None) -> float:
        """What is left of lease and grace; a clock set back counts as the latest time known."""
        now = self._session.clock.wall_ms() + (record.skew_ms if record else 0)
        known = max(record.seen_ms if record else 0, lease.issued_ms)
        if now < known - CLOCK_TOLERANCE_MS:
            return 0
        return lease.end_ms + lease.grace * 1000 - max(now, known)

    # --- a new launch -----------------------------------------------------------------------

    def _start_new(self, held: Held) -> Launch:
        try:
            grant = self._ask(held)
        except Refused:
            held.forget()
            raise
        except BaseException:
            # It may have been granted although the answer was lost: the next start is the same.
            held.release()
            raise
        return self._run(held, grant)

    def _ask(self, held: Held) -> Grant:
        """Asks up to three times; the same launch and segment always get the same lease."""
        for tries in range(1, LAUNCH_TRIES + 1):
            try:
                return self._calls.launch(held.record.launch_id, held.record.segment)
            except Unreachable as error:
                wait = max(LAUNCH_PAUSE * tries, error.retry_after or 0.0)
                if tries == LAUNCH_TRIES or wait > LONGEST_PAUSE:
                    raise
                time.sleep(wait)
        raise AssertionError("the last try returned or raised")

    def _run(self, held: Held, grant: Grant, *, due: float | None = None) -> Launch:
        try:
            self._show(held, grant.screen)
        except BaseException:
            self._give_back(held, grant.lease)
            raise
        keeper = Keeper(
            self._calls, held, grant.lease, self._events, self._session.clock, self._rng
        )
        if due is not None:
            keeper.adopt(grant.lease, due=due)
        return Launch(keeper, held, self._calls)

    def _show(self, held: Held, screen: Screen | None) -> None:
        if screen is None or self._events.show is None:
            return
        self._events.show(screen)
        if screen.sha256 not in held.record.shown:
            held.record.shown.append(screen.sha256)

    def _give_back(self, held: Held, lease: Lease) -> None:
        """Nobody saw the screen, so nothing runs: the lease ends at once."""
        held.record.lease, held.record.ending = lease.token, True
        try:
            held.save()
            self._calls.end(lease)
        except CetrusError as error:
            log.warning("cetrus: the end of the launch was not heard: %s", error)
            held.release()
        else:
            held.forget()

    def _soon(self) -> float:
        return self._rng.uniform(0, FIRST_BEAT_AFTER_RESTART)
