"""Tally, the plain program: what it finds, and how `cetrus run` runs it without its knowing."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cetrus import Session
from client_tests.conftest import sign_in
from client_tests.reference import APPLICATION, Reference
from tally.alike import Groups, Rows, pieces
from tally.app import main
from tally.table import BadTable, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(__file__).parents[2]
EXAMPLES = CLIENT / "examples"
BERTHS = EXAMPLES / "tally" / "data" / "berths.csv"
WORDS = st.lists(st.text(st.sampled_from("abcé "), max_size=12), max_size=12)


def alike(texts: list[str], percent: int) -> list[tuple[int, int]]:
    rows = Rows(percent)
    return [(low, high) for high, text in enumerate(texts) for low, _ in rows.add(text)]


def firsts(texts: list[str], percent: int) -> list[str]:
    groups = Groups(len(texts))
    for low, high in alike(texts, percent):
        groups.join(low, high)
    return [texts[row] for row in groups.firsts()]


class TestAlike:
    def test_spelling_of_the_same_words_does_not_count(self) -> None:
        assert pieces("Étoile de Mer") == pieces("MER, de etoile!")
        assert pieces("...") == frozenset()

    @given(WORDS, st.integers(1, 100))
    def test_every_pair_is_found_and_no_other(self, texts: list[str], percent: int) -> None:
        sets = [pieces(text) for text in texts]
        expected = [
            (low, high)
            for high, own in enumerate(sets)
            for low, other in enumerate(sets[:high])
            if own & other and 200 * len(own & other) >= percent * (len(own) + len(other))
        ]
        assert alike(texts, percent) == expected

    @given(WORDS, st.integers(1, 100))
    def test_a_clean_table_has_nothing_left_to_clean(self, texts: list[str], percent: int) -> None:
        once = firsts(texts, percent)
        assert firsts(once, percent) == once


class TestTable:
    def test_separator_mark_and_quotes_are_understood(self) -> None:
        table = read_table('\ufeffboat;harbor\n"Old; salt";Kiel\n\nB;Visby\n'.encode())
        assert (table.header, table.separator) == (["boat", "harbor"], ";")
        assert (table.rows, table.lines) == ([["Old; salt", "Kiel"], ["B", "Visby"]], [2, 4])

    @pytest.mark.parametrize("data", [b"", b"a,b\n1\n", b"a\n\xff\n", b"\n\n", b'a,b\n"x\n'])
    def test_what_is_no_table_is_said_to_be_none(self, data: bytes) -> None:
        with pytest.raises(BadTable):
            read_table(data)


class TestCommands:
    def test_pairs_names_lines_and_how_alike(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["pairs", str(BERTHS), "--by", "boat,harbor"]) == 0
        said = capsys.readouterr()
        lines = said.out.splitlines()
        assert lines[0] == "alike,line,other,boat,harbor,berth"
        assert "100,8,9,Etoile de Mer,BREST,D1" in lines
        assert "in 10 rows" in said.err

    def test_clean_keeps_the_first_of_each(self, tmp_path: Path) -> None:
        out = tmp_path / "clean.csv"
        out.write_text("old")
        arguments = ["clean", str(BERTHS), "--by", "boat", "--at-least", "90", "--out", str(out)]
        assert main(arguments) == 0
        kept = out.read_text(encoding="utf-8").splitlines()
        assert [line.partition(",")[0] for line in kept] == [
            "boat", "Morning Tide", "Sandpiper", "Mourning Tide", "Old Wanderer", "Sandpiper II",
            "Étoile de mer", "North Light", "Kittiwake",
        ]  # fmt: skip
        assert list(tmp_path.iterdir()) == [out]

    def test_a_file_that_is_missing_and_one_that_is_no_table_have_their_codes(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["pairs", str(tmp_path / "none.csv")]) == 66
        (tmp_path / "bad.csv").write_text("a,b\n1\n")
        assert main(["pairs", str(tmp_path / "bad.csv")]) == 65
        assert main(["pairs", str(BERTHS), "--by", "ship"]) == 65
        assert "there are boat, harbor, berth" in capsys.readouterr().err


# --- under the launcher ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "build.py", "--example", "tally",
         "--application", APPLICATION, "--out", out],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {platform: Path(path) for platform, path in json.loads(done.stdout).items()}


@pytest.fixture
def server() -> Iterator[Reference]:
    reference = Reference()
    yield reference
    reference.close()


@pytest.fixture
def unpacked(built: dict[str, Path], tmp_path: Path) -> Path:
    folder = tmp_path / "tally here"
    with tarfile.open(built["linux"]) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def environment(server: Reference, tmp_path: Path) -> dict[str, str]:
    """Of a shell in which a person is signed in, and `cetrus` is on the path."""
    session = Session(server.base)
    sign_in(session, server, "tally")
    session.close()
    command = tmp_path / "path" / "cetrus"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cetrus "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"
    return {**os.environ, "CETRUS_SERVER": server.base, "PYTHONPATH": str(CLIENT), "PATH": path}


def test_each_archive_holds_one_plain_program_and_its_script(built: dict[str, Path]) -> None:
    assert set(built) == {"linux", "macos", "windows"}
    assert [path.suffix for path in built.values()] == [".gz", ".gz", ".zip"]
    with zipfile.ZipFile(built["windows"]) as archive:
        assert "bin/tally.cmd" in archive.namelist()
        script = archive.read("bin/tally.cmd").decode()
        packed = zipfile.ZipFile(io.BytesIO(archive.read("lib/tally.pyz")))
    assert 'cetrus run --folder "%~dp0.." tally -- %*\r\n' in script
    sources = [packed.read(name).decode() for name in packed.namelist()]
    assert sources
    assert not any("cetrus" in source for source in sources)


def test_its_script_runs_it_on_a_lease_with_its_own_streams_and_code(
    server: Reference, unpacked: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [unpacked / "bin" / "tally", "pairs", "-", "--by", "boat,harbor"],
        input=BERTHS.read_text(encoding="utf-8"),
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "100,8,9,Etoile de Mer,BREST,D1" in done.stdout.splitlines()
    assert done.stdout.startswith("alike,line,other")
    said = done.stderr
    assert said.index("Halyard costs 0.37 USD an hour.") < said.index("in 10 rows")
    assert "Used: 0 h 00 min" in said
    [row] = server.rows.values()
    assert (row.ended, row.release, row.application) == (True, "1.0.0", APPLICATION)
    failed = subprocess.run(
        [unpacked / "bin" / "tally", "pairs", "none.csv"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert failed.returncode == 66
    assert all(row.ended for row in server.rows.values())


def test_its_script_is_found_through_links(
    unpacked: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "near").symlink_to(Path(unpacked.name, "bin", "tally"))
    (tmp_path / "links" / "far").symlink_to(tmp_path / "near")
    done = subprocess.run(
        [tmp_path / "links" / "far", "pairs", BERTHS],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pairs in 10 rows" in done.stderr


def test_a_refused_launch_starts_it_not(
    server: Reference, unpacked: Path, environment: dict[str, str]
) -> None:
    server.refuse = "SEATS_FULL"
    done = subprocess.run(
        [unpacked / "bin" / "tally", "pairs", BERTHS],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (110, "")
    assert "End the application on another computer" in done.stderr


def test_asked_to_end_it_writes_what_it_has(
    server: Reference, unpacked: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    # Every row shares its pieces with all others and is alike with none: minutes of work.
    rows = [
        f"aaab aabb abbb bbba bbaa baaa {n:06x} {n * 7919 % 60_000:06x}\n" for n in range(60_000)
    ]
    program = subprocess.Popen(
        [unpacked / "bin" / "tally", "clean", "-", "--at-least", "100", "--out", out],
        env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert program.stdin is not None
    # A pipe holds less than this: when all is written, Tally runs and listens.
    program.stdin.write("".join(["word\n", *rows]))
    program.stdin.close()
    program.stdin = None
    program.send_signal(signal.SIGTERM)
    _, said = program.communicate(timeout=120)
    assert program.returncode == 75, said
    assert "ended early" in said
    assert out.read_text().splitlines() == ["word", *(row.strip() for row in rows)]
    assert [row.ended for row in server.rows.values()] == [True]


def test_without_the_launcher_its_script_says_what_is_missing(
    unpacked: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (bare / name).symlink_to(found)
    done = subprocess.run(
        [unpacked / "bin" / "tally", "pairs", BERTHS],
        env={**environment, "PATH": str(bare)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 127
    assert "the launcher cetrus is not installed" in done.stderr
