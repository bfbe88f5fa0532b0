"""Builds the installers of an example: the same sources give the same bytes.

    python client/examples/build.py --out DIR [--application ID] [--version 1.0.0]

Prints JSON: the path by platform. Each archive holds a start script, the manifest for the
launcher, and one `.pyz`. There are two kinds of example:

- *built in*: the program uses the client's library, so its `.pyz` holds the client and their
  pure-Python packages too. The package `cryptography` is not in it, since its compiled parts fit
  one system and one Python alone. The start script starts the program.
- *plain*: the program knows nothing of Cetrus. The start script runs it by `cetrus run`.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import io
import json
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CLIENT = HERE.parent
# Module and distribution of what the client imports, apart from cryptography.
BUNDLED = {
    "anyio": "anyio",
    "certifi": "certifi",
    "h11": "h11",
    "httpcore": "httpcore",
    "httpx": "httpx",
    "idna": "idna",
    "jwt": "pyjwt",
    "typing_extensions": "typing_extensions",
}
MOMENT = (2026, 1, 1, 0, 0, 0)
EPOCH = 1_767_225_600
FILE, PROGRAM = 0o644, 0o755
Files = dict[str, tuple[bytes, int]]


@dataclass(frozen=True, slots=True)
class Scripts:
    """How a person starts the program, without and with the launcher's help."""

    unix: str
    windows: str


BUILT_IN = Scripts(
    unix="""\
#!/bin/sh
# Starts {name} with the launcher's Python, or with python3.
self=$0
while [ -h "$self" ]; do
    link=$(readlink "$self") || exit 1
    case $link in /*) self=$link ;; *) self=$(dirname -- "$self")/$link ;; esac
done
here=$(CDPATH= cd -- "$(dirname -- "$self")/.." && pwd) || exit 1
exec "${{CETRUS_PYTHON:-python3}}" "$here/lib/{name}.pyz" "$@"
""",
    windows="""\
@echo off\r
rem Starts {name} with the launcher's Python, or with the one that py finds.\r
setlocal\r
set CHOSEN=py -3\r
if defined CETRUS_PYTHON set CHOSEN="%CETRUS_PYTHON%"\r
%CHOSEN% "%~dp0..\\lib\\{name}.pyz" %*\r
""",
)
PLAIN = Scripts(
    unix="""\
#!/bin/sh
# Starts {name} on a license lease, by the launcher cetrus.
self=$0
while [ -h "$self" ]; do
    link=$(readlink "$self") || exit 1
    case $link in /*) self=$link ;; *) self=$(dirname -- "$self")/$link ;; esac
done
here=$(CDPATH= cd -- "$(dirname -- "$self")/.." && pwd) || exit 1
if ! command -v cetrus >/dev/null; then
    echo "{name}: the launcher cetrus is not installed, or not on the path" >&2
    exit 127
fi
exec cetrus run --folder "$here" {name} -- "$@"
""",
    windows="""\
@echo off\r
rem Starts {name} on a license lease, by the launcher cetrus.\r
setlocal\r
where /q cetrus || (echo {name}: the launcher cetrus is not on the path>&2 & exit /b 127)\r
cetrus run --folder "%~dp0.." {name} -- %*\r
""",
)
SCRIPTS = {"halyard": BUILT_IN, "tally": PLAIN}
PLAIN_START = """\
import sys

from {name}.app import main

sys.exit(main())
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", choices=sorted(SCRIPTS), default="halyard")
    parser.add_argument("--application", help="the application id that the copy is licensed as")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    application = options.application or options.example
    built = build(options.example, application, options.version, options.out)
    print(json.dumps({platform: str(path) for platform, path in built.items()}))
    return 0


def build(example: str, application: str, version: str, out: Path) -> dict[str, Path]:
    """One archive a platform in `out`; the manifest names what it was built as."""
    release = {"application": application, "version": version}
    files = program_files(example, release)
    pyz = pack_zip(dict(sorted(files.items())), b"#!/usr/bin/env python3\n")
    built = {}
    for platform in ("linux", "macos", "windows"):
        packed = archive_files(example, platform, release, pyz)
        if platform == "windows":
            path, data = out / f"{example}-{version}-windows.zip", pack_zip(packed)
        else:
            path, data = out / f"{example}-{version}-{platform}.tar.gz", pack_tar(packed)
        path.write_bytes(data)
        built[platform] = path
    return built


def archive_files(example: str, platform: str, release: dict[str, str], pyz: bytes) -> Files:
    windows = platform == "windows"
    script = f"bin/{example}.cmd" if windows else f"bin/{example}"
    text = SCRIPTS[example].windows if windows else SCRIPTS[example].unix
    # The launcher starts the program itself: the script of a plain one would ask it again, and a
    # .cmd would be read by a shell.
    manifest = json.dumps({**release, "start": [f"lib/{example}.pyz"]})
    files: Files = {
        "cetrus-app.json": (manifest.encode() + b"\n", FILE),
        script: (text.format(name=example).encode(), PROGRAM),
        f"lib/{example}.pyz": (pyz, FILE),
        "README.txt": ((HERE / example / "README.txt").read_bytes(), FILE),
    }
    for path in sorted((HERE / example / "data").iterdir()):
        files[f"data/{path.name}"] = (path.read_bytes(), FILE)
    return dict(sorted(files.items()))


def program_files(example: str, release: dict[str, str]) -> Files:
    """The example; where it uses the client, also that and what both need, with their licenses."""
    files = dict(python_files(HERE / example / example, example))
    if SCRIPTS[example] is PLAIN:
        files["__main__.py"] = (PLAIN_START.format(name=example).encode(), FILE)
        return files
    files[f"{example}/release.json"] = (json.dumps(release).encode(), FILE)
    files["__main__.py"] = ((HERE / example / "main.py").read_bytes(), FILE)
    files.update(python_files(CLIENT / "cetrus", "cetrus"))
    for module, name in BUNDLED.items():
        files.update(module_files(module))
        files.update(license_files(name))
    return files


def module_files(module: str) -> Iterator[tuple[str, tuple[bytes, int]]]:
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise SystemExit(f"The package of {module} must be installed to build this example.")
    origin = Path(found.origin)
    if origin.name != "__init__.py":
        yield origin.name, (origin.read_bytes(), FILE)
        return
    yield from python_files(origin.parent, module)


def python_files(folder: Path, name: str) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Sources and data; nothing compiled, since it fits one Python alone."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in {".py", ".pem", ".typed", ".json"}:
            yield f"{name}/{path.relative_to(folder).as_posix()}", (path.read_bytes(), FILE)


def license_files(name: str) -> Iterator[tuple[str, tuple[bytes, int]]]:
    for path in distribution(name).files or ():
        if ".dist-info" in path.parts[0] and path.name.upper().startswith(("LICENSE", "COPYING")):
            data = Path(str(path.locate())).read_bytes()
            yield f"licenses/{name}/{path.name}", (data, FILE)


def pack_zip(files: Files, prefix: bytes = b"") -> bytes:
    packed = io.BytesIO(prefix)
    packed.seek(0, io.SEEK_END)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, (data, mode) in files.items():
            info = zipfile.ZipInfo(name, MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, on whatever system this runs
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, data)
    return packed.getvalue()


def pack_tar(files: Files) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=EPOCH) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, (data, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, EPOCH
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
