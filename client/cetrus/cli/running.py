"""`cetrus run`: the program runs while its lease does, and the lease ends when it ends."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

from cetrus import state
from cetrus.cli.commands import open_session
from cetrus.cli.output import hours
from cetrus.client import Client
from cetrus.errors import CetrusError, NotInstalled, Refused, Unreachable
from cetrus.installing import Installer, start_command
from cetrus.keeper import OUTAGE, Events
from cetrus.starting import LAUNCH_VARIABLE
from cetrus.wire import plain

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from datetime import datetime

    from cetrus.borrowed import BorrowedLaunch
    from cetrus.cli.output import Output
    from cetrus.launch import Launch
    from cetrus.leases import Screen
    from cetrus.session import Session

POLL_S = 0.5
KILL_AFTER_S = 10.0
SIGNAL_BASE = 128


class Watch:
    """What the background says, put into words; and until when the program may stay."""

    def __init__(self, output: Output, session: Session) -> None:
        self._output, self._session = output, session
        self.reason: str | None = None
        self._stop_at: float | None = None
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
        self._output.say_error(
            f"The license no longer allows this program to run ({reason}). Save your work: "
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
            self.reason = self._stop_at = None
        self._output.say_error("Cetrus can be reached again; the program runs on.")

    def is_over(self) -> bool:
        with self._lock:
            return self._stop_at is not None and self._session.clock.steady() >= self._stop_at


def run(options: Namespace, output: Output) -> int:
    """The exit code of the program; 128 and its number where a signal ended it."""
    with open_session(options) as session:
        installed = Installer(session).require(options.application)
        command = [*start_command(installed), *options.arguments]
        watch = Watch(output, session)
        client = Client(installed.application, session=session, signed_in_to=options.application)
        with client.launch(
            events=watch.events(), release=installed.version, license_id=options.license_id
        ) as launch:
            code = _run_program(command, _environment(session, launch), watch)
        _report(output, launch)
    return code


def _environment(session: Session, launch: Launch | BorrowedLaunch) -> dict[str, str]:
    """A program that has the client built in finds this launch and takes no second lease."""
    return {
        **os.environ,
        "CETRUS_SERVER": session.server,
        "CETRUS_HOME": str(state.home_folder().absolute()),
        "CETRUS_PYTHON": sys.executable,
        LAUNCH_VARIABLE: launch.launch_id,
    }


def _run_program(command: list[str], environment: dict[str, str], watch: Watch) -> int:
    try:
        # The command is in the verified archive; its arguments are the person's own.
        program = subprocess.Popen(command, env=environment)  # noqa: S603
    except OSError as error:
        raise NotInstalled(
            f"The program cannot be started: {error.strerror}.",
            hint="Install the application again with `cetrus install`.",
        ) from error
    with _passing_signals_to(program):
        _wait(program, watch)
    if watch.is_over():
        raise _stopped(watch.reason or "")
    code = program.returncode
    return code if code >= 0 else SIGNAL_BASE - code


def _stopped(reason: str) -> CetrusError:
    if reason == OUTAGE:
        return Unreachable("Cetrus could not be reached for longer than the lease allows.")
    return Refused(reason, f"The program was ended, because the license says {reason}.")


def _wait(program: subprocess.Popen[bytes], watch: Watch) -> None:
    while program.poll() is None and not watch.is_over():
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(POLL_S)
    if program.poll() is not None:
        return
    program.terminate()
    try:
        program.wait(KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


@contextlib.contextmanager
def _passing_signals_to(program: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ctrl-C reaches the program by itself; what ends the launcher is passed on, so both end."""

    def pass_on(number: int, _frame: Any) -> None:
        with contextlib.suppress(OSError):
            program.send_signal(number)

    handlers: dict[int, Any] = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: pass_on}
    if sys.platform != "win32":
        handlers[signal.SIGHUP] = pass_on
    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(output: Output, launch: Launch | BorrowedLaunch) -> None:
    """On stderr in both forms: stdout belongs to the program."""
    receipt = launch.receipt
    if output.as_json:
        billed = None if receipt is None else receipt.billed_ms
        output.say_error(json.dumps({"launch_id": launch.launch_id, "billed_ms": billed}))
    elif receipt is None:
        output.say_error("The end of the launch will be reported at the next start.")
    else:
        output.say_error(f"Used: {hours(receipt.billed_ms)}.")
