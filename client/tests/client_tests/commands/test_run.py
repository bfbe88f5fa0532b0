"""`cetrus run`: the program's streams, signals, exit code and end, and what is billed for it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cetrus.cli import main, programs
from client_tests.commands.tools import CLIENT, cetrus, offer, until
from client_tests.reference import APPLICATION, Reference

# Says that it runs, and what it hears, by lines on stdout; ends at a line on stdin.
LISTENS = """
import signal, sys
def hear(number, frame):
    print("heard", signal.Signals(number).name, flush=True)
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGQUIT"):
    number = getattr(signal, name)
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, hear)
print("ready", flush=True)
print("told", sys.stdin.readline().strip(), flush=True)
sys.exit(9)
"""


def ended(server: Reference) -> list[bool]:
    return [row.ended for row in server.rows.values()]


def refuse_renewals(server: Reference, code: str) -> None:
    """The launch is granted and the first renewal is refused, soon."""
    server.ttl_ms = 1000
    beat = server._beat

    def refused(*given: Any) -> Any:
        server.refuse = code
        return beat(*given)

    server._beat = refused  # type: ignore[method-assign,assignment] # bends this one server


@pytest.fixture
def listening(signed_in: None, server: Reference) -> None:
    offer(server, LISTENS)
    assert main(["install", "halyard"]) == 0


def launched(server: Reference, **options: Any) -> subprocess.Popen[str]:
    """A program under the launcher that is ready to hear."""
    program = cetrus("run", "halyard", server=server, stdin=subprocess.PIPE, **options)
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


class TestStreams:
    def test_arguments_output_and_exit_code_are_the_programs_own(
        self, signed_in: None, server: Reference
    ) -> None:
        offer(server, "import sys; print(sys.argv[1:]); sys.exit(7)")
        assert main(["install", "halyard"]) == 0
        program = cetrus("run", "halyard", "--", "--json", "a b", server=server)
        out, err = program.communicate(timeout=60)
        assert (program.returncode, out) == (7, "['--json', 'a b']\n"), err
        assert "Halyard ⚓\nHalyard costs 0.37 USD an hour." in err
        assert "Used: 0 h 00 min" in err
        [row] = server.rows.values()
        assert (row.ended, row.release, row.application) == (True, "1.0.0", APPLICATION)

    def test_not_a_byte_of_stdin_and_stdout_is_touched(
        self, signed_in: None, server: Reference
    ) -> None:
        offer(server, "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])")
        assert main(["install", "halyard"]) == 0
        data = bytes(range(256)) * 300
        done = subprocess.run(
            [sys.executable, "-m", "cetrus", "run", "halyard"],
            env={**os.environ, "CETRUS_SERVER": server.base, "PYTHONPATH": str(CLIENT)},
            input=data, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout == data[::-1]

    def test_the_screen_comes_before_the_program(self, signed_in: None, server: Reference) -> None:
        offer(server, "import sys; print('runs', file=sys.stderr)")
        assert main(["install", "halyard"]) == 0
        _, err = cetrus("run", "halyard", server=server).communicate(timeout=60)
        assert err.index("0.37 USD an hour") < err.index("runs")

    def test_programs_read_the_end_of_it_as_json(self, signed_in: None, server: Reference) -> None:
        offer(server, "print('x')")
        assert main(["install", "halyard"]) == 0
        _, err = cetrus("run", "halyard", "--json", server=server).communicate(timeout=60)
        said = json.loads(err.splitlines()[-1])
        assert set(said) == {"launch_id", "billed_ms", "update"}
        assert type(said["billed_ms"]) is int

    def test_a_license_key_in_the_environment_stays_with_the_launcher(
        self, signed_in: None, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offer(server, "import os; print('CETRUS_LICENSE_KEY' in os.environ, 'HOME' in os.environ)")
        assert main(["install", "halyard"]) == 0
        monkeypatch.setenv("CETRUS_LICENSE_KEY", "key_1")
        out, err = cetrus("run", "halyard", server=server).communicate(timeout=60)
        assert out == "False True\n", err


class TestSignals:
    @pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT"])
    def test_what_the_launcher_is_sent_the_program_hears(
        self, listening: None, server: Reference, name: str
    ) -> None:
        program = launched(server)
        program.send_signal(getattr(signal, name))
        assert program.stdout is not None
        assert program.stdout.readline() == f"heard {name}\n"
        out, err = program.communicate("go on\n", timeout=60)
        assert (program.returncode, out) == (9, "told go on\n"), err
        assert ended(server) == [True]

    def test_a_program_that_a_signal_ends_is_told_by_the_exit_code(
        self, signed_in: None, server: Reference, tmp_path: Path
    ) -> None:
        ready = tmp_path / "ready"
        offer(server, f"import time; open({str(ready)!r}, 'w').close(); time.sleep(600)")
        assert main(["install", "halyard"]) == 0
        program = cetrus("run", "halyard", server=server)
        until(ready.exists)
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=60)
        assert program.returncode == 128 + signal.SIGTERM
        assert ended(server) == [True]

    def test_ctrl_c_in_a_terminal_is_heard_once(self, listening: None, server: Reference) -> None:
        child, terminal = pty.fork()
        if child == 0:
            environment = {**os.environ, "CETRUS_SERVER": server.base, "PYTHONPATH": str(CLIENT)}
            command = [sys.executable, "-m", "cetrus", "run", "halyard"]
            os.execvpe(command[0], command, environment)  # noqa: S606 - our own command
        said = b""

        def heard(words: bytes) -> bool:
            nonlocal said
            said += os.read(terminal, 1000)
            return words in said

        until(lambda: heard(b"ready"))
        os.write(terminal, b"\x03")
        until(lambda: heard(b"heard SIGINT"))
        os.write(terminal, b"go on\n")
        until(lambda: heard(b"told go on"))
        try:
            while chunk := os.read(terminal, 1000):
                said += chunk
        except OSError:
            pass  # a closed terminal says so by an error
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert said.count(b"heard SIGINT") == 1
        assert ended(server) == [True]

    def test_what_nohup_ignores_stays_ignored(self, listening: None, server: Reference) -> None:
        def ignore() -> None:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        program = launched(server, preexec_fn=ignore)  # nohup does just this
        program.send_signal(signal.SIGHUP)
        out, _ = program.communicate("go on\n", timeout=60)
        assert (program.returncode, out) == (9, "told go on\n")

    def test_a_signal_before_the_program_runs_starts_nothing(
        self, signed_in: None, server: Reference, tmp_path: Path
    ) -> None:
        offer(server, f"open({str(tmp_path / 'ran')!r}, 'w')")
        assert main(["install", "halyard"]) == 0
        server.fault, server.fault_paths = "hang", ("/v1/launches",)
        program = cetrus("run", "halyard", server=server)
        records = tmp_path / "home" / "servers"
        until(lambda: list(records.glob("*/launches/*.json")))
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=60)
        server.fault = None
        assert (program.returncode, err) == (128 + signal.SIGTERM, "Interrupted.\n")
        assert not (tmp_path / "ran").exists()


class TestEnds:
    def test_a_crash_of_the_program_ends_the_lease(
        self, signed_in: None, server: Reference
    ) -> None:
        offer(server, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
        assert main(["install", "halyard"]) == 0
        program = cetrus("run", "halyard", server=server)
        program.communicate(timeout=60)
        assert program.returncode == 128 + signal.SIGSEGV
        assert ended(server) == [True]

    def test_what_cannot_be_started_costs_no_launch(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('x')")
        assert main(["install", "halyard", "--json"]) == 0
        folder = json.loads(capsys.readouterr().out)["folder"]
        Path(folder, "bin", "tool").unlink()
        assert main(["run", "halyard"]) == 107
        assert server.rows == {}

    def test_what_the_system_does_not_start_ends_the_lease_at_once(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('x')")
        assert main(["install", "halyard", "--json"]) == 0
        folder = json.loads(capsys.readouterr().out)["folder"]
        Path(folder, "bin", "tool").chmod(0o644)
        assert main(["run", "halyard"]) == 108
        assert "cetrus install halyard" in capsys.readouterr().err
        assert ended(server) == [True]

    def test_the_lease_outlives_a_launcher_that_was_killed(
        self, signed_in: None, server: Reference
    ) -> None:
        offer(server, "import os; os.kill(os.getppid(), 9)")
        assert main(["install", "halyard"]) == 0
        first = cetrus("run", "halyard", server=server)
        first.communicate(timeout=60)
        assert first.returncode == -9
        offer(server, "print('again')")
        second = cetrus("run", "halyard", server=server)
        second.communicate(timeout=60)
        assert len(server.rows) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "exit_code", "advice"),
        [
            ("SUSPENDED", 104, "Contact the vendor"),
            ("SEATS_FULL", 110, "another computer, or wait"),
            ("CAP_REACHED", 111, "raise the spend cap"),
            ("PASS_USED_UP", 111, "buy more time"),
            ("EXPIRED", 112, "choose a plan"),
            ("RELEASE_WITHDRAWN", 113, "`cetrus update halyard`"),
            ("A_NEW_CODE", 104, "your account page"),
        ],
    )
    def test_each_says_what_to_do_and_starts_nothing(  # one case has this many parts
        self,
        signed_in: None,
        server: Reference,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
        code: str,
        exit_code: int,
        advice: str,
    ) -> None:
        offer(server, f"open({str(tmp_path / 'ran')!r}, 'w')")
        assert main(["install", "halyard"]) == 0
        capfd.readouterr()
        server.refuse = code
        assert main(["run", "halyard"]) == exit_code
        said = capfd.readouterr()
        assert said.out == ""
        assert advice in said.err
        assert not (tmp_path / "ran").exists()

    def test_a_full_license_says_when_to_try_again(
        self, signed_in: None, server: Reference, capfd: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('x')")
        assert main(["install", "halyard"]) == 0
        server.refuse, server.retry_after = "SEATS_FULL", 90
        assert main(["run", "halyard", "--json"]) == 110
        error = json.loads(capfd.readouterr().err)["error"]
        assert (error["code"], error["retry_after"]) == ("SEATS_FULL", 90)
        assert " Try again at " in error["hint"]
        server.retry_after = 200_000
        assert main(["check", "halyard"]) == 110
        assert "Try again in 56 hours." in capfd.readouterr().out


class TestStops:
    def test_a_program_is_told_before_it_is_ended_and_asked_before_it_is_killed(
        self,
        signed_in: None,
        server: Reference,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        asked = str(tmp_path / "asked")
        offer(
            server,
            "import signal, time\n"
            f"signal.signal(signal.SIGTERM, lambda *_: open({asked!r}, 'w').close())\n"
            "while True: time.sleep(0.1)",
        )
        assert main(["install", "halyard"]) == 0
        monkeypatch.setattr("cetrus.keeper.SAVE_S", 1.5)
        monkeypatch.setattr(programs, "KILL_AFTER_S", 1.0)
        refuse_renewals(server, "SUSPENDED")
        assert main(["run", "halyard"]) == 104
        said = capfd.readouterr().err
        assert said.index("because its license was suspended. Save your work now") < said.index(
            "The program was ended, because its license was suspended."
        )
        assert (tmp_path / "asked").exists()

    def test_a_program_that_saves_and_ends_in_time_is_left_alone(
        self,
        signed_in: None,
        server: Reference,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        told = tmp_path / "told"
        offer(
            server,
            "import os, sys, time\n"
            f"while not os.path.exists({str(told)!r}): time.sleep(0.05)\n"
            "sys.exit(5)",
        )
        assert main(["install", "halyard"]) == 0

        def hear(_: Any, text: str) -> None:
            if "Save your work" in text:
                told.touch()

        monkeypatch.setattr("cetrus.cli.output.Output.say_error", hear)
        refuse_renewals(server, "EXPIRED")
        assert main(["run", "halyard"]) == 5

    def test_an_outage_is_told_and_only_its_signed_grace_ends_the_program(
        self,
        signed_in: None,
        server: Reference,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        offer(server, "import time; time.sleep(600)")
        assert main(["install", "halyard"]) == 0
        monkeypatch.setattr("cetrus.timing.FIRST_RETRY", 0.1)
        monkeypatch.setattr("cetrus.timing.LONGEST_RETRY", 0.5)
        monkeypatch.setattr("cetrus.keeper.SAVE_S", 0.5)
        server.ttl_ms, server.outage = 1000, {"grace_s": 8, "mode": "run", "bill": "free"}
        server.fault, server.fault_paths = "503", ("/v1/leases",)
        assert main(["run", "halyard"]) == 103
        server.fault = None
        said = capfd.readouterr().err
        told = said.index("Cetrus cannot be reached. The program may run on until")
        over = said.index("because Cetrus was out of reach for longer than its license allows")
        assert told < over < said.index("Error: Cetrus could not be reached for longer")

    def test_an_outage_that_passes_leaves_the_program_running(
        self,
        signed_in: None,
        server: Reference,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        over = tmp_path / "over"
        offer(
            server,
            "import os, sys, time\n"
            f"while not os.path.exists({str(over)!r}): time.sleep(0.05)\n"
            "sys.exit(6)",
        )
        assert main(["install", "halyard"]) == 0
        monkeypatch.setattr("cetrus.timing.FIRST_RETRY", 0.1)
        server.ttl_ms = 1000
        server.fault, server.fault_paths = "503", ("/v1/leases",)

        def hear(_: Any, text: str) -> None:
            if text.startswith("Cetrus cannot be reached"):
                server.fault = None
            if "can be reached again" in text:
                over.touch()

        monkeypatch.setattr("cetrus.cli.output.Output.say_error", hear)
        assert main(["run", "halyard"]) == 6

    def test_the_last_minute_is_announced_once_more(self) -> None:
        from cetrus.cli.running import REMIND_S, Watch

        class Said:
            texts: list[str] = []  # noqa: RUF012 - one test, one list

            def say_error(self, text: str) -> None:
                self.texts.append(text)

        said: Any = Said()
        watch = Watch(said, Any)  # type: ignore[arg-type] # the session is not asked
        for left in (REMIND_S + 100, REMIND_S, REMIND_S - 1, 5.0):
            watch.remind(left)
        assert said.texts == ["This program is ended in 60 seconds. Save your work."]


class TestWindows:
    def test_nothing_of_posix_alone_is_needed_to_import(self) -> None:
        """Every module, where the system says that it is Windows and has only what Windows has."""
        code = """
import importlib, pkgutil, signal, sys, types
sys.path.insert(0, sys.argv[1])
import asyncio, ctypes, socket, subprocess, threading, httpx, jwt, cryptography.hazmat.primitives
import cryptography.hazmat.primitives.asymmetric.ed25519
sys.platform = "win32"
for name in ("fcntl", "pwd", "grp", "termios", "tty", "pty", "resource", "posix"):
    sys.modules[name] = None
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *_: None)
for name in ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGKILL"):
    if hasattr(signal, name):
        delattr(signal, name)
import cetrus
found = [m.name for m in pkgutil.walk_packages(cetrus.__path__, "cetrus.")]
for name in found:
    if name != "cetrus.__main__":
        importlib.import_module(name)
from cetrus.cli import main
from cetrus.cli.programs import Signals, in_foreground
from cetrus.releases import this_platform
with Signals():
    assert in_foreground() and this_platform() == "windows"
sys.exit(main(["status", "--server", "http://localhost:1"]))
"""
        done = subprocess.run(
            [sys.executable, "-c", code, str(CLIENT)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert "Nothing answers at http://localhost:1." in done.stdout
