"""Launches that have not ended, on disk, so that a restart after a crash is the same launch."""

from __future__ import annotations

import contextlib
import re
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cetrus import state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAUNCH_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(slots=True)
class Record:
    """One launch: the segment and `seq` last asked for, and the last lease that answered."""

    launch_id: str
    application: str
    segment: int = 0
    seq: int = 0
    lease: str | None = field(default=None, repr=False)
    shown: list[str] = field(default_factory=list)
    # The latest server time known of, so that a clock set back gains nothing.
    seen_ms: int = 0
    # What the server's time is ahead of this computer's, which may be set wrong.
    skew_ms: int = 0
    ending: bool = False


def read_record(value: dict[str, Any] | None) -> Record | None:
    """None where the file is none of ours."""
    if value is None:
        return None
    try:
        record = Record(**value)
    except TypeError:
        return None
    typed = isinstance(record.launch_id, str) and isinstance(record.application, str)
    numbers = all(
        type(n) is int for n in (record.segment, record.seq, record.seen_ms, record.skew_ms)
    )
    shown = isinstance(record.shown, list) and isinstance(record.lease, str | None)
    if not (typed and numbers and shown and LAUNCH_ID.fullmatch(record.launch_id)):
        return None
    return record


class Held:
    """A record and the lock on it: as long as its process lives, no other takes the launch."""

    def __init__(self, path: Path, record: Record, lock: state.FileLock) -> None:
        self._path, self.record, self._lock = path, record, lock
        self._over = False

    def save(self) -> None:
        """Stores the record, unless the launch is out of our hands: an answer may come late."""
        if self._over:
            return
        state.write_json(self._path, asdict(self.record))

    def forget(self) -> None:
        """The launch is over: nothing of it stays."""
        self._over = True
        state.remove(self._path)
        self._lock.release()
        # On Windows an open file cannot be removed: after the release, and left if another has it.
        with contextlib.suppress(OSError):
            self._lock.path.unlink()

    def release(self) -> None:
        """Leaves the record for the next start."""
        self._over = True
        self._lock.release()


class LaunchBook:
    def __init__(self, folder: Path) -> None:
        self._folder = state.make_folder(folder / "launches")

    def begin(self, application: str) -> Held:
        """A new launch under 128 random bits, stored before anything is asked."""
        held = self._hold(Record(secrets.token_urlsafe(16), application))
        held.save()
        return held

    def left_over(self, application: str) -> Iterator[Held]:
        """Each launch of this application whose process is gone, locked for the caller."""
        for path in sorted(self._folder.glob("*.json")):
            record = read_record(state.read_json(path))
            if record is None or record.application != application:
                continue
            lock = state.FileLock(path.with_suffix(".lock"))
            if not lock.acquire():
                continue
            # Read again: it may have been ended before the lock was ours.
            current = read_record(state.read_json(path))
            if current is None:
                lock.release()
                continue
            yield Held(path, current, lock)

    def running(self, launch_id: str) -> Record | None:
        """The record of a launch that another living process holds."""
        if not LAUNCH_ID.fullmatch(launch_id):
            return None
        path = self._folder / f"{launch_id}.json"
        record = read_record(state.read_json(path))
        lock = state.FileLock(path.with_suffix(".lock"))
        if record is None or not lock.acquire():
            return record
        lock.release()
        return None

    def _hold(self, record: Record) -> Held:
        path = self._folder / f"{record.launch_id}.json"
        lock = state.FileLock(path.with_suffix(".lock"))
        lock.acquire(wait=1.0)
        return Held(path, record, lock)
