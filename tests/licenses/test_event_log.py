"""License and usage logs: every event once, whatever crashes, repeats or runs at the same time."""

from __future__ import annotations

import gzip
import itertools
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from chalicelib.core.clock import DAY, HOUR
from chalicelib.licenses import denials
from chalicelib.licenses.event_log import EventLog, LogIncomplete
from chalicelib.licenses.sweep import LicenseSweep
from chalicelib.storage.objects import Bucket
from chalicelib.usage.service import Usage
from chalicelib.usage.store import UsageStore
from tests.crash import Killed, recorded
from tests.interleaving import Turns
from tests.licenses.world import NOON

if TYPE_CHECKING:
    from tests.licenses.world import World

BUCKET = "cetrus-logs"


class Logs:
    """The logs of one world, in a bucket."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.s3 = boto3.client("s3", region_name="eu-west-1")

    def writer(self, client: Any = None) -> EventLog:
        store = self.world.at(client=client).store
        return EventLog(store, Bucket(self.s3, BUCKET), self.world.clock)

    def run(self, time_left: int = 300_000) -> dict[str, int]:
        return self.writer().run(lambda: time_left)

    def sweep(self) -> None:
        licenses = self.world.licenses
        LicenseSweep(
            licenses, Usage(UsageStore(licenses.store.usage), licenses), self.world.clock
        ).run()

    def names(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [found["Key"] for found in listed]

    def events(self) -> list[dict[str, Any]]:
        found = []
        for name in self.names():
            data = self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
            found += [json.loads(line) for line in gzip.decompress(data).splitlines()]
        return found

    def later(self, milliseconds: int) -> None:
        self.world.clock.now += milliseconds
        self.sweep()


@pytest.fixture
def logs(world: World) -> Logs:
    return Logs(world)


def used(world: World, license_id: str, milliseconds: int, launch: str) -> None:
    lease = world.opened(license_id, launch)
    world.clock.now += milliseconds
    world.licenses.end(lease)


@pytest.mark.promise("PS-33")
class TestWhatIsWritten:
    def test_a_lease_with_what_its_bill_is_made_of(self, world: World, logs: Logs) -> None:
        license_id = world.license()
        used(world, license_id, 90_000, "one")
        logs.later(2 * DAY)
        logs.run()
        (event,) = logs.events()
        assert event == {
            "event": "lease", "at": "2026-11-25T12:00:00.000Z",
            "ended_at": "2026-11-25T12:01:30.000Z", "milliseconds": 90_000, "ended_by": "end",
            "lease": event["lease"], "license": license_id, "vendor": "vnd_one",
            "application": "app_one", "launch": "one", "segment": 0, "computer": "cmp",
            "release": None,
        }  # fmt: skip
        (name,) = logs.names()
        assert name.startswith(f"usage/vnd_one/2026/11/25/{license_id}-{NOON}-")

    def test_a_refusal_with_its_code(self, world: World, logs: Logs) -> None:
        license_id = world.license()
        world.licenses.suspend(license_id)
        assert not world.launch(license_id, "refused").valid
        logs.later(2 * DAY)
        logs.run()
        (event,) = logs.events()
        assert (event["event"], event["code"], event["launch"]) == (
            "denied", "SUSPENDED", "refused",
        )  # fmt: skip

    def test_a_launch_that_keeps_asking_is_refused_once_a_day(
        self, world: World, logs: Logs
    ) -> None:
        license_id = world.license()
        world.licenses.suspend(license_id)
        for _ in range(5):
            world.launch(license_id, "refused")
            world.clock.now += 1_000
        world.clock.now += DAY
        world.launch(license_id, "refused")
        logs.later(3 * DAY)
        logs.run()
        assert [event["at"][:19] for event in logs.events()] == [
            "2026-11-25T12:00:00", "2026-11-26T12:00:05",
        ]  # fmt: skip

    def test_launches_that_are_made_up_fill_no_more_than_a_day_s_places(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(denials, "PLACES", 4)
        license_id = world.license()
        world.licenses.suspend(license_id)
        for number in range(30):
            world.launch(license_id, f"made-up-{number}")
        rows = list(world.store.usage.query(f"LICENSE#{license_id}#2026-11", prefix="DENIED#"))
        assert len(rows) == 4

    @pytest.mark.guarantee("G7")
    def test_a_foreign_launch_leaves_no_trace_and_costs_what_an_unknown_one_costs(
        self, world: World
    ) -> None:
        license_id, calls = world.license(), []
        for named in (license_id, "lic_of_nobody"):
            ask = world.ask(named, "theirs", person="stranger")
            with recorded() as made:
                assert world.licenses.launch(ask).code == "UNKNOWN"
            calls.append(made.made)
        assert calls[0] == calls[1]
        partition = world.store.usage.query(f"LICENSE#{license_id}#2026-11", prefix="DENIED#")
        assert not list(partition)

    def test_only_what_can_no_longer_change(self, world: World, logs: Logs) -> None:
        license_id = world.license(lease_ms=2 * DAY)
        logs.later(7 * HOUR)
        lease = world.opened(license_id, "long")
        logs.later(30 * HOUR)
        logs.run()
        assert logs.names() == []
        world.licenses.end(lease)
        logs.later(2 * DAY)
        logs.run()
        assert [event["launch"] for event in logs.events()] == ["long"]

    def test_an_idle_license_writes_no_object(self, world: World, logs: Logs) -> None:
        world.license()
        logs.later(2 * DAY)
        assert logs.run()["objects"] == 0
        assert logs.names() == []

    def test_an_outage_of_three_days_loses_nothing(self, world: World, logs: Logs) -> None:
        license_id = world.license()
        for day in range(5):
            used(world, license_id, 1_000 + day, f"day-{day}")
            logs.later(DAY)
        logs.run()
        assert [event["launch"] for event in logs.events()] == [f"day-{n}" for n in range(5)]
        assert len(logs.names()) == 1

    def test_the_turn_of_a_month_is_crossed(self, world: World, logs: Logs) -> None:
        license_id = world.license()
        world.clock.now = NOON + 6 * DAY - 13 * HOUR
        for launch in ("november", "december"):
            used(world, license_id, 1_000, launch)
            world.clock.now += 3 * HOUR
        logs.later(2 * DAY)
        logs.run()
        assert [event["launch"] for event in logs.events()] == ["november", "december"]


@pytest.mark.guarantee("G12")
@pytest.mark.promise("PS-33")
class TestOnce:
    def test_run_again_it_writes_nothing_new(self, world: World, logs: Logs) -> None:
        used(world, world.license(), 1_000, "one")
        logs.later(2 * DAY)
        logs.run()
        before = logs.names()
        assert logs.run() == {"objects": 0, "events": 0, "failed": 0}
        assert logs.names() == before

    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    def test_killed_at_each_call_it_still_writes_every_event_once(
        self, world: World, logs: Logs, after: bool
    ) -> None:
        license_id, died = world.license(), 0
        while True:
            used(world, license_id, 1_000, f"launch-{died}")
            logs.later(2 * DAY)
            try:
                with recorded(died, after=after):
                    logs.writer().license(license_id)
            except Killed:
                died += 1
                logs.later(7 * HOUR)  # the sweep counts on meanwhile: the stretch must not grow
                logs.run()
                continue
            break
        assert died > 4
        logs.later(2 * DAY)
        logs.run()
        launches = [event["launch"] for event in logs.events()]
        assert sorted(launches) == sorted(f"launch-{n}" for n in range(died + 1))

    def test_killed_between_the_object_and_the_mark_the_object_stays_the_same(
        self, world: World, logs: Logs
    ) -> None:
        license_id = world.license()
        used(world, license_id, 1_000, "one")
        logs.later(2 * DAY)
        death = itertools.count()
        while not logs.names():
            with pytest.raises(Killed), recorded(next(death), after=True):
                logs.writer().license(license_id)
        before = logs.names()
        used(world, license_id, 1_000, "two")
        logs.later(2 * DAY)
        logs.run()
        assert logs.names() == before
        logs.run()
        assert [event["launch"] for event in logs.events()] == ["one", "two"]

    def test_two_runs_at_the_same_time_write_the_same_object(
        self, world: World, logs: Logs
    ) -> None:
        license_id = world.license()
        for seed in range(12):
            used(world, license_id, 1_000, f"launch-{seed}")
            logs.later(2 * DAY)
            turns = Turns(seed)
            client = turns.client(world.client)
            writers = [logs.writer(client) for _ in range(2)]
            turns.run(*(lambda w=writer: w.license(license_id) for writer in writers))
            logs.run()
        launches = [event["launch"] for event in logs.events()]
        assert sorted(launches) == sorted(f"launch-{seed}" for seed in range(12))

    def test_a_run_that_is_out_of_time_leaves_the_rest_to_the_next(
        self, world: World, logs: Logs
    ) -> None:
        used(world, world.license(), 1_000, "one")
        logs.later(2 * DAY)
        assert logs.run(time_left=5_000)["objects"] == 0
        assert logs.run()["objects"] == 1

    def test_one_license_that_fails_stops_no_other(self, world: World, logs: Logs) -> None:
        broken, whole = world.license(), world.license()
        for license_id in (broken, whole):
            used(world, license_id, 1_000, f"of-{license_id}")
        logs.later(2 * DAY)
        row = {"pk": f"LICENSE#{broken}#2026-11", "sk": f"{NOON:013d}#broken", "type": "interval"}
        world.store.usage.apply(world.store.usage.put(row))
        with pytest.raises(LogIncomplete):
            logs.run()
        assert [event["license"] for event in logs.events()] == [whole]


def test_a_refusal_is_told_though_it_cannot_be_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    license_id = world.license()
    world.licenses.suspend(license_id)

    def throttled(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(world.licenses.denials, "_row", throttled)
    assert world.launch(license_id, "refused").code == "SUSPENDED"
