"""Mail whose event was dropped is found by the operator's command, and taken in by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.cases.service import Cases
from infra.operate.untaken_mail import main
from tests.cases.conftest import cases, raw
from tests.conftest import kept_client
from tests.mail.test_inbound import event, objects

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.usefixtures("tables", "clock")


def dropped(key: str, mail: bytes) -> None:
    """It is in the bucket, and no function ever heard of it."""
    kept_client("s3").put_object(Bucket="cetrus-mail", Key=key, Body=mail)


def test_what_was_taken_in_is_not_listed_and_the_rest_stays(
    tables: Tables, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped("in/known", raw("A question"))
    wiring.inbound_mail().receive(event("in/known"))
    dropped("in/lost", raw("Another, of zq7"))
    for _ in range(2):
        assert main([]) == 0
        said = capsys.readouterr().out
        assert said == "in/lost  waits\n1 in all\n"
    assert len(cases(tables)) == 1


@pytest.mark.promise("PS-76")
def test_a_wish_to_be_left_alone_is_heard_after_all(
    tables: Tables, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped("in/wish", raw("REMOVE"))
    dropped("in/question", raw("A question"))
    assert main(["--again"]) == 0
    said = capsys.readouterr().out
    assert "in/wish  removed" in said
    assert "in/question  case" in said
    assert objects() == ["in/question"]
    assert main([]) == 0
    assert capsys.readouterr().out == "0 in all\n"


def test_one_that_fails_again_is_told_by_its_kind_and_keeps_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped("in/1", raw("A question", body="zq7"))
    dropped("in/2", raw("REMOVE"))

    def broken(*_: object, **__: object) -> None:
        raise ValueError("zq7")

    monkeypatch.setattr(Cases, "from_mail", broken)
    assert main(["--again"]) == 1
    said = capsys.readouterr().out
    assert "in/1  failed: ValueError" in said
    assert "in/2  removed" in said
    assert "zq7" not in said
    assert objects() == ["in/1"]


def test_a_stack_that_is_not_there_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exits:
        main(["--stack", "cetrus-nowhere"])
    assert exits.value.code == 2
    assert capsys.readouterr().err.startswith("untaken_mail: there is no stack cetrus-nowhere")
