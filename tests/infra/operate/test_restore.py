"""Putting back what a table has lost: never over what is there, nor what must stay away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from infra.operate import restore as restoring
from infra.operate.restore import restore, scanned
from tests.infra.operate.world import SHAPE, client

if TYPE_CHECKING:
    from collections.abc import Iterator

COPY, TABLE_NAME = "accounts-restored", "accounts"


def item(pk: str, **more: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "ROW"}, **{name: {"S": it} for name, it in more.items()}}


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        made = client("dynamodb")
        for name in (COPY, TABLE_NAME):
            made.create_table(TableName=name, **SHAPE)
        yield made


def put(dynamodb: Any, table: str, *items: dict[str, Any]) -> None:
    for one in items:
        dynamodb.put_item(TableName=table, Item=one)


def held(dynamodb: Any) -> list[dict[str, Any]]:
    return sorted(scanned(dynamodb, TABLE_NAME), key=lambda it: str(it["pk"]["S"]))


class TestRestore:
    def test_what_is_missing_comes_back_whole(self, dynamodb: Any) -> None:
        lost = {**item("ACCOUNT#1", name="sealed"), "count": {"N": "3"}, "key": {"B": b"\x00\x01"}}
        put(dynamodb, COPY, lost)
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there, done.away) == (1, 0, 0)
        assert held(dynamodb) == [lost]

    def test_what_is_there_is_newer_and_stays(self, dynamodb: Any) -> None:
        put(dynamodb, COPY, item("ACCOUNT#1", state="old"))
        put(dynamodb, TABLE_NAME, item("ACCOUNT#1", state="new"))
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there) == (0, 1)
        assert held(dynamodb) == [item("ACCOUNT#1", state="new")]

    def test_again_changes_nothing(self, dynamodb: Any) -> None:
        put(dynamodb, COPY, item("ACCOUNT#1"), item("ORDER#1"))
        assert restore(dynamodb, COPY, TABLE_NAME).put == 2
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there) == (0, 2)

    @pytest.mark.parametrize(
        "away",
        [
            item("SESSION#x"),
            item("FAMILY#x"),
            item("REFRESH#x"),
            item("DEVICE#x"),
            item("CODE#x"),
            item("MESSAGE#x", state="waiting"),
            item("MESSAGE#x", state="sending"),
        ],
        ids=lambda it: f"{it['pk']['S'][:-2]}-{it.get('state', {}).get('S', 'any')}",
    )
    def test_what_must_not_live_again_stays_away(self, away: Any, dynamodb: Any) -> None:
        put(dynamodb, COPY, away)
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.away) == (0, 1)
        assert held(dynamodb) == []

    @pytest.mark.guarantee("G10")
    def test_no_grant_is_ever_put_back(self, dynamodb: Any) -> None:
        sealed, grant = ({**item("SUBJECT#x"), "sk": {"S": row}} for row in ("SEALED#a", "KEY#a"))
        put(dynamodb, COPY, sealed, grant)
        restore(dynamodb, COPY, TABLE_NAME)
        assert held(dynamodb) == [sealed]

    def test_a_mail_that_went_out_is_a_record_and_comes_back(self, dynamodb: Any) -> None:
        put(dynamodb, COPY, item("MESSAGE#x", state="sent"))
        assert restore(dynamodb, COPY, TABLE_NAME).put == 1

    def test_every_page_of_the_copy_is_read(self, dynamodb: Any) -> None:
        # Two megabytes: more than one page of a Scan.
        put(dynamodb, COPY, *(item(f"ORDER#{n}", text="x" * 300_000) for n in range(7)))
        assert restore(dynamodb, COPY, TABLE_NAME).put == 7

    def test_the_command_says_what_it_did(
        self, dynamodb: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("boto3.client", lambda _: dynamodb)
        put(dynamodb, COPY, item("ACCOUNT#1"), item("SESSION#1"))
        assert restoring.main(["--source", COPY, "--target", TABLE_NAME]) == 0
        said = "accounts: 1 put back, 0 there already, 1 left out on purpose"
        assert capsys.readouterr().out.strip() == said
