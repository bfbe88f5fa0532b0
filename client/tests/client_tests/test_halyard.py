"""The example application: built, installed, run under the launcher and by itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from cetrus import Session
from cetrus.cli import main
from client_tests.conftest import sign_in
from client_tests.reference import APPLICATION, Reference
from client_tests.test_install import VENDOR

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"


def build(out: Path) -> dict[str, Path]:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "build.py", "--application", APPLICATION, "--out", out],
        capture_output=True,
        text=True,
        check=True,
    )
    return {platform: Path(path) for platform, path in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def server() -> Iterator[Reference]:
    reference = Reference()
    yield reference
    reference.close()


@pytest.fixture
def only_cryptography(tmp_path: Path) -> Path:
    """What the archive asks of a Python: cryptography and what it is compiled against."""
    folder = tmp_path / "only"
    folder.mkdir()
    for module in ("cryptography", "cffi", "_cffi_backend", "pycparser"):
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (folder / source.name).symlink_to(source)
    return folder


@pytest.fixture
def unpacked(built: dict[str, Path], tmp_path: Path) -> Path:
    folder = tmp_path / "halyard"
    with tarfile.open(built["linux"]) as archive:
        archive.extractall(folder, filter="data")
    return folder


def environment(server: Reference, **more: str) -> dict[str, str]:
    return {**os.environ, "CETRUS_SERVER": server.base, **more}


def test_the_same_sources_give_the_same_bytes(built: dict[str, Path], tmp_path: Path) -> None:
    again = build(tmp_path)
    assert set(built) == {"linux", "macos", "windows"}
    for platform, path in built.items():
        digests = {hashlib.sha256(p.read_bytes()).digest() for p in (path, again[platform])}
        assert len(digests) == 1
        assert path.name == again[platform].name


def test_by_itself_it_takes_shows_and_ends_a_lease(
    server: Reference, unpacked: Path, only_cryptography: Path, tmp_path: Path
) -> None:
    session = Session(server.base)
    sign_in(session, server)
    session.close()
    chart = tmp_path / "tides.svg"
    # -S: nothing of the test's own environment but what is named in PYTHONPATH.
    done = subprocess.run(
        [sys.executable, "-S", unpacked / "lib" / "halyard.pyz", "plot",
         unpacked / "data" / "tides.csv", "--svg", chart],
        env=environment(server, PYTHONPATH=str(only_cryptography)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Halyard costs 0.37 USD an hour." in done.stderr
    assert len(ET.parse(chart).getroot().findall("{*}rect")) == 12  # noqa: S314 - our own file
    assert [row.ended for row in server.rows.values()] == [True]


def test_without_cryptography_it_says_what_to_do(server: Reference, unpacked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", unpacked / "lib" / "halyard.pyz", "plot", "x.csv"],
        env=environment(server), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cetrus run halyard" in done.stderr
    assert "Traceback" not in done.stderr


def test_under_the_launcher_one_lease_serves_both(
    server: Reference,
    built: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CETRUS_SERVER", server.base)
    monkeypatch.setattr("cetrus.installing.this_platform", lambda: "linux")
    session = Session()
    sign_in(session, server, "halyard")
    session.close()
    server.publish(built["linux"].name, built["linux"].read_bytes(), "linux", VENDOR)
    assert main(["install", "halyard"]) == 0
    table = EXAMPLES / "halyard" / "data" / "tides.csv"
    assert main(["run", "halyard", "--", "watch", str(table), "--for", "0.1"]) == 0
    said = capfd.readouterr()
    assert "height: 12 rows, lowest 1, highest 5.3" in said.out
    assert said.err.count("Halyard costs") == 1
    assert [row.ended for row in server.rows.values()] == [True]


def test_a_table_it_cannot_draw_costs_no_launch(
    server: Reference, unpacked: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1\n")
    done = subprocess.run(
        [unpacked / "bin" / "halyard", "plot", tmp_path / "bad.csv"],
        env=environment(server, CETRUS_PYTHON=sys.executable),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 65
    assert "rows of as many cells" in done.stderr
    assert server.rows == {}
