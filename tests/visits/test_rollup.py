"""Each file exactly once: late, twice, at the same time, damaged, and killed at every call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from chalicelib import wiring
from chalicelib.core.clock import DAY as A_DAY
from chalicelib.storage.dynamo import MAX_ACTIONS
from chalicelib.visits import rollup as rollup_module
from chalicelib.visits import rules
from chalicelib.visits.rollup import MOST_TRIES, RollupIncomplete
from chalicelib.visits.rules import DAY_ROOM, FAMILIES, FILE_ROOM, OTHER, open_days
from chalicelib.visits.store import SHARDS, LogFile
from tests.conftest import NOON
from tests.crash import Killed, at_every_call, recorded
from tests.visits.logs import CHROME, DAY, Door, line, rollup, zipped

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

FILE = "visits/2026/11/25/11/E2EXAMPLE.first.json.gz"
BROKEN = zipped([line(), line()])[:-9]


def clicks(door: Door, day: str = DAY) -> int:
    return sum(door.counts(day)["page"].values())


class TestCounting:
    @pytest.mark.promise("PS-28")
    def test_files_add_up_and_are_gone(self, door: Door) -> None:
        door.write(line(), line(page="/", country="US"))
        door.write(line(page="/", at="12:00:00"))
        assert rollup() == {"counted": 2, "again": 0, "unreadable": 0, "failed": 0}
        assert door.left == []
        found = door.counts()
        assert found["page"] == {"/apps": 1, "/": 2}
        assert found["country"] == {"DE": 2, "US": 1}
        assert found["hour"] == {"11": 2, "12": 1}

    @pytest.mark.promise("PS-31")
    def test_what_one_file_added_is_not_to_be_had_afterwards(
        self, door: Door, tables: Tables
    ) -> None:
        """A file is a quarter of an hour: its own sums would say when somebody was here."""
        for n in range(3 * SHARDS):
            door.write(*[line()] * (n + 2))
        rollup()
        kept = [item for item in tables.items("usage") if item["pk"].startswith("VISITS#")]
        files = [item for item in kept if item["pk"].startswith("VISITS#FILES#")]
        assert len(files) == 3 * SHARDS
        plain = {"pk", "sk", "type", "v", "purge_at", "tries", "counted"}
        assert all(item.keys() == plain and item["tries"] == 1 for item in files)
        counters = {(item["pk"], item["sk"]) for item in kept if item not in files}
        assert {pk for pk, _ in counters} <= {
            f"VISITS#HOURS#{DAY}", *(f"VISITS#{DAY[:7]}#{n}" for n in range(SHARDS)),
        }  # fmt: skip
        assert {sk for pk, sk in counters if "HOURS" in pk} <= {str(n) for n in range(SHARDS)}

    def test_an_empty_bucket_and_an_empty_file_count_nothing(self, door: Door) -> None:
        assert rollup()["counted"] == 0
        door.write()
        assert rollup()["counted"] == 1
        assert door.left == []
        assert clicks(door) == 0

    def test_a_late_line_counts_on_the_day_of_its_request(
        self, door: Door, clock: FakeClock
    ) -> None:
        door.write(line(day="2026-11-24", at="12:00:01"), line())
        rollup()
        assert clicks(door, "2026-11-24") == clicks(door) == 1

    def test_a_line_of_a_closed_day_is_not_counted(self, door: Door, clock: FakeClock) -> None:
        door.write(line())
        clock.advance(3 * A_DAY)
        rollup()
        assert clicks(door) == 0
        assert door.left == []

    def test_any_key_below_the_folder_is_taken_and_none_beside_it(self, door: Door) -> None:
        door.write(line(), key="visits/AWSLogs/E2EXAMPLE.gz")
        beside = door.write(line(), key="other/E2EXAMPLE.gz")
        rollup()
        assert door.left == [beside]
        assert clicks(door) == 1

    def test_bad_lines_do_not_stop_the_good_ones(self, door: Door) -> None:
        door.write(line(), b"{not json", line())
        rollup()
        assert clicks(door) == 2

    def test_no_more_time_no_new_file(self, door: Door) -> None:
        door.write(line())
        assert rollup(milliseconds=19_999)["counted"] == 0
        assert door.left == door.keys
        assert rollup(milliseconds=20_000)["counted"] == 1


class TestExactlyOnce:
    @pytest.mark.promise("PS-32")
    def test_the_same_file_delivered_again_adds_nothing(self, door: Door) -> None:
        for _ in range(3):
            door.write(line(), key=FILE)
            rollup()
        assert clicks(door) == 1
        assert door.left == []

    def test_another_file_under_the_same_name_is_another_file(self, door: Door) -> None:
        for page in ("/", "/apps"):
            door.write(line(page=page), key=FILE)
            rollup()
        assert door.counts()["page"] == {"/": 1, "/apps": 1}

    @pytest.mark.promise("PS-32")
    @pytest.mark.guarantee("G12")
    def test_killed_at_any_call_and_run_again_it_counts_once(
        self, door: Door, tables: Tables
    ) -> None:
        expected: list[Any] = []

        def prepare() -> None:
            for item in tables.items("usage"):
                tables.usage.apply(tables.usage.delete(item["pk"], item["sk"]))
            door.write(line(page="/"), line(page="/apps", at="11:21:00"), key=FILE)
            door.write(line(page="/contact"), key=f"{FILE}.second")

        def judge(_: None) -> None:
            rollup()
            assert door.left == []
            found = door.counts()
            expected.append(found)
            assert found["page"] == {"/": 1, "/apps": 1, "/contact": 1}
            assert found["move"] == {"/ > /apps": 1}
            assert found == expected[0]

        assert at_every_call(prepare, lambda _: rollup(), judge) > 10

    def test_two_at_once_count_once(self, both_engines: str, door: Door) -> None:
        for n in range(6):
            door.write(line(page="/"), line(page="/apps"), key=f"{FILE}.{n}")
        barrier = Barrier(2)

        def run(_: int) -> dict[str, int]:
            barrier.wait()
            return rollup()

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(run, range(2)))
        assert sum(one["counted"] for one in done) == 6
        assert sum(one["failed"] for one in done) == 0
        assert door.counts()["page"] == {"/": 6, "/apps": 6}
        assert door.left == []

    def test_one_that_loses_the_race_deletes_and_counts_nothing(self, door: Door) -> None:
        door.write(line(), key=FILE)
        store, stored = wiring.visit_store(), next(iter(wiring.visitor_logs().listed()))
        file = LogFile(stored.key, stored.etag, stored.arrived_at)
        assert store.count(file, {DAY: {"page": {"/apps": 1}}})
        assert store.count(file, {DAY: {"page": {"/apps": 1}}}) is False
        assert clicks(door) == 1

    def test_a_file_that_vanishes_meanwhile_is_no_failure(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        door.write(line(), key=FILE)
        begin = wiring.visit_store().begin

        def begin_late(file: LogFile) -> Any:
            standing = begin(file)
            wiring.visitor_logs().delete(file.key)
            return standing

        monkeypatch.setattr(wiring.visit_store(), "begin", begin_late)
        assert rollup() == {"counted": 0, "again": 0, "unreadable": 0, "failed": 0}

    def test_a_file_is_one_transaction_by_construction(self, clock: FakeClock) -> None:
        assert len(open_days(clock.now)) * len(FAMILIES) + 1 <= MAX_ACTIONS

    def test_the_fullest_file_fits_on_both_engines(
        self, both_engines: str, door: Door, tables: Tables
    ) -> None:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        countries = [first + second for first in letters for second in letters][:240]
        pages = ("/", "/apps", "/contact", "/status")
        door.write(
            *(
                line(
                    day=day, country=country, page=pages[n % 4], status=f"{400 + n % 99}",
                    referrer=f"https://a{n}.example", ip=f"10.0.{n % 9}.1",
                    at=f"{n % 24:02d}:00:00",
                )
                for day in open_days(NOON)
                for n, country in enumerate(countries)
            )
        )  # fmt: skip
        assert rollup()["counted"] == 1
        found = door.counts()
        assert len(found["referrer"]) == FILE_ROOM + 1
        assert sum(found["referrer"].values()) == 240
        assert len(found["country"]) == FILE_ROOM + 1

    def test_a_day_keeps_room_for_so_many_names_however_many_files_bring_some(
        self, door: Door
    ) -> None:
        for n in range(8):
            door.write(*(line(referrer=f"https://a{n}-{m}.example") for m in range(150)))
            rollup()
        found = door.counts()["referrer"]
        assert sum(found.values()) == 8 * 150
        assert len(found) <= SHARDS * DAY_ROOM + 1
        per_shard = [
            len(wiring.visit_store().known(DAY, shard).get("referrer", set())) - 1
            for shard in range(SHARDS)
        ]
        assert max(per_shard) <= DAY_ROOM
        assert found[OTHER] > 0


class TestPoison:
    def test_a_broken_file_is_set_aside_and_the_others_are_counted(self, door: Door) -> None:
        broken = door.write(data=BROKEN, key="visits/2026/11/25/10/a.gz")
        for n in range(5):
            door.write(line(), key=f"{FILE}.{n}")
        assert rollup() == {"counted": 5, "again": 0, "unreadable": 1, "failed": 0}
        assert door.left == [broken]
        assert clicks(door) == 5

    def test_it_is_told_once_and_not_read_again(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[str] = []
        monkeypatch.setattr(rollup_module, "count", told.append)
        door.write(data=BROKEN)
        rollup()
        with recorded() as calls:
            assert rollup()["unreadable"] == 0
        assert told == ["visit_files_unreadable"]
        assert ("s3", "GetObject") not in calls.made

    def test_nothing_of_a_broken_file_is_counted(self, door: Door) -> None:
        door.write(data=BROKEN)
        rollup()
        assert clicks(door) == 0

    def test_a_log_in_another_format_is_set_aside(self, door: Door) -> None:
        door.write(b"2026-11-25\t11:00:00\t203.0.113.9", b"#Fields: date time c-ip")
        assert rollup()["unreadable"] == 1

    def test_a_version_that_reads_otherwise_tries_again(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        door.write(b"{}", key=FILE)
        rollup()
        monkeypatch.setattr("chalicelib.visits.store.RULES", 99)
        with recorded() as calls:
            rollup()
        assert ("s3", "GetObject") in calls.made

    def test_a_file_that_kills_the_function_again_and_again_is_set_aside(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        killer = door.write(line(agent=f"{CHROME} killer"), key="visits/2026/11/25/10/killer.gz")
        door.write(line(), key=FILE)
        stock = rules.rolled

        def die_of_one(lines: Any, **more: Any) -> Any:
            found = list(lines)
            if b"killer" in found[0]:
                raise Killed
            return stock(found, **more)

        monkeypatch.setattr(rollup_module, "rolled", die_of_one)
        for _ in range(MOST_TRIES):
            with pytest.raises(Killed):
                rollup()
        assert rollup() == {"counted": 1, "again": 0, "unreadable": 1, "failed": 0}
        assert door.left == [killer]
        for _ in range(MOST_TRIES + 1):
            assert rollup() == {"counted": 0, "again": 0, "unreadable": 0, "failed": 0}
        monkeypatch.setattr(rollup_module, "rolled", stock)
        monkeypatch.setattr("chalicelib.visits.store.RULES", 99)
        assert rollup()["counted"] == 1, "rules that read otherwise begin anew"
        assert door.left == []


class TestTrouble:
    def fail(self, monkeypatch: pytest.MonkeyPatch, action: str, times: int) -> None:
        stock, left = BaseClient._make_api_call, [times]

        def call(client: Any, name: str, parameters: Any) -> Any:
            if name == action and left[0]:
                left[0] -= 1
                error = {"Code": "ThrottlingException", "Message": "203.0.113.9 is in here"}
                raise ClientError({"Error": error}, name)
            return stock(client, name, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    @pytest.mark.parametrize(
        "action", ["UpdateItem", "GetObject", "Query", "TransactWriteItems", "DeleteObject"]
    )
    def test_a_failing_call_costs_one_file_one_run_and_is_told(
        self, action: str, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(3):
            door.write(line(), key=f"{FILE}.{n}")
        self.fail(monkeypatch, action, 1)
        with pytest.raises(RollupIncomplete, match="1 files failed"):
            rollup()
        assert clicks(door) + len(door.left) == 3 or action == "DeleteObject"
        rollup()
        assert clicks(door) == 3
        assert door.left == []

    def test_an_outage_of_hours_makes_no_file_suspect(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        door.write(line(), key=FILE)
        self.fail(monkeypatch, "TransactWriteItems", 3 * MOST_TRIES)
        for _ in range(3 * MOST_TRIES):
            with pytest.raises(RollupIncomplete):
                rollup()
        assert rollup()["counted"] == 1
        assert clicks(door) == 1

    @pytest.mark.promise("PS-31")
    def test_nothing_of_a_line_is_told_when_something_fails(
        self, door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        canaries = ("198.51.100.77", "CanaryAgent", "canary.example", "203.0.113.9")
        good = line(
            ip=canaries[0], agent=f"{CHROME} {canaries[1]}", referrer="https://canary.example"
        )
        door.write(good, good, good, good[:-9], b"{" + good, key=FILE)
        door.write(data=zipped([good])[:-9])
        self.fail(monkeypatch, "TransactWriteItems", 1)
        with pytest.raises(RollupIncomplete) as caught:
            rollup()
        rollup()
        said = repr([vars(record) for record in caplog.records]) + str(caught.value)
        for canary in canaries:
            assert canary not in said
        assert "visit_file_failed" in said
