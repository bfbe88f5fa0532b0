"""Unpacks an installer: plain files and folders below one folder, and nothing else, ever."""

from __future__ import annotations

import contextlib
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cetrus.errors import StateTrouble, UnsafeArchive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_FILES = 100_000
MOST_BYTES = 100 * 2**30
LONGEST_NAME = 400
WORK_PREFIX = ".unpack-"
RESERVED = {"CON", "PRN", "AUX", "NUL"} | {f"{n}{i}" for n in ("COM", "LPT") for i in range(1, 10)}
FORBIDDEN = set('\\:*?"<>|') | {chr(code) for code in range(32)} | {"\x7f"}
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: its name as stored, and how to read it if it is a file."""

    name: str
    is_folder: bool
    executable: bool
    size: int
    open: Callable[[], IO[bytes]] = field(repr=False)


def unpack(archive: Path, folder: Path) -> None:
    """Makes the new `folder` with all of the archive or leaves nothing; UnsafeArchive says why."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=WORK_PREFIX, dir=folder.parent))
    try:
        _unpack_into(archive, work)
        work.chmod(0o755)
        # Named only when it is whole.
        work.rename(folder)
    except OSError as error:
        raise StateTrouble(f"The archive cannot be unpacked: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack_into(archive: Path, work: Path) -> None:
    seen: set[str] = set()
    total = 0
    try:
        with _entries(archive) as entries:
            for entry in entries:
                parts = safe_parts(entry.name)
                total += entry.size
                _require_sane(entry, parts, seen, total)
                _write(entry, work.joinpath(*parts))
    except BROKEN as error:
        raise UnsafeArchive(f"The archive {archive.name} is damaged.") from error


def safe_parts(name: str) -> tuple[str, ...]:
    """The folders and the name of a member below the target; UnsafeArchive if it leaves it."""
    text = name.removesuffix("/").removeprefix("./")
    parts = tuple(text.split("/"))
    if text == ".":
        return ()
    if len(name) > LONGEST_NAME or any(not _plain(part) for part in parts):
        raise UnsafeArchive(f"The archive has a member with an unsafe name: {name[:80]!r}.")
    return parts


def _plain(part: str) -> bool:
    """A name that means one thing on every system: no root, no parent, no device, no stream."""
    if part in {"", ".", ".."} or part.endswith((".", " ")) or set(part) & FORBIDDEN:
        return False
    return part.partition(".")[0].upper() not in RESERVED


def _require_sane(entry: Entry, parts: tuple[str, ...], seen: set[str], total: int) -> None:
    # Two names that differ in case alone are one file on some systems.
    key = "/".join(parts).casefold()
    if key in seen and not entry.is_folder:
        raise UnsafeArchive(f"The archive has a member twice: {entry.name[:80]!r}.")
    seen.add(key)
    if len(seen) > MOST_FILES or total > MOST_BYTES:
        raise UnsafeArchive("The archive unpacks to more than an application can be.")


def _write(entry: Entry, path: Path) -> None:
    if entry.is_folder:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with entry.open() as source, path.open("xb") as target:
        while chunk := source.read(1 << 20):
            written += len(chunk)
            if written > entry.size:
                raise UnsafeArchive(f"A member is larger than it says: {entry.name[:80]!r}.")
            target.write(chunk)
    path.chmod(0o755 if entry.executable else 0o644)


@contextlib.contextmanager
def _entries(archive: Path) -> Iterator[Iterator[Entry]]:
    if archive.name.endswith((".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")):
        with tarfile.open(archive) as tar:
            yield _tar_entries(tar)
    elif archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            yield _zip_entries(packed)
    else:
        raise UnsafeArchive(
            f"{archive.name} is no archive that this program unpacks.",
            hint="The file is verified and kept; open it as the vendor says.",
        )


def _tar_entries(tar: tarfile.TarFile) -> Iterator[Entry]:
    for member in tar:
        if not (member.isreg() or member.isdir()):
            raise UnsafeArchive(f"The archive has a link or a device: {member.name[:80]!r}.")
        yield Entry(
            member.name,
            member.isdir(),
            bool(member.mode & stat.S_IXUSR),
            member.size,
            lambda member=member: _tar_file(tar, member),  # type: ignore[misc] # bound at once
        )


def _tar_file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise UnsafeArchive(f"The archive has a member without content: {member.name[:80]!r}.")
    return file


def _zip_entries(packed: zipfile.ZipFile) -> Iterator[Entry]:
    for info in packed.infolist():
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR} or info.flag_bits & 1:
            raise UnsafeArchive(f"The archive has a link or a device: {info.filename[:80]!r}.")
        yield Entry(
            # zipfile turns backslashes and cuts at a zero byte; the name as stored is judged.
            info.orig_filename,
            info.is_dir(),
            bool(mode & stat.S_IXUSR),
            info.file_size,
            lambda info=info: packed.open(info),  # type: ignore[misc] # bound at once
        )
