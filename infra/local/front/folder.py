"""The data folder of one local cloud: whose it is, who uses it, and what it remembers of itself.

DATA/.cetrus        says that the folder is ours, and of which format
DATA/lock           held while a cloud runs on it
DATA/ports.json     ports taken last, so that links stay valid over a restart
DATA/seed.json      what was seeded, once
DATA/running.json   where the running cloud answers; there is none while nothing runs
DATA/cloud/, DATA/processor/   what the engine and the processor keep
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "1"
MARK = ".cetrus"


class StartError(Exception):
    """Stops the start; its text is the one line that a person reads."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder that this process holds until `close`."""

    path: Path
    lock: IO[str]

    @property
    def cloud(self) -> Path:
        return self.path / "cloud"

    @property
    def processor(self) -> Path:
        return self.path / "processor"

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what `write` kept under this name, or None."""
        file = self.path / f"{name}.json"
        if not file.exists():
            return None
        try:
            value = json.loads(file.read_text())
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise StartError(f"{file} cannot be read: remove {self.path}, or use another folder.")
        return value

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Keep a value, readable by this user only: whole or not at all, also if we are killed."""
        file = self.path / f"{name}.json"
        making = file.with_suffix(".making")
        making.touch(mode=0o600)
        making.write_text(json.dumps(value, indent=1, default=str))
        making.replace(file)

    def clear(self) -> None:
        """Throw away what the engine and the processor keep."""
        for kept in (self.cloud, self.processor):
            shutil.rmtree(kept, ignore_errors=True)

    def forget(self, name: str) -> None:
        (self.path / f"{name}.json").unlink(missing_ok=True)

    def close(self) -> None:
        self.forget("running")
        self.lock.close()


def open_folder(path: Path) -> DataFolder:
    """Take a data folder, making it if need be; raises StartError with what to do."""
    path = path.absolute()
    try:
        _prepare(path)
        lock = (path / "lock").open("w")
    except OSError as error:
        raise StartError(f"The data folder {path} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StartError(
            f"The data folder {path} is in use by another run: stop that, or use another folder."
        ) from None
    folder = DataFolder(path, lock)
    folder.forget("running")
    return folder


def _prepare(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = path / MARK
    if not mark.exists():
        if any(path.iterdir()):
            raise StartError(
                f"{path} is not empty and not a data folder of Cetrus: use another one."
            )
        mark.write_text(FORMAT)
    found = mark.read_text(errors="replace")
    if found != FORMAT:
        raise StartError(
            f"The data folder {path} is of another version ({found[:20]!r}, not {FORMAT!r}): "
            "move it away, or use another one."
        )
    if not os.access(path, os.W_OK):
        raise StartError(f"The data folder {path} cannot be written.")
