"""The program that `cetrus run` starts: its signals, its end, and its exit code.

The program has the launcher's own streams and process group. What the terminal sends (Ctrl-C), it
sends to the whole group; any other signal to the launcher is passed on, so that both end together.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Protocol, Self

from cetrus.errors import Interrupted, NotInstalled

if TYPE_CHECKING:
    from types import TracebackType

    Program = subprocess.Popen[bytes]

SIGNAL_BASE = 128
KILL_AFTER_S = 10.0
LOOK_S = 1.0
# By name, since no system has all of them.
FORWARDED = ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGBREAK")
FROM_TERMINALS = ("SIGINT", "SIGQUIT", "SIGBREAK")


class Deadline(Protocol):
    """Until when the program may stay, as the license says."""

    def left(self) -> float | None:
        """Seconds, or None where nothing ends it."""

    def remind(self, left: float) -> None:
        """Says once more, in time, that the end is near."""


class Signals:
    """Hears for both: before the program runs a signal ends the launch, then it is passed on."""

    def __init__(self) -> None:
        self._program: Program | None = None
        self._starting = False
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            found = [getattr(signal, name) for name in FORWARDED if hasattr(signal, name)]
            # What nohup or a shell in the background ignores stays ignored, for both.
            heard = [n for n in found if signal.getsignal(n) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._hear) for number in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            # None is a handler that Python did not set, and cannot set again.
            if handler is not None:
                signal.signal(number, handler)

    def start(self, command: list[str], environment: dict[str, str]) -> Program:
        """No signal is lost between the start and the moment in which it can be passed on."""
        self._starting = True
        try:
            # The command is in the verified archive; its arguments are the person's own.
            program = subprocess.Popen(command, env=environment)  # noqa: S603
        except OSError as error:
            raise NotInstalled(
                f"The program cannot be started: {error.strerror}.",
                hint="Install the application again with `cetrus install APPLICATION`.",
            ) from error
        self._program = program
        for number in self._early:
            self._pass_on(number)
        return program

    def let_go(self) -> None:
        """The program has ended: the next signal ends the launcher."""
        self._program, self._starting = None, False

    def _hear(self, number: int, _frame: Any) -> None:
        if self._program is not None:
            self._pass_on(number)
        elif self._starting:
            self._early.append(number)
        else:
            raise Interrupted(number)

    def _pass_on(self, number: int) -> None:
        from_terminal = signal.Signals(number).name in FROM_TERMINALS and in_foreground()
        if self._program is not None and not from_terminal:
            with contextlib.suppress(OSError, ValueError):
                self._program.send_signal(number)


def in_foreground() -> bool:
    """Whether the terminal, if there is one, sends its signals to this process group by itself."""
    if sys.platform == "win32":
        return True  # a console always does
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def run_to_end(
    signals: Signals, command: list[str], environment: dict[str, str], deadline: Deadline
) -> tuple[int, bool]:
    """The exit code, 128 and the number of a signal; and whether it was ended at the deadline."""
    program = signals.start(command, environment)
    over, ended = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=_end_in_time,
        args=(program, deadline, over, ended),
        name="cetrus-deadline",
        daemon=True,
    )
    thread.start()
    try:
        code = program.wait()
    finally:
        over.set()
        signals.let_go()
    return (code if code >= 0 else SIGNAL_BASE - code), ended.is_set()


def _end_in_time(
    program: Program, deadline: Deadline, over: threading.Event, ended: threading.Event
) -> None:
    """Ends the program when its time is over: asked first, then killed."""
    pause = 0.0
    while not over.wait(pause):
        left = deadline.left()
        if left is not None and left <= 0:
            ended.set()
            _ask_to_end(program)
            if not over.wait(KILL_AFTER_S):
                program.kill()
            return
        if left is not None:
            deadline.remind(left)
        pause = LOOK_S if left is None else min(LOOK_S, left)


def _ask_to_end(program: Program) -> None:
    if sys.platform == "win32":
        # Closes its windows, as a person would; terminate() there asks nobody.
        taskkill = ["taskkill", "/PID", str(program.pid), "/T"]
        subprocess.run(taskkill, capture_output=True, check=False)  # noqa: S603 - fixed words
        return
    with contextlib.suppress(OSError):
        program.terminate()
