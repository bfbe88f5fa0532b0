"""What is kept on this computer: a folder a server, files written whole, for this user alone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cetrus.errors import StateTrouble

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_POLL = 0.05
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def home_folder() -> Path:
    """CETRUS_HOME, or where this system keeps an application's state."""
    if chosen := os.environ.get("CETRUS_HOME"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Cetrus"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Cetrus"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "cetrus"


def server_folder(home: Path, server: str) -> Path:
    """Nothing learned from one server is ever sent to another: each has a folder of its own."""
    parts = urlsplit(server)
    name = f"{parts.hostname}-{parts.port or parts.scheme}{parts.path}"
    return home / "servers" / re.sub(r"[^A-Za-z0-9.-]", "-", name).rstrip("-")


def make_folder(path: Path) -> Path:
    try:
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise StateTrouble(f"The folder {path} cannot be made: {error.strerror}.") from error
    return path


def read_json(path: Path) -> dict[str, Any] | None:
    """The stored object, or None where there is none or it cannot be read as one."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateTrouble(f"The file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replaces the file whole, on disk before it is named, readable by this user alone."""
    try:
        _replace(path, json.dumps(value, separators=(",", ":")).encode())
    except OSError as error:
        raise StateTrouble(f"The file {path} cannot be written: {error.strerror}.") from error


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    # mkstemp opens with 0600, so the content is never readable by others, even for a moment.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        try:
            path.unlink()
        except PermissionError as error:
            raise StateTrouble(f"The file {path} cannot be removed: {error.strerror}.") from error


class FileLock:
    """Held by at most one open lock in all processes of this computer; gone with its process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def acquire(self, wait: float = 0.0) -> bool:
        """False where another holds it for longer than `wait` seconds."""
        deadline = time.monotonic() + wait
        try:
            make_folder(self.path.parent)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            raise StateTrouble(
                f"The file {self.path} cannot be locked: {error.strerror}."
            ) from error
        while not _take(handle):
            if time.monotonic() >= deadline:
                os.close(handle)
                return False
            time.sleep(LOCK_POLL)
        self._handle = handle
        return True

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextlib.contextmanager
def locked(path: Path, *, wait: float = 30.0) -> Iterator[None]:
    """Runs the block alone on this computer; StateTrouble where the wait is too long."""
    lock = FileLock(path)
    if not lock.acquire(wait):
        raise StateTrouble(
            f"Another program holds {path} for more than {wait:.0f} seconds.",
            hint="End other Cetrus programs on this computer and try again.",
        )
    try:
        yield
    finally:
        lock.release()


if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
