"""Putting back what a table has lost: never over what is there, nor what must stay away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from chalicelib.licenses.sweep import LicenseSweep
from chalicelib.usage.service import Usage
from chalicelib.usage.store import UsageStore
from infra.operate import restore as restoring
from infra.operate.restore import restore, scanned
from tests.infra.operate.world import SHAPE, client
from tests.licenses.world import World

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


def row(pk: str, sk: str, **more: str) -> dict[str, Any]:
    return {**item(pk, **more), "sk": {"S": sk}}


def account(state: str = "active", email: str = "old") -> dict[str, Any]:
    return row("ACCOUNT#1", "ACCOUNT", state=state, email_claim=email, login_claim="ada")


def member(state: str = "active") -> dict[str, Any]:
    return row("STAFF#1", "STAFF", state=state, name_claim="grace")


EMAIL = row("EMAIL#old", "EMAIL", account="1")
LOGIN = row("LOGIN#ada", "LOGIN", account="1")
STAFFNAME = row("STAFFNAME#grace", "STAFFNAME", staff_id="1")


class TestNames:
    @pytest.mark.parametrize("state", ["active", "unconfirmed"])
    def test_lost_names_come_back_with_their_lost_owners(self, state: str, dynamodb: Any) -> None:
        everything = [account(state), EMAIL, LOGIN, member(), STAFFNAME]
        put(dynamodb, COPY, *everything)
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there, done.away) == (5, 0, 0)
        assert held(dynamodb) == sorted(everything, key=lambda it: str(it["pk"]["S"]))
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there, done.away) == (0, 5, 0)

    @pytest.mark.guarantee("G7")
    def test_an_address_that_the_account_moved_from_stays_free(self, dynamodb: Any) -> None:
        put(dynamodb, COPY, account(), EMAIL, LOGIN)
        put(dynamodb, TABLE_NAME, account(email="new"), row("EMAIL#new", "EMAIL", account="1"))
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there, done.away) == (1, 1, 1)
        assert EMAIL not in held(dynamodb)
        assert LOGIN in held(dynamodb)

    @pytest.mark.guarantee("G7")
    def test_names_of_whoever_left_stay_free(self, dynamodb: Any) -> None:
        put(dynamodb, COPY, account(), EMAIL, LOGIN, member(), STAFFNAME)
        left = [account("ending"), member("ended")]
        put(dynamodb, TABLE_NAME, *left)
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there, done.away) == (0, 2, 3)
        assert held(dynamodb) == left

    def test_names_of_nobody_stay_free(self, dynamodb: Any) -> None:
        put(dynamodb, COPY, EMAIL, LOGIN, STAFFNAME)
        assert restore(dynamodb, COPY, TABLE_NAME).away == 3
        assert held(dynamodb) == []

    def test_a_name_that_another_took_meanwhile_stays_the_others(self, dynamodb: Any) -> None:
        put(dynamodb, COPY, account(), EMAIL)
        taken = row("EMAIL#old", "EMAIL", account="2")
        put(dynamodb, TABLE_NAME, account(email="new"), taken)
        done = restore(dynamodb, COPY, TABLE_NAME)
        assert (done.put, done.there, done.away) == (0, 2, 0)
        assert taken in held(dynamodb)


class TestLeases:
    @pytest.mark.guarantee("G2")
    def test_a_lease_that_ended_after_the_copy_is_closed_once_more_without_a_trace(
        self, dynamodb: Any
    ) -> None:
        for name in ("usage", "usage-restored"):
            dynamodb.create_table(TableName=name, **SHAPE)
        world = World(dynamodb, accounts_name=TABLE_NAME)
        license_id = world.license()
        lease = world.opened(license_id)
        put(dynamodb, "usage-restored", *scanned(dynamodb, "usage"))
        world.clock.now += 1_000
        world.licenses.end(lease)
        rows = world.rows(license_id)
        assert restore(dynamodb, "usage-restored", "usage").put == 1
        world.clock.now = lease.expires_at
        usage = Usage(UsageStore(world.store.usage), world.licenses)
        sweep = LicenseSweep(world.licenses, usage, world.clock)
        assert sweep.license(license_id)[0] == 1
        assert sweep.license(license_id)[0] == 0
        assert world.open(license_id) == []
        assert world.rows(license_id) == rows


@pytest.mark.promise("PS-45")
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
            item("SESSIONS#x"),
            item("STAFFSESSION#x"),
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
    @pytest.mark.promise("PS-70")
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
        monkeypatch.setattr("infra.admin.use_clock", lambda: None)
        done = {"erased_again": 2, "rest_again": 1, "back_again": 0}
        monkeypatch.setattr("infra.operate.leaving.leave_again", lambda: done)
        put(dynamodb, COPY, item("ACCOUNT#1"), item("SESSION#1"))
        assert restoring.main(["--source", COPY, "--target", TABLE_NAME]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "accounts: 1 put back, 0 there already, 1 left out on purpose",
            "erased since, and back: 2, which are erased again",
            "deactivated since, and active: 1, which rest again",
            "back since, and deactivated: 0, which are back again",
        ]
