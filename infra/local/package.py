"""What a worker sees: the unzipped deployment package, and beside it the runtime client alone."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import zipfile
from pathlib import Path


def unzip(archive: Path, folder: Path, *, alone: bool = True) -> Path:
    """The unzipped deployment package, unpacked once for each content of the archive.

    Unless it is not to be `alone`, all that was unpacked before is removed.
    """
    task = folder / hashlib.sha256(archive.read_bytes()).hexdigest()[:16]
    if task.exists():
        return task
    if alone:
        shutil.rmtree(folder, ignore_errors=True)
    partial = task.with_suffix(".partial")
    with zipfile.ZipFile(archive) as package:
        package.extractall(partial)
    partial.rename(task)
    return task


def runtime_folder(folder: Path) -> Path:
    """A folder with the runtime client and time-machine alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (
        "awslambdaric",
        "runtime_client",
        "simplejson",
        "snapshot_restore_py",
        "time_machine",
        "_time_machine",
    ):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ImportError(f"{name} is not installed: run the set-up again")
        origin = Path(spec.origin)
        place = origin.parent if spec.submodule_search_locations else origin
        link = folder / place.name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(place)
    return folder
