"""The ledger: everything that happens to data is in it, in an order that cannot be rewritten."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.core.ids import new_id
from chalicelib.privacy.ledger import GONE, TRIES, Ledger
from chalicelib.privacy.policies import IN_FORCE
from chalicelib.privacy.rules import (
    Entry,
    Event,
    LedgerBroken,
    Purpose,
    PurposeDenied,
    Row,
    because,
    follow,
    policy_for,
    verify,
)
from chalicelib.storage.dynamo import ConditionFailed, Database, Table
from tests.conftest import kept_client
from tests.interleaving import Turns
from tests.privacy.test_vault import ACCOUNT, PROFILE, collected

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

OPENED = Entry(Event.OPENED, Purpose.ACCOUNT, "1:x", "test")


def chain(length: int) -> list[Row]:
    rows: list[Row] = []
    for number in range(length):
        rows.append(follow(rows[-1] if rows else None, "sub_a", OPENED, 1_000 + number))
    return rows


@pytest.mark.guarantee("G8")
class TestWhatIsRecorded:
    def test_collecting_records_each_purpose_with_its_policy_and_form(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        rows = list(wiring.vault().ledger.rows(collected()))
        assert [(row.entry.event, row.entry.purpose) for row in rows] == [
            (Event.COLLECTED, Purpose.ACCOUNT),
            (Event.COLLECTED, Purpose.BILLING),
            (Event.COLLECTED, Purpose.POLICY_NOTICE),
        ]
        for row in rows:
            assert row.entry.purpose
            assert row.entry.policy == policy_for(row.entry.purpose, IN_FORCE).id
        assert {row.entry.reason for row in rows} == {"register"}
        assert {row.at for row in rows} == {clock.now}

    def test_each_opening_is_one_row_with_its_reason(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        subject = collected()
        for _ in range(3):
            clock.advance(1_000)
            wiring.vault().open(subject, ACCOUNT, "page:/account/setup")
        opened = list(wiring.vault().ledger.rows(subject))[3:]
        assert [(row.entry.reason, row.at) for row in opened] == [
            ("page:/account/setup", clock.now - 2_000),
            ("page:/account/setup", clock.now - 1_000),
            ("page:/account/setup", clock.now),
        ]
        assert verify(wiring.vault().ledger.rows(subject))

    def test_no_opening_without_its_row_first(
        self, tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subject, vault = collected(), wiring.vault()

        def refuse(*_: object) -> None:
            raise ConnectionError

        def never(**_: object) -> None:
            raise AssertionError("unwrapped before it was recorded")

        monkeypatch.setattr(type(vault.ledger.table), "transact", refuse)
        monkeypatch.setattr(vault, "kms", type("Kms", (), {"decrypt": staticmethod(never)}))
        with pytest.raises(ConnectionError):
            vault.open(subject, ACCOUNT, "test")

    def test_a_refused_opening_leaves_no_row(self, tables: Tables) -> None:
        with pytest.raises(PurposeDenied):
            wiring.vault().open("sub_nobody", ACCOUNT, "test")
        assert tables.items("accounts") == []

    @pytest.mark.promise("PS-45")
    @pytest.mark.parametrize(
        "reason", ["kim@example.com", "Kim Canary", "", "page /x", "a\nb", "x" * 121]
    )
    def test_a_reason_is_a_word_and_never_data(self, reason: str) -> None:
        with pytest.raises(ValueError, match="reason"):
            Entry(Event.OPENED, Purpose.ACCOUNT, "1:x", reason)

    @pytest.mark.promise("PS-45")
    def test_a_row_about_somebody_holds_no_id_as_it_is(self, tables: Tables) -> None:
        found, name = wiring.vault().ledger, new_id("ord")
        about = Entry(Event.SHARED, Purpose.BILLING, "1:x", f"share:processor:charge:{name}")
        for chain in ("sub_a", "stf_a"):
            with pytest.raises(ValueError, match="holds no id"):
                found.record(chain, about, 1)
        for event in (Event.OPERATED, Event.MAILING):
            found.record("operator", Entry(event, reason=f"command:x:{name}"), 1)
        found.record(GONE, about, 1)
        keyed = because("share:processor:charge", name, b"key")
        found.record("sub_a", Entry(Event.SHARED, Purpose.BILLING, "1:x", keyed), 1)
        assert [row.entry.reason for row in found.rows("sub_a")] == [keyed]

    def test_the_ledger_outlives_the_person_and_names_nobody(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        subject = collected()
        wiring.vault().erase(subject)
        left = tables.items("accounts")
        assert {item["type"] for item in left} == {"ledger"}
        assert not any(value.lower() in repr(left).lower() for value in PROFILE.values() if value)
        assert verify(wiring.vault().ledger.rows(subject))


@pytest.mark.promise("PS-45")
class TestTheChain:
    def test_a_whole_chain_verifies(self) -> None:
        assert verify(chain(5)) == chain(5)[-1]
        assert verify([]) is None

    @given(st.integers(0, 4), st.data())
    def test_any_change_to_any_row_is_found(self, position: int, data: st.DataObject) -> None:
        rows = chain(5)
        change: dict[str, Any] = data.draw(
            st.sampled_from(
                [
                    {"subject": "sub_b"},
                    {"number": 9},
                    {"at": 5},
                    {"entry": replace(OPENED, purpose=Purpose.BILLING)},
                    {"entry": replace(OPENED, reason="other")},
                    {"entry": replace(OPENED, policy="1:y")},
                    {"entry": replace(OPENED, event=Event.ERASED)},
                    {"previous": "0" * 63 + "1"},
                    {"hash": "0" * 63 + "1"},
                ]
            )
        )
        rows[position] = replace(rows[position], **change)
        with pytest.raises(LedgerBroken):
            verify(rows)

    @pytest.mark.parametrize("position", range(4))
    def test_a_row_taken_out_is_found(self, position: int) -> None:
        rows = chain(5)
        del rows[position]
        with pytest.raises(LedgerBroken):
            verify(rows)

    def test_the_last_hash_tells_of_every_row_before_it(self) -> None:
        one, other = (
            follow(follow(None, "sub_a", replace(OPENED, reason=reason), 1), "sub_a", OPENED, 2)
            for reason in ("page:/a", "page:/b")
        )
        assert one.hash != other.hash

    def test_rows_in_another_order_are_found(self) -> None:
        first, second, third = chain(3)
        with pytest.raises(LedgerBroken):
            verify([first, third, second])

    def test_a_row_dated_before_the_one_before_it_is_found(self) -> None:
        rows = chain(2)
        rows.append(follow(rows[-1], "sub_a", OPENED, 5))
        with pytest.raises(LedgerBroken):
            verify(rows)

    def test_a_clock_that_steps_back_keeps_the_chain(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        ledger = Ledger(tables.accounts)
        ledger.record("sub_a", OPENED, 2_000)
        ledger.record("sub_a", OPENED, 1_000)
        assert [row.at for row in ledger.rows("sub_a")] == [2_000, 2_000]
        assert verify(ledger.rows("sub_a"))


@pytest.mark.usefixtures("both_engines")
class TestConcurrency:
    def test_many_threads_make_one_chain(self, tables: Tables) -> None:
        ledger = Ledger(tables.accounts)
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(ledger.record, "sub_a", OPENED, 1_000) for _ in range(16)]
        assert [future.result() for future in done] == [None] * 16
        last = verify(ledger.rows("sub_a"))
        assert last
        assert last.number == 16

    @pytest.mark.parametrize("seed", range(12))
    def test_in_any_order_of_calls_no_row_is_lost(self, tables: Tables, seed: int) -> None:
        turns = Turns(seed)
        database = Database(turns.client(kept_client("dynamodb")))
        ledger = Ledger(Table(database, "accounts"))
        results = turns.run(
            *(lambda: ledger.record("sub_a", OPENED, 1_000) for _ in range(3)),
        )
        assert results == [None] * 3
        rows = list(Ledger(tables.accounts).rows("sub_a"))
        assert verify(rows) == rows[-1]
        assert [row.number for row in rows] == [1, 2, 3]

    def test_two_people_never_wait_for_each_other(self, tables: Tables) -> None:
        ledger = Ledger(tables.accounts)
        first = ledger.append("sub_a", [OPENED], 1_000)
        second = ledger.append("sub_b", [OPENED], 1_000)
        tables.accounts.transact(*first, *second)

    def test_only_a_moved_head_is_tried_again(self, tables: Tables) -> None:
        ledger, tries = Ledger(tables.accounts), itertools.count()

        def build() -> list[Any]:
            next(tries)
            return [tables.accounts.check("A#1", "A", "attribute_exists(pk)")]

        with pytest.raises(ConditionFailed):
            ledger.commit(build)
        assert next(tries) == 1
        assert TRIES > 1
