"""Brings releases onto this computer: verified, unpacked beside the old one, then swapped."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cetrus import state
from cetrus.downloads import Download, verify_bytes
from cetrus.errors import BadRelease, CetrusError, NotInstalled
from cetrus.installed import (
    ROOT_MARK,
    Installed,
    Shelf,
    read_installed,
    require_ours_or_empty,
    require_startable,
)
from cetrus.releases import Release, this_platform, verify_release
from cetrus.unpack import WORK_PREFIX, unpack
from cetrus.versions import is_newer

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from cetrus.credentials import Credential
    from cetrus.session import Session

    Progress = Callable[[int, int], Any]

LOCK_WAIT_S = 5.0


class Installer:
    """Installs, updates and goes back; what is installed stays until the new one is whole."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.shelf = Shelf(session.folder)

    def describe(
        self, application: str, credential: Credential, platform: str | None = None
    ) -> Release:
        """The newest release for this computer's system, with both signatures verified."""
        platform = platform or this_platform()
        body = self._session.api.release(application, platform, credential)
        return verify_release(body, self._session.keys, platform)

    def require_acceptable(
        self,
        application: str,
        release: Release,
        *,
        new_key: str | None = None,
        downgrade: bool = False,
    ) -> None:
        """BadRelease for another vendor key or an older version, unless a person said so."""
        known = self.shelf.find(application)
        if known is None:
            return
        if release.vendor_kid not in {known.vendor_kid, new_key}:
            raise BadRelease(
                f"{release.label} is signed with another vendor key than the release that is "
                f"installed.",
                hint=(
                    f"Ask the vendor whether its new key is {release.vendor_kid}; if so, repeat "
                    f"the command with --vendor-key {release.vendor_kid}"
                ),
            )
        if is_newer(known.version, release.version) and not downgrade:
            raise BadRelease(
                f"{release.label} is older than {known.version}, which is installed.",
                hint=(
                    f"If {known.version} was withdrawn, take the older one with "
                    f"`cetrus install {application} --downgrade`"
                ),
            )

    def install(
        self,
        asked: str,
        release: Release,
        credential: Credential,
        *,
        to: Path | None = None,
        archive: Path | None = None,
        progress: Progress | None = None,
    ) -> Installed:
        """Downloads, verifies, unpacks and swaps; at any failure the old release stays."""
        root = (to or self._root(release)).absolute()
        with self._alone(release.application):
            if to is not None:
                require_ours_or_empty(root, release.application)
            file = self._fetch(release, credential, archive, progress)
            self._prepare(root, release.application)
            known = self.shelf.find(release.application)
            fresh = _installed(asked, release, root, known)
            unpack(file, Path(fresh.folder))
            self._swap(fresh, known)
            file.unlink()
        return fresh

    def roll_back(self, application: str) -> Installed:
        """Installs the release before this one again, out of the folder that was kept."""
        with self._alone(self.shelf.require(application).application):
            current = self.shelf.require(application)
            before = read_installed(current.previous)
            if before is None or not Path(before.folder).is_dir():
                raise NotInstalled(
                    f"No earlier release of {application} is kept on this computer.",
                    hint="Nothing was changed.",
                )
            back = replace(before, previous=asdict(replace(current, previous=None)))
            self.shelf.put(back)
        return back

    def _alone(self, application: str) -> AbstractContextManager[None]:
        """Two processes never change one installation at the same time."""
        lock = self.shelf.path(application).with_suffix(".lock")
        return state.locked(lock, wait=LOCK_WAIT_S)

    def _root(self, release: Release) -> Path:
        """Where this application was installed before, else a folder of its own."""
        known = self.shelf.find(release.application)
        chosen = known.root if known else ""
        return Path(chosen or state.home_folder() / "applications" / release.application)

    def _fetch(
        self,
        release: Release,
        credential: Credential,
        archive: Path | None,
        progress: Progress | None,
    ) -> Path:
        cache = self._session.folder / "downloads"
        download = Download(
            release, cache, lambda: self._session.api.download_link(release.url, credential)
        )
        if archive is not None:
            verify_bytes(release, archive)
            _copy(archive, state.make_folder(cache) / download.part.name)
        return download.fetch(progress)

    def _prepare(self, root: Path, application: str) -> None:
        """The folder of the releases, without what a killed installation left there."""
        state.write_json(root / ROOT_MARK, {"application": application})
        for left in root.glob(f"{WORK_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)

    def _swap(self, fresh: Installed, known: Installed | None) -> None:
        """The one instant of the update; only afterwards is what nobody can go back to removed."""
        try:
            require_startable(fresh)
            self.shelf.put(fresh)
        except BaseException:
            shutil.rmtree(fresh.folder, ignore_errors=True)
            raise
        kept = {fresh.folder, (fresh.previous or {}).get("folder")}
        before = read_installed(known.previous) if known else None
        for old in (known, before):
            if old is not None and old.folder not in kept:
                shutil.rmtree(old.folder, ignore_errors=True)


def _installed(asked: str, release: Release, root: Path, known: Installed | None) -> Installed:
    """In a folder that does not exist yet; a repair keeps the previous release of what it mends."""
    previous = None
    if known is not None:
        same = known.version == release.version
        previous = known.previous if same else asdict(replace(known, previous=None))
    return Installed(
        asked,
        release.application,
        release.name,
        release.version,
        str(_free_folder(root, release.version)),
        release.sha256,
        release.vendor_kid,
        str(root),
        previous,
    )


def _free_folder(root: Path, version: str) -> Path:
    folder, number = root / version, 1
    while folder.exists():
        number += 1
        folder = root / f"{version}+{number}"
    return folder


def _copy(archive: Path, part: Path) -> None:
    try:
        shutil.copyfile(archive, part)
    except OSError as error:
        raise CetrusError(
            f"The file {archive} cannot be copied: {error.strerror}.", hint="Check its name."
        ) from error
