"""`cetrus` as a person and a program meet it: sentences, JSON, exit codes, streams."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from cetrus.cli import main
from cetrus.cli.output import Progress, hours, paint
from client_tests.reference import APPLICATION

if TYPE_CHECKING:
    from client_tests.reference import Reference


class TestLogin:
    def test_prints_where_to_go_and_the_code(
        self,
        here: None,
        server: Reference,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("cetrus.signing_in.finish_sign_in.__kwdefaults__", {"sleep": id})
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", opened.append)
        server.device_answers = ["authorization_pending", "ok"]
        assert main(["login", "halyard"]) == 0
        said = capsys.readouterr().out
        assert f"open {server.base}/device\n" in said
        assert "WDJB-MJHT" in said
        assert "Signed in to halyard" in said
        assert opened == []
        assert main(["login", "halyard", "--browser"]) == 0
        assert opened == [f"{server.base}/device?user_code=WDJB-MJHT"]

    def test_takes_a_license_key_from_standard_input_alone(
        self,
        here: None,
        server: Reference,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("key_1\n"))
        assert main(["login", "halyard", "--license-key"]) == 0
        assert main(["check", "halyard"]) == 0
        assert "key_1" not in capsys.readouterr().out

    def test_logout_forgets_the_tokens(
        self, signed_in: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["logout", "halyard"]) == 0
        assert main(["check", "halyard"]) == 105
        assert main(["check", APPLICATION]) == 0
        assert main(["logout"]) == 0
        assert main(["check", APPLICATION]) == 105


class TestErrors:
    def test_each_names_what_to_do_next_on_stderr(
        self, here: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["check", "halyard"]) == 105
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("Error: Nobody is signed in to halyard on this computer.\n")
        assert "cetrus login halyard" in said.err

    def test_programs_get_them_as_json(
        self, here: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["run", "halyard", "--json"]) == 108
        error = json.loads(capsys.readouterr().err)["error"]
        assert error["exit_code"] == 108
        assert "cetrus install halyard" in error["hint"]

    def test_an_unreachable_server_is_code_3(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.fault = "portal"
        assert main(["check", "halyard"]) == 103
        server.fault = None
        assert "Traceback" not in capsys.readouterr().err

    def test_a_refusal_is_code_4(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.refuse = "SEATS_FULL"
        assert main(["check", "halyard"]) == 110
        assert "would be refused now (SEATS_FULL)" in capsys.readouterr().out

    def test_an_unknown_application_is_code_6(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.fault, server.fault_paths = "403", ("/v1/applications",)
        assert main(["install", "halyard"]) == 106
        server.fault = None

    def test_a_bad_address_and_bad_arguments_have_their_codes(
        self, here: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--server", "http://cetrus.example", "check", "halyard"]) == 101
        with pytest.raises(SystemExit) as caught:
            main(["frobnicate"])
        assert caught.value.code == 2

    def test_our_own_mistakes_show_no_traceback_without_debug(
        self, here: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_: str) -> None:
            raise KeyError("x")

        monkeypatch.setattr("cetrus.cli.sessions.Session", fail)
        assert main(["check", "halyard"]) == 101
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert "--debug" in said
        with pytest.raises(KeyError):
            main(["check", "halyard", "--debug"])


class TestUsage:
    def test_shows_every_page_and_the_sum(
        self, signed_in: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["usage"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["2026-11-24", "2026-11-25", "In"]
        assert "1 h 30 min 00 s" in lines[0]
        assert "3 h 00 min 00 s" in lines[2]
        assert main(["usage", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["milliseconds"] == 10_800_000


class TestOutput:
    def test_colors_are_for_terminals_that_want_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert paint("x", "1", Terminal()) == "\x1b[1mx\x1b[0m"
        assert paint("x", "1", io.StringIO()) == "x"
        monkeypatch.setenv("NO_COLOR", "1")
        assert paint("x", "1", Terminal()) == "x"

    def test_the_bar_redraws_when_the_percentage_changes(self) -> None:
        stream = io.StringIO()
        bar = Progress("Halyard 1.0.0", stream)
        for done in (0, 1, 500, 1000):
            bar(done, 1000)
        bar.finish()
        assert stream.getvalue().count("\r") == 3
        assert "100 %" in stream.getvalue()

    def test_time_is_cut_and_never_rounded_up(self) -> None:
        assert hours(59_999) == "0 h 00 min 59 s"
