"""What a command writes bears the time of its cloud: a local one's, or that of a right clock."""

from __future__ import annotations

import time
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from infra import admin
from infra.local import clock
from tests.conftest import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = {
    "infra.admin": ["signing-key"],
    "infra.operate.dead_letters": [],
    "infra.operate.proof": ["--results", "none"],
    "infra.operate.restore": ["--source", "a", "--target", "b"],
    "infra.operate.untaken_mail": [],
}


class Followed(Exception):
    """The command has come as far as following the clock, before it did anything else."""


@pytest.mark.parametrize(("module", "arguments"), COMMANDS.items(), ids=COMMANDS)
def test_a_command_follows_the_clock_of_the_local_cloud_first(
    module: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(path: str) -> None:
        raise Followed(path)

    monkeypatch.setattr(clock, "follow", follow)
    monkeypatch.setenv("LOCAL_CLOCK", str(tmp_path / "clock"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8001")
    with pytest.raises(Followed, match="clock"):
        import_module(module).main(arguments)


@pytest.mark.parametrize("endpoint", ["", "https://dynamodb.eu-west-1.amazonaws.com"])
@pytest.mark.parametrize(("module", "arguments"), COMMANDS.items(), ids=COMMANDS)
def test_no_command_follows_another_clock_anywhere_else(
    module: str, arguments: list[str], endpoint: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(clock, "follow", lambda _: pytest.fail("another clock was followed"))
    monkeypatch.setenv("LOCAL_CLOCK", str(tmp_path / "clock"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(SystemExit, match="local cloud alone"):
        import_module(module).main(arguments)


class TestAWrongClock:
    """The service's own is in each of its answers, also where it refuses ours."""

    @pytest.mark.parametrize("minutes", [-4, 4, 3 * 365 * 24 * 60])
    @pytest.mark.parametrize(("module", "arguments"), COMMANDS.items(), ids=COMMANDS)
    def test_no_command_runs_by_one(
        self, module: str, arguments: list[str], minutes: int, aws: None
    ) -> None:
        with kept_time(minutes), pytest.raises(SystemExit, match="minutes wrong"):
            import_module(module).main(arguments)

    @pytest.mark.parametrize("minutes", [-2, 0, 2])
    def test_two_minutes_are_none(self, minutes: int, aws: None) -> None:
        with kept_time(minutes):
            admin.use_clock()

    def test_the_services_own_is_that_of_its_answer(self, aws: None) -> None:
        assert abs(admin.service_time() - time.time() * 1000) < 60_000

    def test_the_time_is_taken_from_a_refusal_too(
        self, aws: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(**_: object) -> None:
            answer: Any = {
                "Error": {"Code": "SignatureDoesNotMatch"},
                "ResponseMetadata": {"HTTPHeaders": {"date": "Wed, 25 Nov 2026 12:00:00 GMT"}},
            }
            raise ClientError(answer, "GetCallerIdentity")

        refusing = type("Sts", (), {"get_caller_identity": staticmethod(refuse)})
        monkeypatch.setattr(admin, "client", lambda _: refusing)
        assert admin.service_time() == NOON

    def test_what_asks_no_cloud_needs_no_clock(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admin, "use_clock", lambda: pytest.fail("a cloud was asked"))
        assert admin.main(["vendor-key", "--out", str(tmp_path / "vendor.jwk")]) == 0


@contextmanager
def kept_time(minutes: int) -> Iterator[None]:
    """This machine's clock is wrong, and the service's is not."""
    right = time.time()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(admin, "service_time", lambda: round(right * 1000))
        patched.setattr(time, "time", lambda: right + minutes * 60)
        yield


def test_where_there_is_no_cloud_a_command_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost() -> int:
        raise NoCredentialsError

    monkeypatch.delenv("LOCAL_CLOCK", raising=False)
    monkeypatch.setattr(admin, "service_time", lost)
    with pytest.raises(SystemExit) as exits:
        admin.main(["signing-key"])
    assert exits.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("signing-key: no AWS credentials")
