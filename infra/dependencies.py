"""The packages that run in Lambda: installed by hash, trimmed, compiled and kept.

Chalice would fetch them too, but carries on when it could not, knows no hashes, and neither trims
nor compiles. So it packs the code, and this module brings what the code imports.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# The oldest C library among the runtimes' machines, by minor version of Python 3.
GLIBC = {11: 26, 12: 34, 13: 34}
MACHINES = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}

# Whose descriptions botocore ships; a client of anything else fails at once and names the service.
SERVICES = frozenset({"dynamodb", "kms", "s3", "ses", "sesv2", "sqs", "ssm", "sts"})
# Folders and files at which nothing in Lambda ever looks.
UNUSED_NAMES = frozenset({"tests", "test", "__pycache__", "bin", "examples"})
UNUSED_SUFFIXES = frozenset({".pyi", ".pyx", ".pxd", ".c", ".h", ".md", ".typed"})
KEPT_BOTOCORE_FILES = frozenset(
    {"service-2.json.gz", "paginators-1.json", "endpoint-rule-set-1.json.gz"}
)


class PackagingError(Exception):
    """Stops the packaging with one clear line."""


def runtime() -> str:
    """The Lambda runtime of this interpreter, as in `python3.11`."""
    major, minor = sys.version_info[:2]
    if major != 3 or minor not in GLIBC:
        raise PackagingError(f"Python {major}.{minor} packages for no runtime: take 3.11 to 3.13")
    return f"python{major}.{minor}"


def machine() -> str:
    """The processor that wheels are taken for: this machine's own, so that the zip runs here."""
    try:
        return MACHINES[platform.machine()]
    except KeyError:
        raise PackagingError(f"Lambda has no {platform.machine()} machines") from None


def installed(requirements: Path, cache: Path) -> Path:
    """A folder with the trimmed and compiled packages; made once for each lock file."""
    key = hashlib.sha256(requirements.read_bytes())
    key.update(Path(__file__).read_bytes())
    key.update(f"{sys.version} {machine()}".encode())
    ready = cache / f"{runtime()}-{key.hexdigest()[:16]}"
    if not ready.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as making:
            tree = Path(making) / "tree"
            install(requirements, tree)
            trim(tree)
            compile_tree(tree)
            if not ready.is_dir():
                tree.rename(ready)
    return ready


def install(requirements: Path, target: Path) -> None:
    """Install wheels for the runtime, by hash; raises PackagingError with pip's reason."""
    newest = GLIBC[sys.version_info[1]]
    platforms = [f"manylinux_2_{minor}_{machine()}" for minor in range(newest, 16, -1)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-compile", "--no-deps"]
    command += ["--python-version", ".".join(map(str, sys.version_info[:2]))]
    for name in [*platforms, f"manylinux2014_{machine()}"]:
        command += ["--platform", name]
    command += ["--target", str(target), "--requirement", str(requirements)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise PackagingError(f"the packages could not be installed:\n{done.stderr.strip()}")


def trim(tree: Path) -> None:
    """Take out what never runs; what is left imports and works as before."""
    for path in sorted(tree.rglob("*")):
        if path.is_dir() and (path.name in UNUSED_NAMES or path.name.endswith(".dist-info")):
            shutil.rmtree(path)
        elif path.suffix in UNUSED_SUFFIXES and path.is_file():
            path.unlink()
    trim_botocore(tree / "botocore" / "data")
    shutil.rmtree(tree / "boto3" / "data", ignore_errors=True)
    shutil.rmtree(tree / "boto3" / "examples", ignore_errors=True)


def trim_botocore(data: Path) -> None:
    """Keep the newest description of our services, without its prose, and one cloud partition."""
    for service in sorted(path for path in data.iterdir() if path.is_dir()):
        if service.name not in SERVICES:
            shutil.rmtree(service)
            continue
        for version in sorted(service.iterdir())[:-1]:
            shutil.rmtree(version)
        for file in sorted(path for path in service.rglob("*") if path.is_file()):
            keep_description(file)
    keep_one_partition(data / "endpoints.json")


def keep_description(file: Path) -> None:
    """Rewrite a description as plain JSON without documentation, or remove it where unused."""
    raw = file.read_bytes()
    file.unlink()
    if file.name not in KEPT_BOTOCORE_FILES:
        return
    text = gzip.decompress(raw) if file.suffix == ".gz" else raw
    plain = file.with_name(file.name.removesuffix(".gz"))
    plain.write_text(json.dumps(without_prose(json.loads(text)), separators=(",", ":")))


def without_prose(value: Any) -> Any:
    """The same with every `documentation` empty: botocore asks some of them to be there."""
    if isinstance(value, list):
        return [without_prose(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: "" if name == "documentation" and isinstance(item, str) else without_prose(item)
        for name, item in value.items()
    }


def keep_one_partition(file: Path) -> None:
    endpoints = json.loads(file.read_text())
    endpoints["partitions"] = [
        partition for partition in endpoints["partitions"] if partition["partition"] == "aws"
    ]
    file.write_text(json.dumps(endpoints, separators=(",", ":")))


def compile_tree(tree: Path) -> None:
    """Put unchecked bytecode beside every source: the task folder is read-only, so Lambda cannot.

    A fresh interpreter compiles in sorted order on one thread, so the bytes are always the same.
    """
    command = [sys.executable, "-I", "-m", "compileall", "-q", "-j", "1"]
    command += [
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(tree),
        "-p",
        "/var/task",
        str(tree),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise PackagingError(f"the package does not compile:\n{done.stdout}{done.stderr}")
