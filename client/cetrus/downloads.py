"""Fetches an installer in one piece or in many, and keeps nothing that is not what was signed."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

import httpx

from cetrus import state
from cetrus.errors import BadRelease, CetrusError, StateTrouble, Unreachable
from cetrus.wire import TIMEOUT, TROUBLE, check_base_url, is_local

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cetrus.releases import Release

    Progress = Callable[[int, int], Any]

CHUNK = 1 << 16
# In a row, without one new byte; every byte received starts the count again.
FRUITLESS_TRIES = 5
PAUSE_S = 1.0
WHOLE, PART, EXPIRED, BEYOND = 200, 206, {401, 403, 404, 410}, 416


class Download:
    """One installer on its way into `folder`; a part that is there already is continued."""

    def __init__(self, release: Release, folder: Path, link: Callable[[], str]) -> None:
        self._release, self._link = release, link
        self.path = folder / release.filename
        # Named by its content: a part of another release is never continued.
        self.part = folder / f".{release.sha256}.part"

    def fetch(self, progress: Progress | None = None) -> Path:
        """The verified file; Unreachable where it cannot be had, BadRelease where it is another."""
        state.make_folder(self.part.parent)
        lock = self.part.with_suffix(".lock")
        with state.locked(lock, wait=5.0):
            self._fetch_all(progress or (lambda _done, _size: None))
            self._verify()
            self.part.replace(self.path)
        lock.unlink(missing_ok=True)
        return self.path

    @property
    def done(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch_all(self, progress: Progress) -> None:
        fruitless = 0
        if self.done > self._release.size:
            self.part.unlink()
        while (before := self.done) < self._release.size:
            try:
                self._fetch_some(progress)
            except Unreachable as error:
                fruitless = 0 if self.done > before else fruitless + 1
                if fruitless >= FRUITLESS_TRIES:
                    raise
                time.sleep(max(PAUSE_S * fruitless, error.retry_after or 0.0))

    def _fetch_some(self, progress: Progress) -> None:
        link = self._link()
        check_base_url(link.partition("?")[0])
        start = self.done
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            with (
                httpx.Client(timeout=TIMEOUT, trust_env=not is_local(link)) as http,
                http.stream("GET", link, headers=headers) as response,
            ):
                self._store(response, start, progress)
        except TROUBLE as error:
            raise Unreachable("The download was interrupted.") from error

    def _store(self, response: httpx.Response, start: int, progress: Progress) -> None:
        if response.status_code in EXPIRED:
            # The link lives minutes; the next round asks for a new one and goes on from here.
            raise Unreachable("The download link has expired.")
        if response.status_code == BEYOND:
            self.part.unlink(missing_ok=True)
            raise Unreachable("The part that was there does not fit; it starts again.")
        continued = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if response.status_code == PART and start and continued:
            self._append(response, start, progress)
        elif response.status_code == WHOLE:
            self._append(response, 0, progress)
        else:
            raise Unreachable(f"The download answered with status {response.status_code}.")

    def _append(self, response: httpx.Response, start: int, progress: Progress) -> None:
        done = start
        with _open(self.part, start) as file:
            for chunk in response.iter_bytes(CHUNK):
                done += len(chunk)
                if done > self._release.size:
                    break
                _write(file, chunk)
                progress(done, self._release.size)
        if done > self._release.size:
            self.part.unlink(missing_ok=True)
            raise BadRelease("The file is larger than the release that was signed.")

    def _verify(self) -> None:
        try:
            verify_bytes(self._release, self.part)
        except BadRelease:
            self.part.unlink()
            raise


def verify_bytes(release: Release, path: Path) -> None:
    """BadRelease where the file has not the size and the SHA-256 that were signed."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise CetrusError(
            f"The file {path} cannot be read: {error.strerror}.", hint="Check its name."
        ) from error
    if size != release.size:
        raise BadRelease(f"The file has {size} bytes, not the {release.size} that were signed.")
    if digest.hexdigest() != release.sha256:
        raise BadRelease("The file does not have the checksum that was signed.")


def _open(path: Path, start: int) -> Any:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | _flags(start), 0o600), "wb")
    except OSError as error:
        raise StateTrouble(f"The file {path} cannot be written: {error.strerror}.") from error


def _flags(start: int) -> int:
    binary: int = getattr(os, "O_BINARY", 0)
    return binary | (os.O_APPEND if start else os.O_TRUNC)


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:
        # A full disk is no network trouble: trying again would not help.
        raise CetrusError(
            f"The download cannot be stored: {error.strerror}.",
            hint="Free some space and run the command again; it continues where it stopped.",
        ) from error
