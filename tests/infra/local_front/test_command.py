"""What `python -m infra.local run` says where something is in the way: one line, exit code 2."""

from __future__ import annotations

import fcntl
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.front import command, folder, ports
from infra.local.front.folder import DataFolder, StartError, open_folder
from infra.local.front.http import Answer, serve
from infra.local.front.ports import Reserved, listen_near, listen_on, reserve_near

ROOT = Path(__file__).resolve().parents[3]


def run(data: Path, *more: str) -> str:
    """Run the command, which must fail with exit code 2 and nothing on stdout; return its line."""
    line = [sys.executable, "-m", "infra.local", "run", "--data", str(data), *more]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


class TestEnvironment:
    def test_it_prints_what_a_shell_takes_as_it_stands(self, tmp_path: Path) -> None:
        operator = {"STAGE": "local", "ODD": 'it\'s $HOME "here"'}
        clock = str(tmp_path / "clock")
        where = {"operator": operator, "clock": clock}
        (tmp_path / "running.json").write_text(json.dumps(where))
        line = (
            f'eval "$({sys.executable} -m infra.local env --data {tmp_path})"; '
            "printenv STAGE ODD LOCAL_CLOCK"
        )
        done = subprocess.run(
            ["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.splitlines() == ["local", operator["ODD"], clock]

    def test_where_nothing_runs_it_says_so_in_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command.main(["env", "--data", str(tmp_path)]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert "make run" in said.err


class TestInTheWay:
    def test_a_port_that_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert f"Port {port} is taken" in run(tmp_path / "data", "--port", str(port))

    def test_a_port_that_does_not_exist(self, tmp_path: Path) -> None:
        assert "no port 70000" in run(tmp_path / "data", "--port", "70000")

    def test_a_folder_in_use_by_another_run(self, tmp_path: Path) -> None:
        held = open_folder(tmp_path)
        assert "is in use by another run" in run(tmp_path)
        held.close()

    def test_a_folder_of_another_version(self, tmp_path: Path) -> None:
        (tmp_path / folder.MARK).write_text("0")
        assert "is of another version ('0', not '1')" in run(tmp_path)

    def test_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("mine")
        assert "not a data folder of Cetrus" in run(tmp_path)
        assert (tmp_path / "thesis.txt").read_text() == "mine"

    def test_a_file_instead_of_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert "cannot be used" in run(tmp_path / "file")

    def test_a_python_of_another_version(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(command, "NEWEST", (3, 10))
        assert command.main(["run"]) == 2
        assert "runs on Python 3.11 to 3.13" in capsys.readouterr().err

    def test_a_missing_library(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        def missing() -> None:
            raise ModuleNotFoundError(name="moto")

        monkeypatch.setattr(command, "_run", lambda _: missing())
        assert command.main(["run", "--data", str(tmp_path)]) == 2
        assert capsys.readouterr().err == "moto is not installed: start with `make run`.\n"


class TestDataFolder:
    def test_it_remembers_whole_documents(self, tmp_path: Path) -> None:
        held = open_folder(tmp_path / "deep" / "data")
        assert held.read("ports") is None
        held.write("ports", {"s3": 1})
        assert held.read("ports") == {"s3": 1}
        assert (held.path / "ports.json").stat().st_mode & 0o077 == 0
        held.close()

    def test_a_broken_document_is_said(self, tmp_path: Path) -> None:
        held = open_folder(tmp_path)
        (tmp_path / "ports.json").write_text("{")
        with pytest.raises(StartError, match="cannot be read"):
            held.read("ports")
        held.close()

    def test_closing_gives_it_free(self, tmp_path: Path) -> None:
        open_folder(tmp_path).close()
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_it_forgets_where_a_killed_run_answered(self, tmp_path: Path) -> None:
        first: DataFolder = open_folder(tmp_path)
        first.write("running", {"pid": 1})
        first.lock.close()
        second = open_folder(tmp_path)
        assert second.read("running") is None
        second.close()


class TestPorts:
    def test_the_remembered_port_is_taken_again_if_free(self) -> None:
        first = Reserved()
        port = first.release()
        again = reserve_near(port)
        assert again.port == port
        other = reserve_near(port)
        assert other.port != port
        server = listen_near(port, lambda p: serve(lambda _: Answer(200), p))
        assert server.port != port
        for each in (again, other):
            each.release()
        server.stop()

    @pytest.mark.parametrize("remembered", [None, "8000", -1, 70_000])
    def test_nonsense_is_not_remembered(self, remembered: object) -> None:
        reserved = reserve_near(remembered)
        assert reserved.release() > 0

    def test_a_port_where_localhost_leads_elsewhere_is_taken(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ports, "_answers_as_localhost", lambda _: True)
        with pytest.raises(StartError, match="taken on ::1"):
            listen_on(Reserved().release(), lambda p: serve(lambda _: Answer(200), p))

    def test_a_released_port_can_be_served_at_once(self) -> None:
        server = listen_on(Reserved().release(), lambda p: serve(lambda _: Answer(200), p))
        server.stop()
