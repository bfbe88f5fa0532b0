"""`cetrus` as a person and a program meet it: sentences, JSON, exit codes, streams."""

from __future__ import annotations

import io
import json
import socket
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from cetrus import Session
from cetrus.cli import main
from cetrus.cli.output import Progress, hours, paint
from cetrus.clock import SystemClock
from cetrus.errors import SignInNeeded
from client_tests.commands.tools import CLIENT, offer
from client_tests.conftest import sign_in
from client_tests.reference import APPLICATION

if TYPE_CHECKING:
    from cetrus.api import Api
    from cetrus.credentials import SignedIn
    from client_tests.reference import Reference


def this_computer() -> str:
    """The start of the computer's key, as the page that approves it shows it."""
    session = Session()
    key = session.computer.id
    session.close()
    return f"{key[:4]} {key[4:8]} {key[8:12]}"


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
        assert f"about the computer {this_computer()}.\n" in said
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


class TestCheck:
    @pytest.mark.parametrize(
        ("kind", "cost"),
        [
            ("pass", "This start uses your pass. Left on it: 9 hours. Nothing more is billed."),
            ("trial", "Your trial runs until 9 December 2026, 14:12 UTC."),
            ("subscription", "Your subscription covers this start: it costs nothing more."),
        ],
    )
    def test_says_in_the_service_s_words_what_a_start_costs(  # one case has this many parts
        self,
        signed_in: None,
        server: Reference,
        capsys: pytest.CaptureFixture[str],
        kind: str,
        cost: str,
    ) -> None:
        server.quote = {"kind": kind, "cost": cost, "ends_at": None}
        assert main(["check", "halyard"]) == 0
        assert cost in capsys.readouterr().out.splitlines()
        assert main(["check", "halyard", "--json"]) == 0
        offer = json.loads(capsys.readouterr().out)["offer"]
        assert offer == {"kind": kind, "cost": cost, "ends_at": None}

    def test_a_service_that_says_less_or_more_is_understood(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        quotes: list[dict[str, Any]] = [
            {"rate": 37},
            {"cost": 7},
            {"cost": "x\x1b[31m", "kind": None, "new": []},
        ]
        for quote in quotes:
            server.quote = quote
            assert main(["check", "halyard"]) == 0
        assert "\x1b" not in capsys.readouterr().out


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

    def test_adds_up_all_sign_ins_and_says_which_one_has_ended(
        self,
        signed_in: None,
        server: Reference,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def usage(_: Api, credential: SignedIn, cursor: str | None) -> dict[str, Any]:
            name = credential._application
            if name == "ended":
                raise SignInNeeded("The sign-in has ended.")
            row = {"day": "2026-11-24", "application": name, "license": f"lic_{name}"}
            return {"items": [{**row, "milliseconds": 3_600_000}], "next": None}

        monkeypatch.setattr("cetrus.api.Api.usage", usage)
        for name in ("ended", "tally"):
            session = Session()
            sign_in(session, server, name)
            session.close()
        assert main(["usage", "tally"]) == 0
        assert "1 h 00 min 00 s" in capsys.readouterr().out.splitlines()[-1]
        assert main(["usage"]) == 0
        said = capsys.readouterr().out
        assert "In all           3 h 00 min 00 s\n" in said
        assert "Without ended: its sign-in has ended. Run `cetrus login ended`.\n" in said
        assert main(["usage", "ended"]) == 105

    def test_names_the_application_and_the_plan_and_an_id_only_without_a_name(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["usage"]) == 0
        assert capsys.readouterr().out.splitlines()[0].endswith(APPLICATION)
        server.names = {APPLICATION: "Halyard", "lic_1": "Ten hours"}
        assert main(["usage"]) == 0
        assert capsys.readouterr().out.splitlines()[0].endswith("Halyard, Ten hours")
        assert main(["usage", "--json"]) == 0
        (row, _) = json.loads(capsys.readouterr().out)["items"]
        assert (row["application"], row["name"], row["plan"]) == (
            APPLICATION,
            "Halyard",
            "Ten hours",
        )


class TestNewcomer:
    """Somebody who starts at `cetrus --help` and makes every mistake there is."""

    def test_help_names_the_first_steps_the_codes_and_the_variables(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as caught:
            main(["--help"])
        assert caught.value.code == 0
        said = capsys.readouterr().out
        for word in ("cetrus login halyard", "113", "CETRUS_SERVER", "rollback", "status"):
            assert word in said
        assert all(len(line) <= 80 for line in said.splitlines())

    def test_the_version_is_that_of_the_package(self, capsys: pytest.CaptureFixture[str]) -> None:
        package = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"cetrus {package['version']}\n"

    def test_status_of_a_fresh_computer_says_how_to_begin(
        self, here: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status"]) == 0
        said = capsys.readouterr().out
        assert f"This computer: {this_computer()}\n" in said
        assert f"server {server.base}: reached\n" in said
        assert "Begin with `cetrus login APPLICATION`" in said

    def test_status_knows_what_is_installed_and_signed_in_to(
        self, signed_in: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["status"]) == 0
        assert "halyard: not installed, signed in\n" in capsys.readouterr().out
        offer(server, "print('x')")
        assert main(["install", "halyard"]) == 0
        assert main(["logout"]) == 0
        capsys.readouterr()
        assert main(["status"]) == 0
        assert "halyard: 1.0.0 installed, not signed in\n" in capsys.readouterr().out

    @pytest.mark.parametrize(("offset", "way"), [(7_200, "behind"), (-7_200, "ahead of")])
    def test_status_tells_a_clock_that_is_off(
        self,
        here: None,
        server: Reference,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        offset: int,
        way: str,
    ) -> None:
        real = SystemClock.wall_ms
        monkeypatch.setattr(SystemClock, "wall_ms", lambda self: real(self) - offset * 1000)
        assert main(["status"]) == 0
        assert f"the clock of this computer is 120 minutes {way} it" in capsys.readouterr().out

    def test_a_server_that_is_none_is_named_with_what_to_check(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert main(["--server", "http://localhost:1", "login", "halyard"]) == 103
        nothing = capsys.readouterr().err

        def unknown(*_: Any, **__: Any) -> Any:
            raise socket.gaierror(-2, "Name or service not known")

        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        assert main(["--server", "https://cetrus.invalid", "login", "halyard"]) == 103
        nowhere = capsys.readouterr().err
        assert "Nothing answers at http://localhost:1." in nothing
        assert "https://cetrus.invalid cannot be found." in nowhere
        assert "CETRUS_SERVER" in nothing
        assert "CETRUS_SERVER" in nowhere

    def test_a_server_of_somebody_else_is_told_from_cetrus(
        self, here: None, server: Reference, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for fault in ("portal", "redirect", "list"):
            server.fault = fault
            assert main(["login", "halyard"]) == 103
            said = capsys.readouterr().err
            assert f"What answers at {server.base} is not Cetrus" in said
        server.fault = None

    def test_the_server_of_the_last_sign_in_is_meant_where_none_is_named(
        self,
        server: Reference,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("key_1\n"))
        assert main(["--server", server.base, "login", "halyard", "--license-key"]) == 0
        assert main(["check", "halyard"]) == 0
        monkeypatch.setenv("CETRUS_SERVER", "http://localhost:1")
        assert main(["check", "halyard"]) == 105
        assert "Nobody is signed in" in capsys.readouterr().err

    def test_short_name_and_id_are_the_same_sign_in(
        self,
        here: None,
        server: Reference,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        offer(server, "print('x')")
        monkeypatch.setattr("sys.stdin", io.StringIO("key_1\n"))
        assert main(["login", "halyard", "--license-key"]) == 0
        assert main(["check", APPLICATION]) == 0
        assert main(["logout", APPLICATION]) == 0
        assert main(["check", "halyard"]) == 105
        assert main(["logout", "halyard"]) == 0
        assert "Nobody was signed in to halyard" in capsys.readouterr().out


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
