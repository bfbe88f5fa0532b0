"""One wall clock for every process of the local cloud.

    clock = SharedClock(path)    # the runner's handle, the only writer; survives a restart
    follow(path)                 # any process: time.time(), datetime.now() and friends obey it

One aligned 8-byte cell in a shared file says it all, so a reader never sees half a change: the
lowest bit tells whether the clock stands, the rest is the offset from real time (it runs) or the
instant itself (it stands), in nanoseconds. `time.monotonic`, `perf_counter` and `sleep` stay real.

time-machine swaps the C functions in place, so names imported earlier obey too. Its stock traveler
keeps the destination per process; ours reads the cell at each call, also in a running invocation.
"""

from __future__ import annotations

import datetime as dt
import mmap
import threading
import time
from pathlib import Path
from typing import Any

import time_machine
from _time_machine import original_time_ns

NS = 1_000_000_000
_travels: list[time_machine.travel] = []


def _cell(path: str | Path) -> memoryview:
    file = Path(path)
    if not file.exists() or file.stat().st_size < 8:
        file.write_bytes(bytes(8))
    with file.open("r+b") as opened:
        return memoryview(mmap.mmap(opened.fileno(), 8)).cast("q")


def _real_ns() -> int:
    """Real time, whether this process has left it or not."""
    return int(original_time_ns()) if time_machine.traveller_stack else time.time_ns()


def _read(cell: memoryview) -> int:
    value: int = cell[0]
    return value >> 1 if value & 1 else _real_ns() + (value >> 1)


class _SharedTraveler(time_machine.Traveller):
    """Answers time_machine's one question, "what time is it?", from the shared cell."""

    def __init__(self, cell: memoryview) -> None:
        super().__init__(0, None, True)
        self._cell = cell

    def time_ns(self) -> int:
        return _read(self._cell)

    def shift(self, delta: Any) -> None:
        del delta
        raise TypeError("the shared clock is moved by the runner alone")

    def move_to(self, destination: Any, tick: bool | None = None) -> None:
        del destination, tick
        raise TypeError("the shared clock is moved by the runner alone")


def follow(path: str | Path) -> None:
    """Put this process on the shared clock for good; a second call changes the file."""
    for traveler in time_machine.traveller_stack:
        if isinstance(traveler, _SharedTraveler):
            traveler._cell = _cell(path)  # noqa: SLF001  # our own class
            return
    travel = time_machine.travel(0)
    travel.start()  # patches the C functions
    time_machine.traveller_stack[-1] = _SharedTraveler(_cell(path))
    _travels.append(travel)


def unfollow() -> None:
    """Put this process back on real time, for what goes on after a cloud has stopped."""
    if _travels:
        _travels.pop().stop()


class SharedClock:
    """The runner's handle on the cell: reads it, moves it forward, stops it and lets it go on."""

    def __init__(self, path: Path) -> None:
        self._cell = _cell(path)
        self._lock = threading.RLock()
        self.path = path

    @property
    def frozen(self) -> bool:
        return bool(self._cell[0] & 1)

    def seconds(self) -> float:
        return _read(self._cell) / NS

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.seconds(), dt.UTC)

    def move_to(self, seconds: float) -> None:
        """Jump to an instant; one that has passed already leaves the clock alone."""
        with self._lock:
            by = round(seconds * NS) - _read(self._cell)
            if by > 0:
                self._cell[0] += by << 1

    def freeze(self, frozen: bool) -> None:
        """Stop the clock where it stands, or let it run on from there."""
        with self._lock:
            if frozen == self.frozen:
                return
            now = _read(self._cell)
            self._cell[0] = now << 1 | 1 if frozen else (now - _real_ns()) << 1
