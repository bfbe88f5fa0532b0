"""`cetrus run`: the program runs while its lease does, and the lease ends when it ends."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

from cetrus import state
from cetrus.cli.output import hours
from cetrus.cli.programs import Signals, run_to_end
from cetrus.cli.sessions import open_session
from cetrus.client import Client
from cetrus.errors import CetrusError, Refused, Unreachable
from cetrus.installed import Shelf, require_startable, start_command, unpacked_by_hand
from cetrus.keeper import OUTAGE, Events
from cetrus.session import KEY_VARIABLE
from cetrus.starting import LAUNCH_VARIABLE
from cetrus.updates import LINGER_S, Updates
from cetrus.wire import plain

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime

    from cetrus.borrowed import BorrowedLaunch
    from cetrus.cli.output import Output
    from cetrus.installed import Installed
    from cetrus.launch import Launch
    from cetrus.leases import Screen
    from cetrus.session import Session

REMIND_S = 60.0
# Why a program has to end, for the person at it; another code stands for itself.
REASONS = {
    OUTAGE: "Cetrus was out of reach for longer than its license allows",
    "SUSPENDED": "its license was suspended",
    "REVOKED": "its license was ended",
    "PAYMENT_DUE": "a payment for its license is due",
    "EXPIRED": "its license has expired",
    "CAP_REACHED": "its spend cap is reached",
    "PASS_USED_UP": "its prepaid time is used up",
    "SEATS_FULL": "its seat was taken while this computer was away, and no other is free",
    "LEASE_SUPERSEDED": "the same launch runs elsewhere",
    "LEASE_ENDED": "its lease was ended, here or on the account page",
    "COMPUTER_BLOCKED": "this computer was blocked for its license",
}


class Watch:
    """What the background says, put into words; and until when the program may stay."""

    def __init__(self, output: Output, session: Session) -> None:
        self._output, self._session = output, session
        self.reason: str | None = None
        self._stop_at: float | None = None
        self._reminded = False
        self._lock = threading.Lock()

    def events(self) -> Events:
        return Events(
            show=self.show,
            on_stop=self.stop,
            on_outage=self.outage,
            on_recovered=self.recovered,
        )

    def show(self, screen: Screen) -> None:
        """On stderr: stdout belongs to the program."""
        width = shutil.get_terminal_size().columns
        lines = [screen.title, *screen.body.splitlines()]
        shown = [textwrap.fill(plain(line, limit=len(line)), width) for line in lines]
        self._output.say_error("\n".join(shown))

    def stop(self, reason: str, save_by: datetime) -> None:
        left = save_by.timestamp() - self._session.clock.wall_ms() / 1000
        with self._lock:
            self.reason, self._stop_at = reason, self._session.clock.steady() + left
            self._reminded = left <= REMIND_S
        why = REASONS.get(reason, f"the license says {reason}")
        self._output.say_error(
            f"This program has to end, because {why}. Save your work now: "
            f"it is ended at {save_by.astimezone():%H:%M:%S}."
        )

    def outage(self, mode: str, until: datetime) -> None:
        limit = "" if mode == "run" else " without changing anything"
        self._output.say_error(
            f"Cetrus cannot be reached. The program may run on{limit} until "
            f"{until.astimezone():%H:%M:%S}."
        )

    def recovered(self) -> None:
        with self._lock:
            self._stop_at = None
        self._output.say_error("Cetrus can be reached again; the program runs on.")

    # --- the deadline of the program --------------------------------------------------------

    def left(self) -> float | None:
        """Seconds until the program is ended; None where it may stay."""
        with self._lock:
            at = self._stop_at
        return None if at is None else at - self._session.clock.steady()

    def remind(self, left: float) -> None:
        """Once, in the last minute of a stop that was announced earlier."""
        with self._lock:
            due = not self._reminded and left <= REMIND_S
            self._reminded = self._reminded or due
        if due:
            self._output.say_error(f"This program is ended in {left:.0f} seconds. Save your work.")


def run(options: Namespace, output: Output) -> int:
    """The exit code of the program; 128 and its number where a signal ended it."""
    with Signals() as signals, open_session(options) as session:
        installed = _chosen(session, options)
        command = [*start_command(installed), *options.arguments]
        watch, updates = Watch(output, session), Updates(session)
        newer = _tell_update(output, updates, installed, by_hand=options.folder is not None)
        client = Client(installed.application, session=session, signed_in_to=options.application)
        with client.launch(
            events=watch.events(), release=installed.version, license_id=options.license_id
        ) as launch:
            looking = updates.look_beside(installed, client.credential)
            environment = _environment(session, launch)
            code, ended = run_to_end(signals, command, environment, watch)
        if looking is not None:
            looking.join(LINGER_S)
        _report(output, launch, newer)
    if ended:
        raise _stopped(watch.reason or "")
    return code


def _chosen(session: Session, options: Namespace) -> Installed:
    """What was installed, or what a person unpacked; nothing is billed if it cannot start."""
    if options.folder is not None:
        chosen = unpacked_by_hand(options.folder, options.application)
    else:
        chosen = Shelf(session.folder).require(options.application)
    require_startable(chosen)
    return chosen


def _tell_update(
    output: Output, updates: Updates, installed: Installed, *, by_hand: bool
) -> str | None:
    """From what an earlier look found: a launch never waits for it."""
    newer = updates.known(installed)
    if newer is not None and not output.as_json:
        way = "install" if by_hand else "update"
        output.say_error(
            f"{plain(installed.name)} {newer} is out; this is {installed.version}. "
            f"Get it with `cetrus {way} {installed.asked}`."
        )
    return newer


def _environment(session: Session, launch: Launch | BorrowedLaunch) -> dict[str, str]:
    """A program that has the client built in finds this launch and takes no second lease.

    A license key is the launcher's alone: whatever program runs has no use for it.
    """
    inherited = {name: text for name, text in os.environ.items() if name != KEY_VARIABLE}
    return {
        **inherited,
        "CETRUS_SERVER": session.server,
        "CETRUS_HOME": str(state.home_folder().absolute()),
        "CETRUS_PYTHON": sys.executable,
        LAUNCH_VARIABLE: launch.launch_id,
    }


def _stopped(reason: str) -> CetrusError:
    if reason == OUTAGE:
        return Unreachable("Cetrus could not be reached for longer than the lease allows.")
    why = REASONS.get(reason, f"the license says {reason}")
    return Refused(reason, f"The program was ended, because {why}.")


def _report(output: Output, launch: Launch | BorrowedLaunch, newer: str | None) -> None:
    """On stderr in both forms: stdout belongs to the program."""
    receipt = launch.receipt
    if output.as_json:
        billed = None if receipt is None else receipt.billed_ms
        said = {"launch_id": launch.launch_id, "billed_ms": billed, "update": newer}
        output.say_error(json.dumps(said))
    elif receipt is None:
        output.say_error("The end of the launch will be reported at the next start.")
    else:
        output.say_error(f"Used: {hours(receipt.billed_ms)}.")
