"""Nothing of visits outlives its term: raw files, hours, counters, markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY as A_DAY
from chalicelib.core.clock import HOUR
from chalicelib.visits import sweep as sweep_module
from chalicelib.visits.rules import day_start
from tests.crash import at_every_call
from tests.visits.logs import DAY, Door, line, rollup

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables


def sweep() -> dict[str, int]:
    return wiring.visit_sweep().run()


def arrival(door: Door) -> int:
    return next(iter(wiring.visitor_logs().listed())).arrived_at


class TestRawFiles:
    @pytest.mark.promise("PS-32")
    def test_are_deleted_at_twenty_hours_counted_or_not(
        self, door: Door, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[tuple[str, int]] = []
        monkeypatch.setattr(sweep_module, "count", lambda *what: told.append(what))
        door.write(line())
        door.write(line(), key="elsewhere/anything")
        clock.now = arrival(door) + 20 * HOUR - 1
        assert sweep()["files"] == 0
        assert len(door.left) == 2
        assert told == []
        clock.now += 1 + 1_000
        assert sweep()["files"] == 2
        assert door.left == []
        assert told == [("visitor_logs_late", 2)]

    def test_a_file_that_was_set_aside_goes_too(self, door: Door, clock: FakeClock) -> None:
        door.write(data=b"no gzip")
        rollup()
        clock.now = arrival(door) + 20 * HOUR
        assert sweep()["files"] == 1

    def test_with_an_hourly_sweep_no_file_reaches_a_day(self) -> None:
        assert sweep_module.LIMIT + HOUR + 240_000 < A_DAY

    def test_after_days_of_outage_all_of_it_goes_at_once(
        self, door: Door, clock: FakeClock
    ) -> None:
        for _ in range(5):
            door.write(line())
        clock.now = arrival(door) + 3 * A_DAY
        assert sweep()["files"] == 5


class TestCounters:
    def test_hours_go_after_a_week_and_their_sum_stays(self, door: Door, clock: FakeClock) -> None:
        door.write(line(at="09:00:00"), line(at="10:00:00", ip="10.0.0.1"))
        rollup()
        clock.now = day_start("2026-12-03") - 1
        assert sweep()["hours"] == 0
        clock.now += 1
        assert sweep()["hours"] == 1
        found = door.counts()
        assert found["hour"] == {}
        assert found["kind"] == {"pages": 2}

    def test_counters_go_at_25_months(self, door: Door, clock: FakeClock) -> None:
        door.write(line(day="2026-11-24"), line())
        rollup()
        wiring.visit_store().leave(DAY, "vendor.example")
        clock.now = day_start("2028-12-25") - 1
        assert sweep()["counters"] > 0
        assert door.counts("2026-11-24")["page"] == {}
        assert door.counts()["page"] == {"/apps": 1}
        clock.now += 1
        sweep()
        assert door.counts()["page"] == {}
        assert list(wiring.visit_store().left(DAY, DAY)) == []

    def test_after_months_of_outage_nothing_is_left(
        self, door: Door, clock: FakeClock, tables: Tables
    ) -> None:
        door.write(line())
        rollup()
        clock.now = day_start("2029-02-01")
        sweep()
        assert [i for i in tables.items("usage") if i["pk"].startswith("VISITS#2026-11")] == []

    def test_markers_go_when_no_delivery_can_come_again(
        self, door: Door, clock: FakeClock, tables: Tables
    ) -> None:
        door.write(line())
        rollup()
        clock.now = day_start("2026-11-30") - 1
        assert sweep()["markers"] == 0
        clock.now += 1
        assert sweep()["markers"] == 1

    def test_every_item_has_an_end_for_the_broom_too(self, door: Door, tables: Tables) -> None:
        door.write(line())
        rollup()
        ends = {i["pk"].split("#")[1][:5]: i["purge_at"] * 1000 for i in tables.items("usage")}
        assert ends == {
            "FILES": day_start("2026-11-29"),
            "HOURS": day_start("2026-12-03"),
            "2026-": day_start("2028-12-25"),
        }

    @pytest.mark.guarantee("G12")
    def test_killed_at_any_call_and_run_again_it_leaves_nothing(
        self, door: Door, clock: FakeClock, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweep_module, "LOOK_BACK", 1)
        monkeypatch.setattr(sweep_module, "LOOK_BACK_MONTHS", 0)

        def prepare() -> None:
            clock.now = day_start(DAY) + 12 * HOUR
            tables.usage.apply(tables.usage.delete("LOOKED#VISITS", "LOOKED"))
            door.write(line(), key=f"visits/2026/11/25/11/{door.written}.gz")
            rollup()
            door.write(line())
            clock.now = day_start("2028-12-25")

        def judge(_: None) -> None:
            sweep()
            assert door.left == []
            visits = [i["pk"] for i in tables.items("usage") if i["pk"] != "LOOKED#VISITS"]
            left = {pk.split("#")[1] for pk in visits}
            assert left <= {"HOURS", "FILES"}, "which the broom takes after so long"

        assert at_every_call(prepare, lambda _: sweep(), judge) > 10
