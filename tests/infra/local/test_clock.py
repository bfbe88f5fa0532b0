"""One clock for every process; advancing runs what falls due, in order, at its own time."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.local.clock import SharedClock
from infra.local.cloud import Cloud, CloudError, InvocationError, NotScheduledError
from infra.local.expressions import parse
from infra.local.schedules import Schedules
from infra.local.store import Store

from .conftest import put, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = 86400
ROOT = Path(__file__).parents[3]


def instant(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


@pytest.fixture
def manual(cloud: Cloud) -> Iterator[Cloud]:
    cloud.set_schedule_mode("manual")
    yield cloud
    cloud.freeze(False)
    cloud.set_schedule_mode("manual")


class TestCell:
    def test_survives_a_restart_and_is_read_by_others(self, tmp_path: Path) -> None:
        clock = SharedClock(tmp_path / "clock")
        clock.move_to(clock.seconds() + DAY)
        assert abs(SharedClock(tmp_path / "clock").seconds() - clock.seconds()) < 0.1

    def test_frozen_it_stands_to_the_nanosecond_and_goes_on_from_there(
        self, tmp_path: Path
    ) -> None:
        clock = SharedClock(tmp_path / "clock")
        clock.freeze(True)
        stood = clock.seconds()
        time.sleep(0.05)
        assert clock.seconds() == stood
        clock.move_to(stood + 0.25)
        assert clock.seconds() == pytest.approx(stood + 0.25, abs=1e-6)
        clock.freeze(False)
        time.sleep(0.05)
        assert 0.3 <= clock.seconds() - stood < 2

    def test_never_goes_back(self, tmp_path: Path) -> None:
        clock = SharedClock(tmp_path / "clock")
        clock.move_to(clock.seconds() - DAY)
        assert abs(clock.seconds() - time.time()) < 2


class TestProcesses:
    def test_functions_and_the_runner_agree_before_and_after_a_move(self, manual: Cloud) -> None:
        for seconds in (0, 90, DAY, 0.5):
            manual.advance(seconds)
            seen = manual.invoke("probe", {"do": "time"})
            for value in (seen["time"], seen["now"], time.time(), instant(manual.now())):
                assert value == pytest.approx(manual.clock.seconds(), abs=2)
            assert 15_000 < seen["left"] <= 20_000

    def test_a_client_in_another_process_follows(self, manual: Cloud) -> None:
        manual.advance(DAY)
        code = (
            "import sys, time; from infra.local.clock import follow; follow(sys.argv[1]); "
            "print(time.time())"
        )
        command = [sys.executable, "-c", code, str(manual.clock_file)]
        found = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
        assert float(found.stdout) == pytest.approx(manual.clock.seconds(), abs=3)

    def test_a_frozen_clock_stands_for_functions_too(self, manual: Cloud) -> None:
        manual.freeze(True)
        seen = {manual.invoke("probe", {"do": "time"})["time"] for _ in range(3)}
        assert seen == {manual.clock.seconds()}
        manual.advance(0.25)
        again = manual.invoke("probe", {"do": "time"})["time"]
        assert again - seen.pop() == pytest.approx(0.25, abs=1e-5)

    def test_a_long_poll_of_a_queue_ends_though_the_clock_stands(self, manual: Cloud) -> None:
        manual.freeze(True)
        sqs = manual.client("sqs")
        queue = sqs.create_queue(QueueName="nothing-comes")["QueueUrl"]
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
        assert "Messages" not in answer

    def test_advancing_waits_for_what_runs(self, manual: Cloud) -> None:
        seen: list[float] = []
        started = time.time()

        def sleep() -> None:
            seen.append(manual.invoke("probe", {"do": "sleep", "seconds": 1}))

        thread = threading.Thread(target=sleep)
        thread.start()
        time.sleep(0.3)
        manual.advance(DAY)
        thread.join()
        assert seen[0] - started < 10

    def test_a_negative_advance_is_refused(self, manual: Cloud) -> None:
        with pytest.raises(ValueError, match="advance"):
            manual.advance(-1)

    def test_listeners_hear_of_every_move(self, manual: Cloud) -> None:
        heard: list[str] = []
        manual.on_clock(lambda: heard.append("moved"))
        manual.advance(1)
        manual.freeze(True)
        assert heard == ["moved", "moved"]


class TestSchedules:
    def ticks(self, cloud: Cloud, since: float) -> list[tuple[str, float, float]]:
        found = rows(cloud, "TICK")
        new = [
            (row["function"], instant(row["at"]), float(row["sk"].split("#")[0])) for row in found
        ]
        return [each for each in new if each[1] >= since]

    def test_each_runs_once_in_order_at_its_own_due_time(self, manual: Cloud) -> None:
        manual.freeze(True)
        manual.set_schedule_mode("automatic")
        due = {s.function: instant(s.due) for s in manual.schedules()}
        start = manual.clock.seconds()
        end = start + 600
        manual.advance(600)
        ticks = self.ticks(manual, start - 1)
        assert [name for name, _, _ in ticks] == sorted(
            ("Tick", "Tock"), key=lambda n: due[n.lower()]
        )
        for name, at, seen in ticks:
            assert seen == pytest.approx(due[name.lower()], abs=1)
            assert at == pytest.approx(due[name.lower()], abs=1)
        assert manual.clock.seconds() == pytest.approx(end, abs=0.01)
        assert all(instant(s.due) > end for s in manual.schedules())

    def test_fire_by_themselves_in_automatic_mode(self, manual: Cloud) -> None:
        start = manual.clock.seconds()
        manual.set_schedule_mode("automatic")
        tick = next(s for s in manual.schedules() if s.function == "tick")
        manual.clock.move_to(instant(tick.due) + 0.01)
        limit = time.monotonic() + 10
        while not self.ticks(manual, start) and time.monotonic() < limit:
            time.sleep(0.05)
        assert self.ticks(manual, start)

    def test_never_fire_in_manual_mode_and_are_not_caught_up(self, manual: Cloud) -> None:
        start = manual.clock.seconds()
        manual.advance(2 * DAY)
        assert not self.ticks(manual, start)
        assert all(instant(s.due) > manual.clock.seconds() for s in manual.schedules())

    def test_run_now_answers_when_done(self, manual: Cloud) -> None:
        start = manual.clock.seconds()
        assert manual.run("tick") == "Tick"
        assert len(self.ticks(manual, start - 1)) == 1

    @pytest.mark.parametrize("name", ["probe", "no_such_function"])
    def test_an_unscheduled_function_cannot_be_run(self, manual: Cloud, name: str) -> None:
        with pytest.raises(NotScheduledError):
            manual.run(name)

    def test_a_run_that_fails_says_so_and_the_next_advance_goes_on(self, manual: Cloud) -> None:
        manual.add_fault({"kind": "fail", "function": "tick"})
        with pytest.raises(InvocationError):
            manual.run("tick")
        manual.set_schedule_mode("automatic")
        manual.add_fault({"kind": "kill", "function": "tick"})
        manual.advance(61)
        assert manual.run("tick") == "Tick"

    def test_an_unknown_mode_is_refused(self, manual: Cloud) -> None:
        with pytest.raises(ValueError, match="mode"):
            manual.set_schedule_mode("sometimes")


class TestJumps:
    def test_are_made_only_while_nothing_can_run(self, tmp_path: Path) -> None:
        clock, store = SharedClock(tmp_path / "clock"), Store(tmp_path)
        seen: list[tuple[str, bool]] = []
        start = clock.seconds()

        @contextmanager
        def still() -> Iterator[None]:
            seen.append(("held", clock.seconds() > start + 100))
            yield
            seen.append(("let go", clock.seconds() > start + 100))

        schedules = Schedules([], clock, store, lambda *_: None, lambda: None, still)
        schedules.advance(200)
        store.close()
        assert seen == [("held", False), ("let go", True)]

    def test_new_invocations_wait_for_one(self, manual: Cloud) -> None:
        functions = manual._functions
        assert functions is not None
        done = threading.Event()

        def ask() -> None:
            manual.invoke("probe", {"do": "time"})
            done.set()

        with functions.still():
            thread = threading.Thread(target=ask)
            thread.start()
            assert not done.wait(0.4)
        assert done.wait(20)
        thread.join()


class TestSettle:
    def test_works_the_outbox_off_in_as_many_runs_as_it_takes(self, manual: Cloud) -> None:
        for n in range(5):
            put(manual, "OUTBOX", str(n))
        manual.settle()
        assert rows(manual, "OUTBOX") == []


class TestExpressions:
    @pytest.mark.parametrize(
        ("expression", "after", "due"),
        [
            ("cron(0 2 * * ? *)", "2026-11-25T12:00:00Z", "2026-11-26T02:00:00Z"),
            ("cron(0/15 * * * ? *)", "2026-11-25T12:15:00Z", "2026-11-25T12:30:00Z"),
            ("cron(30 8 ? * MON-FRI *)", "2026-11-27T09:00:00Z", "2026-11-30T08:30:00Z"),
            ("cron(0 0 1 1,7 ? *)", "2026-11-25T12:00:00Z", "2027-01-01T00:00:00Z"),
            ("cron(59 23 L * ? *)", "2028-02-01T00:00:00Z", "2028-02-29T23:59:00Z"),
            ("cron(0 0 ? * SUN 2027)", "2026-11-25T12:00:00Z", "2027-01-03T00:00:00Z"),
        ],
    )
    def test_fall_due_as_on_aws(self, expression: str, after: str, due: str) -> None:
        assert parse(expression).after(0, instant(after)) == instant(due)

    def test_a_rate_counts_whole_periods_and_skips_missed_ones(self) -> None:
        rate = parse("rate(5 minutes)")
        assert rate.after(1000, 1000) == 1300
        assert rate.after(1000, 2350) == 2500
        assert rate.after(1000, 900) == 1000

    @pytest.mark.parametrize(
        "expression",
        [
            "rate(5 weeks)",
            "cron(0 0 * * * *)",
            "cron(61 0 * * ? *)",
            "at(2026)",
            "cron(a * * * ? *)",
        ],
    )
    def test_what_is_not_understood_stops_the_start(self, expression: str) -> None:
        with pytest.raises(CloudError, match="schedule"):
            parse(expression)


def test_json_of_schedules_can_be_sent(cloud: Cloud) -> None:
    due = [schedule.due for schedule in cloud.schedules()]
    assert json.dumps(due)
