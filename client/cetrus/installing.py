"""Installed applications: where they are, whose they are, and what to start."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cetrus import state
from cetrus.downloads import Download
from cetrus.errors import BadRelease, CetrusError, NotInstalled
from cetrus.releases import Release, this_platform, verify_release
from cetrus.unpack import safe_parts, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from cetrus.credentials import Credential
    from cetrus.session import Session

MANIFEST = "cetrus-app.json"


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed application as recorded on this computer."""

    asked: str
    application: str
    name: str
    version: str
    folder: str
    sha256: str
    vendor_kid: str


class Installer:
    """Brings releases of one server onto this computer."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, application: str) -> Installed | None:
        """What is installed under this name or id."""
        try:
            found = Installed(**(state.read_json(self._record(application)) or {}))
        except TypeError:
            return None
        return found

    def require(self, application: str) -> Installed:
        found = self.find(application)
        if found is None or not Path(found.folder).is_dir():
            raise NotInstalled(
                f"{application} is not installed on this computer.",
                hint=f"Run `cetrus install {application}` first.",
            )
        return found

    def describe(self, application: str, credential: Credential) -> Release:
        """The newest release for this computer, with both signatures verified."""
        platform = this_platform()
        body = self._session.api.release(application, platform, credential)
        return verify_release(body, self._session.keys, platform)

    def require_known_vendor(
        self, application: str, release: Release, *, new_key: str | None
    ) -> None:
        """An application once installed takes releases of the same key only, or of one named."""
        known = self.find(application)
        if known and release.vendor_kid not in {known.vendor_kid, new_key}:
            raise BadRelease(
                f"{release.name} {release.version} is signed with another vendor key than the "
                f"release that is installed.",
                hint=(
                    f"Ask the vendor whether its new key is {release.vendor_kid}; if so, repeat "
                    f"the command with --vendor-key {release.vendor_kid}"
                ),
            )

    def install(
        self,
        asked: str,
        release: Release,
        credential: Credential,
        *,
        to: Path | None = None,
        progress: Callable[[int, int], Any] | None = None,
    ) -> Installed:
        """Downloads, verifies and unpacks; what was installed before stays until all of it held."""
        folder = to or state.home_folder() / "applications" / release.application / release.version
        if to is not None:
            _require_ours_or_empty(to)
        cache = self._session.folder / "downloads"
        download = Download(
            release, cache, lambda: self._session.api.download_link(release.url, credential)
        )
        archive = download.fetch(progress)
        unpack(archive, folder.absolute())
        archive.unlink()
        return self._remember(asked, release, folder.absolute())

    def _remember(self, asked: str, release: Release, folder: Path) -> Installed:
        installed = Installed(
            asked,
            release.application,
            release.name,
            release.version,
            str(folder),
            release.sha256,
            release.vendor_kid,
        )
        for name in {asked, release.application}:
            state.write_json(self._record(name), asdict(installed))
        return installed

    def _record(self, application: str) -> Path:
        name = hashlib.sha256(application.encode()).hexdigest()[:32]
        return self._session.folder / "installed" / f"{name}.json"


def _require_ours_or_empty(folder: Path) -> None:
    """Never replaces a folder that holds something else than an installed application."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if (folder / MANIFEST).is_file():
            return
        raise CetrusError(
            f"{folder} exists and is not empty.",
            hint="Choose a new or an empty folder with --to.",
        )


def start_command(installed: Installed) -> list[str]:
    """What starts the application: from its manifest, else `bin/NAME` or `NAME`.

    The manifest is `cetrus-app.json` in the signed archive: {"start": ["bin/halyard"]}; the first
    part is a file in the archive, the others are arguments.
    """
    folder = Path(installed.folder)
    manifest = state.read_json(folder / MANIFEST)
    if manifest is not None:
        return _from_manifest(folder, manifest)
    for candidate in _candidates(folder, installed.asked):
        if candidate.is_file():
            return [str(candidate)]
    raise BadRelease(
        f"{installed.name} does not say how it is started.",
        hint=f"Tell the vendor that the archive needs a {MANIFEST}.",
    )


def _from_manifest(folder: Path, manifest: dict[str, Any]) -> list[str]:
    start = manifest.get("start")
    if isinstance(start, dict):
        start = start.get(this_platform())
    if not isinstance(start, list) or not start or not all(isinstance(s, str) for s in start):
        raise BadRelease(f"The {MANIFEST} of the application does not say how it is started.")
    return [str(folder.joinpath(*safe_parts(start[0]))), *start[1:]]


def _candidates(folder: Path, name: str) -> list[Path]:
    endings = [".exe", ".cmd", ".bat"] if sys.platform == "win32" else [""]
    base = os.path.basename(name)  # noqa: PTH119 - a name as typed, not a path
    return [place / f"{base}{end}" for place in (folder / "bin", folder) for end in endings]
