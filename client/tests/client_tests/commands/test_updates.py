"""Updates: found beside a launch, verified, swapped in one instant, and undone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cetrus import Client, Session, state
from cetrus.cli import main
from cetrus.installed import Shelf, start_command
from cetrus.updates import DAY_MS, Updates
from cetrus.versions import is_newer
from client_tests.commands.tools import cetrus, offer
from client_tests.reference import APPLICATION
from client_tests.test_install import VENDOR, tar_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client_tests.reference import Reference

LOOKS = "/v1/applications/halyard/release"


@pytest.fixture
def shelf(signed_in: None, server: Reference) -> Iterator[Shelf]:
    """With release 1.0.0 of Halyard on it."""
    offer(server, "print('one')")
    assert main(["install", "halyard"]) == 0
    session = Session()
    yield Shelf(session.folder)
    session.close()


def out_of(shelf: Shelf) -> str:
    """What the installed program prints."""
    command = start_command(shelf.require("halyard"))
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class TestVersions:
    @pytest.mark.parametrize(
        ("older", "newer"),
        [
            ("1.9", "1.10"),
            ("1.0", "1.0.1"),
            ("2.0.0-rc.1", "2.0.0"),
            ("2.0.0-rc.2", "2.0.0-rc.10"),
            ("2.0.0-1", "2.0.0-beta"),
            ("1.9.9.9", "2.0"),
        ],
    )
    def test_the_order_is_that_of_versions(self, older: str, newer: str) -> None:
        assert is_newer(newer, older)
        assert not is_newer(older, newer)

    @pytest.mark.parametrize(("one", "other"), [("1.0", "1.0.0"), ("1.0", "1.0"), ("1", "1.0.0.0")])
    def test_the_same_version_is_not_newer(self, one: str, other: str) -> None:
        assert not is_newer(one, other)
        assert not is_newer(other, one)

    @given(st.text(max_size=12), st.text(max_size=12))
    def test_what_is_no_version_moves_nobody(self, one: str, other: str) -> None:
        assert not (is_newer(one, other) and is_newer(other, one))
        assert not is_newer(f"v{one}", "1.0")
        assert not is_newer("2.0", f"v{other}")


class TestUpdate:
    def test_takes_the_newer_release_and_keeps_the_old_one(
        self, shelf: Shelf, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('two')", "1.1.0")
        assert main(["update", "halyard"]) == 0
        assert "cetrus rollback halyard" in capsys.readouterr().out
        installed = shelf.require("halyard")
        assert (installed.version, out_of(shelf)) == ("1.1.0", "two")
        assert shelf.require(APPLICATION) == installed
        assert sorted(p.name for p in Path(installed.root).iterdir()) == [
            "1.0.0",
            "1.1.0",
            "cetrus-root.json",
        ]

    def test_the_release_before_the_last_is_not_kept(self, shelf: Shelf, server: Reference) -> None:
        for version in ("1.1.0", "1.2.0"):
            offer(server, f"print({version!r})", version)
            assert main(["update"]) == 0
        root = Path(shelf.require("halyard").root)
        assert sorted(p.name for p in root.glob("1.*")) == ["1.1.0", "1.2.0"]

    def test_the_newest_is_left_as_it_is(
        self, shelf: Shelf, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        capsys.readouterr()
        assert main(["update", "halyard", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["update"], said["updated"]) == (None, False)
        assert not any(path.startswith("/s3/") for path in server.paths()[-1:])

    def test_checking_changes_nothing(
        self, shelf: Shelf, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('two')", "1.1.0")
        assert main(["update", "halyard", "--check"]) == 0
        assert "Halyard 1.1.0 is out; 1.0.0 is installed." in capsys.readouterr().out
        assert shelf.require("halyard").version == "1.0.0"

    def test_never_goes_back_by_itself(
        self, shelf: Shelf, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('old')", "0.9.0")
        assert main(["update", "halyard"]) == 0
        assert "`cetrus install halyard --downgrade`" in capsys.readouterr().out
        assert shelf.require("halyard").version == "1.0.0"
        assert main(["install", "halyard"]) == 107
        assert shelf.require("halyard").version == "1.0.0"
        assert main(["install", "halyard", "--downgrade"]) == 0
        assert (shelf.require("halyard").version, out_of(shelf)) == ("0.9.0", "old")

    def test_another_vendor_key_must_be_named(
        self, shelf: Shelf, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        thief = Ed25519PrivateKey.generate()
        monkeypatch.setattr("client_tests.commands.tools.VENDOR", thief)
        offer(server, "print('two')", "1.1.0")
        assert main(["update", "halyard"]) == 107
        assert out_of(shelf) == "one"

    def test_one_that_fails_does_not_hold_up_the_others(
        self, shelf: Shelf, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = shelf.require("halyard")
        state.write_json(
            shelf.path("app_other"),
            {
                "asked": "app_other",
                "application": "app_other",
                "name": "Other",
                "version": "1.0.0",
                "folder": other.folder,
                "sha256": "",
                "vendor_kid": "",
            },
        )
        offer(server, "print('two')", "1.1.0")
        assert main(["update"]) == 105
        assert "Other 1.0.0: Nobody is signed in to app_other" in capsys.readouterr().err
        assert shelf.require("halyard").version == "1.1.0"

    def test_nothing_installed_is_said(self, signed_in: None) -> None:
        assert main(["update"]) == 108


class TestFailure:
    def test_at_any_death_the_old_release_runs_or_the_new_one(
        self, shelf: Shelf, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Dies before each change of the disk in turn, as a kill would, until none is left."""
        offer(server, "print('two')", "1.1.0")
        deaths = 0
        while (died := self._die_at(deaths, monkeypatch)) is True:
            assert out_of(shelf) in {"one", "two"}
            assert shelf.require("halyard") == shelf.require(APPLICATION)
            deaths += 1
        assert (died, out_of(shelf)) == (False, "two")
        assert deaths > 8
        root = Path(shelf.require("halyard").root)
        assert not list(root.glob(".unpack-*"))

    def _die_at(self, nth: int, monkeypatch: pytest.MonkeyPatch) -> bool:
        class Death(BaseException):
            """As sudden as can be: no handler of errors sees it."""

        calls = 0

        def count(real: Any) -> Any:
            def call(*args: Any, **options: Any) -> Any:
                nonlocal calls
                calls += 1
                # Whoever is dead does not clean up either.
                if calls > nth:
                    raise Death
                return real(*args, **options)

            return call

        with monkeypatch.context() as patch:
            for owner, name in (
                (Path, "replace"),
                (Path, "rename"),
                (Path, "mkdir"),
                (Path, "unlink"),
                (Path, "chmod"),
                (shutil, "rmtree"),
            ):
                patch.setattr(owner, name, count(getattr(owner, name)))
            try:
                assert main(["update", "halyard"]) == 0
            except Death:
                return True
        return False

    def test_an_archive_that_cannot_start_is_not_swapped_in(
        self, shelf: Shelf, server: Reference
    ) -> None:
        manifest = json.dumps({"start": ["bin/gone"]}).encode()
        data = tar_of(("bin/tool", b""), ("cetrus-app.json", manifest))
        server.publish("halyard-1.1.0-linux.tar.gz", data, "linux", VENDOR, "1.1.0")
        assert main(["update", "halyard"]) == 107
        assert out_of(shelf) == "one"
        assert not Path(shelf.require("halyard").root, "1.1.0").exists()

    def test_a_disk_that_is_full_changes_nothing(
        self, shelf: Shelf, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        offer(server, "print('two')", "1.1.0")

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("cetrus.unpack._write", full)
            assert main(["update", "halyard"]) == 109
        assert out_of(shelf) == "one"
        assert main(["update", "halyard"]) == 0
        assert out_of(shelf) == "two"

    def test_two_at_once_do_not_mix(self, shelf: Shelf, server: Reference) -> None:
        lock = state.FileLock(shelf.path(APPLICATION).with_suffix(".lock"))
        assert lock.acquire()
        offer(server, "print('two')", "1.1.0")
        second = cetrus("update", "halyard", server=server)
        _, err = second.communicate(timeout=60)
        lock.release()
        assert second.returncode == 109
        assert "Another program holds" in err
        assert out_of(shelf) == "one"


class TestRollback:
    def test_goes_back_and_forth(self, shelf: Shelf, server: Reference) -> None:
        offer(server, "print('two')", "1.1.0")
        assert main(["update"]) == 0
        for version, text in (("1.0.0", "one"), ("1.1.0", "two"), ("1.0.0", "one")):
            assert main(["rollback", "halyard"]) == 0
            assert (shelf.require("halyard").version, out_of(shelf)) == (version, text)

    def test_without_an_earlier_release_nothing_changes(self, shelf: Shelf) -> None:
        assert main(["rollback", "halyard"]) == 108
        assert out_of(shelf) == "one"

    def test_a_repair_mends_what_is_installed_and_forgets_nothing(
        self, shelf: Shelf, server: Reference
    ) -> None:
        offer(server, "print('two')", "1.1.0")
        assert main(["update"]) == 0
        broken = Path(shelf.require("halyard").folder)
        (broken / "bin" / "tool").write_text("broken")
        assert main(["install", "halyard"]) == 0
        assert out_of(shelf) == "two"
        assert not broken.exists()
        assert main(["rollback", "halyard"]) == 0
        assert out_of(shelf) == "one"


class TestDownloaded:
    def test_a_file_from_a_browser_is_installed_without_a_second_download(
        self, shelf: Shelf, server: Reference, tmp_path: Path
    ) -> None:
        offer(server, "print('two')", "1.1.0")
        name = "halyard-1.1.0-linux.tar.gz"
        (tmp_path / name).write_bytes(server.files[name])
        assert main(["install", "halyard", "--from", str(tmp_path / name)]) == 0
        assert out_of(shelf) == "two"
        assert sum(path.startswith("/s3/") for path in server.paths()) == 1
        assert (tmp_path / name).exists()

    def test_a_file_that_was_not_signed_is_neither_verified_nor_installed(
        self, shelf: Shelf, server: Reference, tmp_path: Path
    ) -> None:
        name = "halyard-1.0.0-linux.tar.gz"
        good = server.files[name]
        file = tmp_path / name
        file.write_bytes(good)
        assert main(["verify", "halyard", str(file)]) == 0
        for bad in (good[:-1], good + b"x", good[:-1] + bytes([good[-1] ^ 1])):
            file.write_bytes(bad)
            assert main(["verify", "halyard", str(file)]) == 107
            assert main(["install", "halyard", "--from", str(file)]) == 107
        assert main(["verify", "halyard", str(tmp_path / "none")]) == 101
        assert out_of(shelf) == "one"


class TestLook:
    """What `cetrus run` asks beside the program."""

    def looks(self, server: Reference) -> int:
        return server.paths().count(LOOKS)

    @pytest.fixture(autouse=True)
    def patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The programs here run for a moment; the look is given the time that it needs."""
        monkeypatch.setattr("cetrus.cli.running.LINGER_S", 30.0)

    def test_is_had_once_a_day_and_told_at_the_next_launch(
        self, shelf: Shelf, server: Reference, capfd: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('two')", "1.1.0")
        capfd.readouterr()
        before = self.looks(server)
        assert main(["run", "halyard"]) == 0
        assert "1.1.0" not in capfd.readouterr().err
        for _ in range(2):
            assert main(["run", "halyard"]) == 0
            said = capfd.readouterr()
            assert said.out == "one\n"
            assert "Halyard 1.1.0 is out; this is 1.0.0. " in said.err
            assert "`cetrus update halyard`" in said.err
        assert self.looks(server) == before + 1

    def test_asks_again_the_next_day_and_after_the_clock_was_set_back(
        self, shelf: Shelf, server: Reference
    ) -> None:
        before = self.looks(server)
        session = Session()
        path = Updates(session)._path(APPLICATION)
        for age in (0, DAY_MS - 600_000, DAY_MS + 1000, -600_000):
            at = session.clock.wall_ms() - age
            state.write_json(path, {"at_ms": at, "version": None})
            assert main(["run", "halyard"]) == 0
        session.close()
        assert self.looks(server) == before + 2

    def test_is_not_had_where_it_is_turned_off(
        self, shelf: Shelf, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CETRUS_UPDATE_CHECK", "0")
        before = self.looks(server)
        assert main(["run", "halyard"]) == 0
        assert self.looks(server) == before

    @pytest.mark.parametrize("fault", ["close", "garbage", "503", "portal"])
    def test_is_quiet_where_it_fails_and_not_tried_at_every_launch(
        self, shelf: Shelf, server: Reference, capfd: pytest.CaptureFixture[str], fault: str
    ) -> None:
        server.fault, server.fault_paths = fault, (LOOKS,)
        for _ in range(2):
            capfd.readouterr()
            assert main(["run", "halyard"]) == 0
            assert capfd.readouterr().err.splitlines()[0] == "Halyard ⚓"
        server.fault = None

    def test_never_holds_up_the_program(
        self, shelf: Shelf, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer comes only after the program has ended."""
        monkeypatch.setattr("cetrus.cli.running.LINGER_S", 0.0)
        server.fault, server.fault_paths = "hang", (LOOKS,)
        assert main(["run", "halyard"]) == 0
        assert [row.ended for row in server.rows.values()] == [True]
        server.fault = None

    def test_an_update_that_nobody_signed_is_not_told(
        self, shelf: Shelf, server: Reference, capfd: pytest.CaptureFixture[str]
    ) -> None:
        offer(server, "print('two')", "1.1.0")
        server.releases["linux"]["version"] = "9.9.9"
        for _ in range(2):
            assert main(["run", "halyard"]) == 0
        assert "is out" not in capfd.readouterr().err

    def test_nothing_is_told_but_what_installing_tells(
        self, shelf: Shelf, server: Reference
    ) -> None:
        asked = len(server.requests)
        assert main(["run", "halyard"]) == 0
        (look,) = [r for r in server.requests[asked:] if r[1] == LOOKS]
        assert look == ("GET", LOOKS, {})


class TestLibrary:
    def test_a_program_by_itself_learns_of_a_newer_release_once_a_day(
        self, signed_in: None, server: Reference
    ) -> None:
        offer(server, "print('two')", "1.1.0")
        with Client(APPLICATION) as client:
            assert client.newer_release("1.0.0") == "1.1.0"
            assert client.newer_release("1.1.0") is None
            assert client.newer_release("1.0.0") == "1.1.0"
        assert sum(path.endswith("/release") for path in server.paths()) == 1

    @pytest.mark.parametrize("fault", ["close", "portal", "503"])
    def test_and_nothing_where_nobody_answers(
        self, signed_in: None, server: Reference, fault: str
    ) -> None:
        server.fault = fault
        with Client(APPLICATION) as client:
            assert client.newer_release("1.0.0") is None
        server.fault = None
