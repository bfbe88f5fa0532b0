"""Heads: each hour the ledger's state is signed and locked away, once, with none left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.privacy import wiring as records
from chalicelib.privacy.heads import (
    CURSOR,
    FAR,
    LOOK_BACK,
    Head,
    HeadGone,
    days_ahead,
    from_body,
    is_ahead,
    key_of,
    to_body,
)  # fmt: skip
from chalicelib.privacy.ledger import Ledger
from chalicelib.privacy.published import first_versions
from chalicelib.privacy.rules import FIRST, Entry, Event, Purpose
from chalicelib.privacy.seals import SealInvalid, digest
from tests.conftest import NOON, kept_client
from tests.privacy.test_vault import PROFILE, collected

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-45")
OPENED = Entry(Event.OPENED, Purpose.ACCOUNT, "1:x", "test")
TEN_PAST = 10 * MINUTE


def record(subject: str, at: int) -> None:
    Ledger(wiring.accounts_table()).record(subject, OPENED, at)


def run() -> dict[str, int]:
    return records.head_maker().run()


def head(number: int) -> Head:
    found = records.heads().head(number)
    assert found
    return found


def point_at(tables: Tables, number: int | None) -> None:
    """The cursor, as somebody with the table could set it."""
    tables.accounts.apply(tables.accounts.delete(CURSOR, "CURSOR"))
    if number:
        item = {"pk": CURSOR, "sk": "CURSOR", "type": "cursor", "v": 1, "read_until": number}
        tables.accounts.apply(tables.accounts.put(item))


def stored() -> list[str]:
    return [found.key for found in records.heads().bucket.listed()]


class TestWhatAHeadSays:
    def test_every_chain_that_moved_with_its_last_row_of_the_hour(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        for subject, at in (("sub_b", 1), ("sub_a", 2), ("sub_a", 3)):
            record(subject, NOON + at)
        record("sub_a", NOON + HOUR)  # of the next hour
        clock.now = NOON + HOUR + TEN_PAST
        assert run() == {"heads": 1, "chains": 2}
        rows = {row.number: row for row in Ledger(tables.accounts).rows("sub_a")}
        (first,) = Ledger(tables.accounts).rows("sub_b")
        assert head(1) == Head(
            1,
            NOON + HOUR - LOOK_BACK,
            NOON + HOUR,
            FIRST,
            (("sub_a", 2, rows[2].hash), ("sub_b", 1, first.hash)),
            made_at=clock.now,
            policies=first_versions(),
        )

    def test_an_hour_in_which_nothing_moved_has_a_head_too(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        clock.now = NOON + TEN_PAST
        run()
        clock.advance(HOUR)
        assert run() == {"heads": 1, "chains": 0}
        assert head(2) == Head(
            2, NOON, NOON + HOUR, head(1).hash, (), clock.now, policies=first_versions()
        )

    def test_hours_that_were_missed_are_in_the_next_head(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        clock.now = NOON + TEN_PAST
        run()
        for hours in (0, 5, 47):
            record(f"sub_{hours}", NOON + hours * HOUR)
        clock.advance(2 * DAY)
        assert run() == {"heads": 1, "chains": 3}
        assert (head(2).start, head(2).until) == (NOON, NOON + 2 * DAY)

    def test_an_hour_is_left_alone_until_it_has_settled(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        clock.now = NOON + TEN_PAST
        run()
        clock.now = NOON + HOUR + 5 * MINUTE - 1
        assert run() == {"heads": 0, "chains": 0}
        clock.advance(1)
        assert run() == {"heads": 1, "chains": 0}

    def test_the_chains_themselves_are_read_and_not_the_index(
        self, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record("sub_a", NOON)
        record("sub_a", NOON + 1)
        clock.now = NOON + HOUR + TEN_PAST
        maker = records.head_maker()
        monkeypatch.setattr(maker.ledger, "moved", lambda *_: iter([("sub_a", 1)]))
        maker.run()
        assert [chain[:2] for chain in head(1).chains] == [("sub_a", 2)]

    def test_it_names_nobody(self, tables: Tables, clock: FakeClock) -> None:
        collected()
        clock.advance(HOUR + TEN_PAST)
        assert run()["chains"] == 1
        text = records.heads().bucket.read(key_of(1)).decode()
        assert not [value for value in PROFILE.values() if value and value in text]
        names = {"number", "from", "until", "previous", "chains", "made_at", "ahead"}
        names |= {"policies"}
        assert json.loads(text)["body"].keys() == names


class TestSignatures:
    def test_a_head_is_signed_by_the_ledgers_key(self, tables: Tables, clock: FakeClock) -> None:
        run()
        document = records.heads().bucket.read(key_of(1))
        assert wiring.seals().read("ledger head", document)["number"] == 1

    @pytest.mark.parametrize("change", [{"until": 5}, {"chains": [["sub_z", 1, "0" * 64]]}])
    def test_a_changed_one_is_not(
        self, tables: Tables, clock: FakeClock, change: dict[str, Any]
    ) -> None:
        run()
        document = json.loads(records.heads().bucket.read(key_of(1)))
        document["body"] |= change
        with pytest.raises(SealInvalid):
            wiring.seals().read("ledger head", json.dumps(document).encode())

    def test_a_head_is_no_other_kind_of_statement(self, tables: Tables, clock: FakeClock) -> None:
        run()
        with pytest.raises(SealInvalid):
            wiring.seals().read("proof night", records.heads().bucket.read(key_of(1)))


class TestOneChain:
    def test_again_makes_nothing(self, tables: Tables, clock: FakeClock) -> None:
        assert run()["heads"] == 1
        assert run()["heads"] == 0
        assert stored() == [key_of(1)]

    def test_of_two_at_once_one_puts_the_head(self, tables: Tables, clock: FakeClock) -> None:
        run()
        clock.advance(HOUR)
        heads, second = records.heads(), records.head_maker()
        late = heads.last()
        second.run()
        assert late
        kept = heads.bucket.read(key_of(2))
        other = Head(2, late.until, late.until + 2 * HOUR, late.hash, ())
        assert heads.put(other) is False
        assert heads.bucket.read(key_of(2)) == kept
        clock.advance(HOUR)
        assert run()["heads"] == 1
        assert head(3).previous == head(2).hash

    @pytest.mark.parametrize("cursor", [None, 1])
    def test_a_cursor_that_is_lost_or_behind_forks_nothing(
        self, tables: Tables, clock: FakeClock, cursor: int | None
    ) -> None:
        for _ in range(3):
            run()
            clock.advance(HOUR)
        point_at(tables, cursor)
        assert run()["heads"] == 1
        assert stored() == [key_of(number) for number in (1, 2, 3, 4)]
        assert [head(n).previous for n in (2, 3, 4)] == [head(n).hash for n in (1, 2, 3)]
        assert [head(n).start for n in (2, 3, 4)] == [head(n).until for n in (1, 2, 3)]

    def test_where_the_last_head_is_gone_none_is_made(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        run()
        point_at(tables, 9)
        clock.advance(HOUR)
        with pytest.raises(HeadGone):
            run()
        assert stored() == [key_of(1)]

    def test_only_a_bucket_that_never_held_a_head_begins_with_the_first(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        bucket = records.heads().bucket
        bucket.write(key_of(7), b"{}", content_type="application/json")
        with pytest.raises(HeadGone):
            run()

    def test_a_head_in_anothers_place_is_none(self, tables: Tables, clock: FakeClock) -> None:
        run()
        bucket = records.heads().bucket
        bucket.write(key_of(2), bucket.read(key_of(1)), content_type="application/json")
        with pytest.raises(SealInvalid):
            records.heads().head(2)

    def test_it_builds_on_no_head_that_was_forged(self, tables: Tables, clock: FakeClock) -> None:
        body = {"number": 1, "from": 0, "until": 1, "previous": FIRST, "chains": []}
        forged = {"body": body, "kind": "ledger head", "signature": "AAAA"}
        bucket = records.heads().bucket
        bucket.write(key_of(1), json.dumps(forged).encode(), content_type="application/json")
        with pytest.raises(SealInvalid):
            run()

    def test_a_head_cannot_be_deleted_whatever_one_may_do(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        run()
        s3 = kept_client("s3")
        (version,) = s3.list_object_versions(Bucket="cetrus-heads")["Versions"]
        assert s3.head_object(Bucket="cetrus-heads", Key=key_of(1))["ObjectLockMode"] == (
            "COMPLIANCE"
        )
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(
                Bucket="cetrus-heads", Key=key_of(1), VersionId=version["VersionId"],
                BypassGovernanceRetention=True,
            )  # fmt: skip


class TestUnderAMarker:
    """The lock lets a deletion through that names no version: it hides, and takes nothing."""

    @pytest.mark.parametrize("cursor", ["kept", "lost"])
    def test_what_is_hidden_is_built_on_all_the_same(
        self, tables: Tables, clock: FakeClock, cursor: str
    ) -> None:
        for _ in range(3):
            record("sub_a", clock.now)
            clock.advance(HOUR)
            run()
        true = head(3)
        for number in (2, 3):
            hide(number)
        if cursor == "lost":
            point_at(tables, None)
        tables.accounts.apply(tables.accounts.delete("LEDGER#sub_a", "ROW#0000000003"))
        clock.advance(HOUR)
        assert run()["heads"] == 1
        assert head(4).previous == true.hash
        assert head(3) == true

    def test_what_was_put_over_a_head_is_not_that_head(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        run()
        true = head(1)
        hide(1)
        body = {**to_body(true), "chains": [["sub_z", 1, FIRST]]}
        records.heads().bucket.create(
            key_of(1), wiring.seals().sign("ledger head", body), content_type="application/json"
        )
        assert head(1) == true
        held = records.heads().all()[1]
        assert (len(held.put), len(held.again), len(held.markers)) == (2, 1, 1)

    def test_other_names_are_no_heads(self, tables: Tables, clock: FakeClock) -> None:
        kept_client("s3").delete_object(Bucket="cetrus-heads", Key="heads/0000000001.json.old")
        kept_client("s3").delete_object(Bucket="cetrus-heads", Key="heads/x")
        assert run()["heads"] == 1
        assert list(records.heads().all()) == [1]


def hide(number: int) -> None:
    done = kept_client("s3").delete_object(Bucket="cetrus-heads", Key=key_of(number))
    assert done["DeleteMarker"]


@pytest.fixture
def later(tables: Tables, clock: FakeClock) -> FakeClock:
    """An hour after the first head, which looked at what no test here is about."""
    clock.now = NOON + TEN_PAST
    run()
    clock.now = NOON + HOUR + TEN_PAST
    return clock


class TestDatedAhead:
    """A clock that is wrong hides nothing: its rows are covered when they are seen."""

    def test_a_row_of_the_next_days_is_in_the_next_head(self, later: FakeClock) -> None:
        record("sub_a", NOON + 7 * DAY)
        run()
        assert named(2) == ["sub_a"]
        assert head(2).ahead == ("sub_a",)

    @pytest.mark.parametrize("day", [9, 400, 1460, 1825])
    def test_one_of_five_years_is_within_a_day(self, day: int, later: FakeClock) -> None:
        turns = [
            hour
            for hour in range(24)
            if any(
                start <= later.now + day * DAY < end
                for start, end in days_ahead(later.now + hour * HOUR)
            )
        ]
        assert len(turns) == 1
        record("sub_a", later.now + day * DAY)
        later.advance(turns[0] * HOUR)
        run()
        assert named(2) == ["sub_a"]

    def test_what_follows_it_is_in_each_next_head(self, later: FakeClock) -> None:
        """It bears the date of the row before it, and waits for no turn."""
        record("sub_a", later.now + 3 * DAY)
        run()
        for hour in (1, 2):
            later.advance(HOUR)
            record("sub_a", later.now - 30 * MINUTE)
            run()
            assert head(2 + hour).chains[0][:2] == ("sub_a", 1 + hour)

    def test_one_far_ahead_waits_for_its_turn_once(self, later: FakeClock) -> None:
        at = next(start for start, _ in list(days_ahead(later.now))[1:])
        record("sub_a", at + 1)
        run()
        later.advance(HOUR)
        record("sub_a", later.now - 30 * MINUTE)
        run()
        assert head(3).chains[0][:2] == ("sub_a", 2)

    def test_once_its_day_has_come_it_is_as_any_other(self, later: FakeClock) -> None:
        record("sub_a", later.now + 2 * HOUR)
        for _ in range(4):
            run()
            later.advance(HOUR)
        assert [head(n).ahead for n in (2, 3, 4, 5)] == [("sub_a",), ("sub_a",), (), ()]
        assert named(5) == ["sub_a"]

    def test_rows_of_this_hour_are_left_to_settle(self, later: FakeClock) -> None:
        record("sub_a", later.now + 4 * MINUTE)
        run()
        assert (named(2), is_ahead(later.now + 5 * MINUTE, later.now)) == ([], False)

    def test_none_of_the_days_is_left_out(self) -> None:
        days = sorted(
            (start, end) for hour in range(24) for start, end in days_ahead(NOON + hour * HOUR)
        )
        reached = NOON + DAY
        for start, end in days:
            assert start <= reached
            reached = max(reached, end)
        assert reached >= NOON + FAR


def named(number: int) -> list[str]:
    return [subject for subject, _, _ in head(number).chains]


class TestOtherReleases:
    def test_a_head_without_the_instant_it_was_made_at_stays_as_it_was_signed(self) -> None:
        body = {"number": 1, "from": 0, "until": 1, "previous": FIRST, "chains": []}
        assert to_body(from_body(body)) == body

    def test_what_a_later_release_adds_counts_in_its_hash(self) -> None:
        body = {"number": 1, "from": 0, "until": 1, "previous": FIRST, "chains": []}
        assert from_body({**body, "more": 1}).hash == digest({**body, "more": 1})
