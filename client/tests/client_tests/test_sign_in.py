"""The device flow, stored tokens, and many processes that use them at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cetrus import (
    Client,
    Session,
    SignInDenied,
    SignInExpired,
    SignInNeeded,
    StateTrouble,
    begin_sign_in,
    finish_sign_in,
    state,
)
from cetrus.errors import CetrusError
from cetrus.wire import Wire
from client_tests.conftest import FakeClock, sign_in
from client_tests.reference import APPLICATION, Reference

if TYPE_CHECKING:
    from collections.abc import Callable


class TestDeviceFlow:
    def waited(
        self, session: Session, server: Reference, clock: FakeClock, answers: list[str]
    ) -> list[float]:
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock.advance(seconds)

        server.device_answers = answers
        finish_sign_in(session, begin_sign_in(session, APPLICATION), sleep=sleep)
        return waits

    def test_waits_for_the_approval_and_stores_the_sign_in(
        self, session: Session, server: Reference, clock: FakeClock
    ) -> None:
        answers = ["authorization_pending", "authorization_pending", "ok"]
        assert self.waited(session, server, clock, answers) == [5, 5, 5]
        assert Client(APPLICATION, session=session).check().valid

    def test_slows_down_when_asked_to(
        self, session: Session, server: Reference, clock: FakeClock
    ) -> None:
        answers = ["slow_down", "authorization_pending", "ok"]
        assert self.waited(session, server, clock, answers) == [5, 10, 10]

    def test_a_decline_is_an_error_of_its_own(
        self, session: Session, server: Reference, clock: FakeClock
    ) -> None:
        with pytest.raises(SignInDenied):
            self.waited(session, server, clock, ["access_denied"])

    @pytest.mark.parametrize("answers", [["expired_token"], ["authorization_pending"] * 200])
    def test_a_code_that_nobody_approves_expires(
        self, session: Session, server: Reference, clock: FakeClock, answers: list[str]
    ) -> None:
        with pytest.raises(SignInExpired):
            self.waited(session, server, clock, answers)

    def test_without_a_sign_in_the_error_names_the_command(self, session: Session) -> None:
        with pytest.raises(SignInNeeded) as caught:
            Client(APPLICATION, session=session).check()
        assert "cetrus login app_halyard" in caught.value.hint

    def test_an_ended_sign_in_is_kept_until_the_next_one(
        self, client: Client, session: Session, server: Reference, clock: FakeClock
    ) -> None:
        server.family_dead = True
        clock.advance(3600)
        with pytest.raises(SignInNeeded):
            client.check()
        assert session.sign_ins.read(APPLICATION) is not None


class TestRotation:
    def test_two_processes_that_refresh_at_once_both_go_on(
        self, session: Session, server: Reference
    ) -> None:
        sign_in(session, server)
        program = (
            "import sys, cetrus; c = cetrus.Client('app_halyard'); print('ready', flush=True);"
            "sys.stdin.readline(); print(c.check().code)"
        )
        environment = {
            **os.environ,
            "CETRUS_SERVER": server.base,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        children = [
            subprocess.Popen(
                [sys.executable, "-c", program],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        server.slow_tokens_s = 0.5
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        # All are let go before any can be done.
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        outputs = [child.communicate(timeout=60) for child in children]
        assert [out.strip() for out, _ in outputs] == ["VALID"] * 3, outputs
        assert server.paths().count("/v1/device/token") == 1
        assert not server.family_dead

    def test_a_rejected_token_is_exchanged_once(self, client: Client, server: Reference) -> None:
        server.tokens.clear()
        assert client.check().valid
        assert server.paths().count("/v1/device/token") == 1


class TestState:
    def test_keys_and_tokens_are_readable_by_this_user_alone(
        self, client: Client, session: Session
    ) -> None:
        client.check()
        files = [path for path in session.folder.rglob("*.json") if path.is_file()]
        assert {path.name for path in files} >= {"computer.json"}
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
        assert stat.S_IMODE(session.folder.stat().st_mode) == 0o700

    def test_the_key_of_a_computer_is_made_once(self, new_session: Callable[[], Session]) -> None:
        assert new_session().api.computer.id == new_session().api.computer.id

    def test_a_damaged_key_is_an_error_and_never_silently_replaced(
        self, new_session: Callable[[], Session]
    ) -> None:
        folder = new_session().folder
        folder.mkdir(parents=True)
        (folder / "computer.json").write_text("{")
        with pytest.raises(StateTrouble):
            _ = new_session().api
        (folder / "computer.json").write_text('{"d": "AAAA"}')
        with pytest.raises(StateTrouble):
            _ = new_session().api

    def test_a_write_that_fails_leaves_what_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "file.json"
        state.write_json(path, {"n": 1})

        def fail(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(StateTrouble):
            state.write_json(path, {"n": 2})
        assert state.read_json(path) == {"n": 1}
        assert [found.name for found in tmp_path.glob("*file.json*")] == ["file.json"]

    def test_a_lock_is_held_by_one_and_gone_with_it(self, tmp_path: Path) -> None:
        one, two = state.FileLock(tmp_path / "l"), state.FileLock(tmp_path / "l")
        assert one.acquire()
        assert not two.acquire(0.1)
        one.release()
        assert two.acquire()
        two.release()

    def test_what_one_server_gave_is_never_sent_to_another(self, tmp_path: Path) -> None:
        one = state.server_folder(tmp_path, "https://a.example")
        assert one != state.server_folder(tmp_path, "https://b.example")
        assert one != state.server_folder(tmp_path, "https://a.example:8443")

    def test_secrets_are_not_in_what_is_printed(self, client: Client, session: Session) -> None:
        stored = session.sign_ins.read(APPLICATION)
        assert stored is not None
        assert stored.access_token not in repr(stored)
        assert stored.refresh_token not in repr(stored)


@pytest.mark.parametrize(
    "address",
    [
        "http://cetrus.example",
        "ftp://localhost",
        "localhost:8000",
        "https://",
        "https://user:password@cetrus.example",
        "http://localhost.example",
    ],
)
def test_plain_http_is_for_this_machine_alone(address: str) -> None:
    with pytest.raises(CetrusError):
        Wire(address)
