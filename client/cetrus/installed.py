"""What is installed on this computer, and what starts it.

One file an application is the whole truth: an update is a new folder and then one replacement of
that file, so that at every instant either the old release is installed or the new one.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cetrus import state
from cetrus.errors import BadRelease, CetrusError, NotInstalled
from cetrus.releases import PLAIN_NAME, this_platform
from cetrus.unpack import safe_parts
from cetrus.wire import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = "cetrus-app.json"
ROOT_MARK = "cetrus-root.json"
# Programs that the launcher's own Python runs: no shell, no script, the same on every system.
PYTHON = (".pyz", ".py")


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed application; `root` holds the folders of its releases, `previous` the last."""

    asked: str
    application: str
    name: str
    version: str
    folder: str
    sha256: str
    vendor_kid: str
    root: str = ""
    previous: dict[str, Any] | None = None

    @property
    def label(self) -> str:
        return f"{plain(self.name)} {self.version}"


def read_installed(value: dict[str, Any] | None) -> Installed | None:
    """None where the stored object is none of ours."""
    try:
        return Installed(**value) if value else None
    except TypeError:
        return None


class Shelf:
    """The installed applications of one server, by short name and by id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "installed"

    def find(self, application: str) -> Installed | None:
        """What is installed under this name or id."""
        found = read_installed(state.read_json(self.path(application)))
        if found is None or found.application == application:
            return found
        # A short name leads to the id, under which alone a release is replaced.
        return read_installed(state.read_json(self.path(found.application))) or found

    def require(self, application: str) -> Installed:
        found = self.find(application)
        if found is None or not Path(found.folder).is_dir():
            raise NotInstalled(
                f"{application} is not installed on this computer.",
                hint=f"Run `cetrus install {application}` first.",
            )
        return found

    def all(self) -> Iterator[Installed]:
        """Each application once."""
        for path in sorted(self._folder.glob("*.json")):
            found = read_installed(state.read_json(path))
            if found is not None and path == self.path(found.application):
                yield found

    def put(self, installed: Installed) -> None:
        """From here on this is what is installed."""
        state.write_json(self.path(installed.application), asdict(installed))
        if installed.asked != installed.application:
            state.write_json(self.path(installed.asked), asdict(replace(installed, previous=None)))

    def path(self, application: str) -> Path:
        name = hashlib.sha256(application.encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"


def unpacked_by_hand(folder: Path, asked: str) -> Installed:
    """An archive that a person unpacked: what its manifest says, verified by nobody here."""
    manifest = state.read_json(folder / MANIFEST) or {}
    application, version = manifest.get("application"), manifest.get("version")
    if not (isinstance(application, str) and isinstance(version, str)):
        raise NotInstalled(
            f"{folder} holds no application: its {MANIFEST} does not say which one.",
            hint="Give the folder into which the archive was unpacked.",
        )
    if not all(PLAIN_NAME.fullmatch(text) for text in (application, version)):
        raise BadRelease(f"The {MANIFEST} in {folder} names what cannot be an application.")
    return Installed(asked, application, asked, version, str(folder.absolute()), "", "")


def start_command(installed: Installed) -> list[str]:
    """What starts the application: from its manifest, else `bin/NAME` or `NAME`.

    The manifest is `cetrus-app.json` in the signed archive: {"start": ["bin/halyard"]}; the first
    part is a file in the archive, the others are arguments. A `.pyz` or `.py` is run by the
    launcher's own Python.
    """
    folder = Path(installed.folder)
    manifest = state.read_json(folder / MANIFEST)
    if manifest is not None:
        return _by_python(_from_manifest(folder, manifest))
    for candidate in _candidates(folder, installed.asked):
        if candidate.is_file():
            return [str(candidate)]
    raise BadRelease(
        f"{installed.name} does not say how it is started.",
        hint=f"Tell the vendor that the archive needs a {MANIFEST}.",
    )


def require_startable(installed: Installed) -> None:
    """BadRelease where what starts the release is not in its folder."""
    command = start_command(installed)
    program = Path(command[1] if command[0] == sys.executable else command[0])
    if not program.is_file():
        raise BadRelease(f"{installed.label} has no file {program.name} to start.")


def require_ours_or_empty(root: Path, application: str) -> None:
    """Never puts releases into a folder that holds something else than this application's."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return
    if (state.read_json(root / ROOT_MARK) or {}).get("application") == application:
        return
    raise CetrusError(
        f"{root} exists and is not empty.",
        hint="Choose a new or an empty folder with --to.",
    )


def _from_manifest(folder: Path, manifest: dict[str, Any]) -> list[str]:
    start = manifest.get("start")
    if isinstance(start, dict):
        start = start.get(this_platform())
    if not isinstance(start, list) or not start or not all(isinstance(s, str) for s in start):
        raise BadRelease(f"The {MANIFEST} of the application does not say how it is started.")
    return [str(folder.joinpath(*safe_parts(start[0]))), *start[1:]]


def _by_python(command: list[str]) -> list[str]:
    return [sys.executable, *command] if command[0].endswith(PYTHON) else command


def _candidates(folder: Path, name: str) -> list[Path]:
    endings = [".exe", ".cmd", ".bat"] if sys.platform == "win32" else [""]
    base = os.path.basename(name)  # noqa: PTH119 - a name as typed, not a path
    return [place / f"{base}{end}" for place in (folder / "bin", folder) for end in endings]
