"""The sweep: closes what expired, finishes stops, counts each interval once; at any crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.clock import DAY, HOUR
from chalicelib.licenses.sweep import LicenseSweep, SweepIncomplete
from chalicelib.usage.rules import UsageRow
from chalicelib.usage.service import Usage
from chalicelib.usage.store import UsageStore
from tests.crash import Killed, recorded
from tests.interleaving import Between, Turns
from tests.licenses.world import NOON, TTL, lease_of

if TYPE_CHECKING:
    from tests.licenses.world import World


def sweep_on(world: World, client: Any = None) -> LicenseSweep:
    licenses = world.at(client=client)
    return LicenseSweep(licenses, Usage(UsageStore(licenses.store.usage), licenses), world.clock)


def totals(world: World, license_id: str) -> dict[str, int]:
    found = sweep_on(world).usage.store.of_license(license_id)
    return {row.day: row.milliseconds for row in found}


def vendor_totals(world: World) -> dict[str, int]:
    """What the vendor sees, a license."""
    rows, last = sweep_on(world).usage.of_vendor("vnd_one", after=None, limit=200)
    assert last is None
    found: dict[str, int] = {}
    for row in rows:
        found[row.license] = found.get(row.license, 0) + row.milliseconds
    return found


def used(world: World, license_id: str, milliseconds: int) -> None:
    """A launch that is closed after so long, with heartbeats on the way."""
    lease, left = world.opened(license_id), milliseconds
    while left > TTL // 2:
        world.clock.now += TTL // 2
        left -= TTL // 2
        lease = lease_of(world.beat(lease, lease.seq + 1))
    world.clock.now += left
    world.licenses.end(lease)


class TestTotals:
    @pytest.mark.promise("PS-14")
    def test_are_the_intervals_by_day_for_account_and_vendor(self, world: World) -> None:
        license_id = world.license()
        world.clock.now = NOON + 12 * HOUR - 100_000
        used(world, license_id, 250_000)
        used(world, license_id, 7)
        sweep_on(world).run()
        assert totals(world, license_id) == {"2026-11-25": 100_000, "2026-11-26": 150_007}
        assert vendor_totals(world) == {license_id: 250_007}
        assert sum(row.billed_ms for row in world.rows(license_id)) == 250_007

    def test_do_not_change_however_often_it_runs(self, world: World) -> None:
        license_id = world.license()
        for _ in range(3):
            used(world, license_id, 1_001)
            sweep_on(world).run()
            sweep_on(world).run()
        assert totals(world, license_id) == {"2026-11-25": 3_003}

    def test_count_what_expired_once_it_is_closed(self, world: World) -> None:
        license_id = world.license(2)
        world.beat(world.opened(license_id), 1)
        world.clock.now += TTL
        assert sweep_on(world).run() == {"licenses": 1, "expired": 1, "counted": 1, "failed": 0}
        assert totals(world, license_id) == {"2026-11-25": TTL}
        assert not world.open(license_id)

    def test_count_a_lease_that_began_before_the_mark_had_passed_it(self, world: World) -> None:
        license_id = world.license()
        lease = world.opened(license_id)
        while world.clock.now < NOON + 2 * DAY:
            world.clock.now += TTL // 2
            lease = lease_of(world.beat(lease, lease.seq + 1))
            if lease.seq % 100 == 0:
                used(world, license_id, 5)
                sweep_on(world).run()
        world.licenses.end(lease)
        sweep_on(world).run()
        counted = sum(totals(world, license_id).values())
        assert counted == sum(row.billed_ms for row in world.rows(license_id)) > 2 * DAY

    def test_reach_over_months_in_which_nothing_ran(self, world: World) -> None:
        license_id = world.license()
        sweep_on(world).run()
        used(world, license_id, 10)
        sweep_on(world).run()
        world.clock.now += 40 * DAY
        sweep_on(world).run()
        sweep_on(world).run()
        used(world, license_id, 20)
        sweep_on(world).run()
        assert totals(world, license_id) == {"2026-11-25": 10, "2027-01-04": 20}

    def test_of_another_vendor_are_not_seen(self, world: World) -> None:
        used(world, world.license(), 10)
        sweep_on(world).run()
        usage = sweep_on(world).usage
        assert usage.of_vendor("vnd_two", after=None, limit=10) == ([], None)

    def test_come_in_pages(self, world: World) -> None:
        licenses = sorted(world.license() for _ in range(3))
        for license_id in licenses:
            used(world, license_id, 10)
        sweep_on(world).run()
        usage = sweep_on(world).usage
        first, mark = usage.of_vendor("vnd_one", after=None, limit=2)
        rest, end = usage.of_vendor("vnd_one", after=mark, limit=2)
        assert [row.license for row in first + rest] == licenses
        assert end is None
        assert first[0] == UsageRow("app_one", licenses[0], "2026-11-25", 10)
        one, mark = usage.of_licenses(licenses, after=None, limit=2)
        two, end = usage.of_licenses(licenses, after=mark, limit=2)
        assert one + two == first + rest
        assert end is None


class TestCrash:
    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("seats", [None, 3])
    def test_at_any_call_the_next_run_ends_in_the_same_state(
        self, world: World, seats: int | None
    ) -> None:
        def prepare() -> str:
            world.clock.now = NOON + 12 * HOUR - TTL
            license_id = world.license(seats, cap=10**12)
            used(world, license_id, 2 * TTL)
            world.beat(world.opened(license_id), 1)
            world.clock.now += TTL
            return license_id

        start = prepare()
        with recorded() as calls:
            sweep_on(world).license(start)
        expected = sum(totals(world, start).values())
        assert expected == 3 * TTL
        assert len(calls) > 5
        for death in range(len(calls)):  # before a call is after the one before it
            license_id = prepare()
            with recorded(death), pytest.raises(Killed):
                sweep_on(world).license(license_id)
            sweep_on(world).license(license_id)
            assert sum(totals(world, license_id).values()) == expected
            assert vendor_totals(world)[license_id] == expected
            world.room_adds_up(license_id)

    def test_one_license_that_fails_does_not_stop_the_others(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = world.license(), world.license()
        used(world, good, 10)
        sweep = sweep_on(world)
        stock = sweep.license

        def license_(license_id: str) -> tuple[int, int]:
            if license_id == bad:
                raise LookupError(license_id)
            return stock(license_id)

        monkeypatch.setattr(sweep, "license", license_)
        with pytest.raises(SweepIncomplete):
            sweep.run()
        assert totals(world, good) == {"2026-11-25": 10}


class TestSideBySide:
    @pytest.mark.guarantee("G2")
    def test_a_sweep_that_another_overtakes_counts_nothing_again(self, world: World) -> None:
        license_id = world.license()
        used(world, license_id, 11)
        other = sweep_on(world)
        client = Between(world.client, lambda: other.license(license_id))
        assert sweep_on(world, client).license(license_id) == (0, 0)
        assert totals(world, license_id) == {"2026-11-25": 11}
        assert vendor_totals(world) == {license_id: 11}

    @pytest.mark.parametrize("seed", range(6))
    def test_two_sweeps_at_once_count_everything_once(self, world: World, seed: int) -> None:
        license_id = world.license(3)
        for _ in range(3):
            used(world, license_id, 11)
        world.beat(world.opened(license_id), 1)
        world.clock.now += TTL
        turns = Turns(seed)
        one, two = (sweep_on(world, turns.client(world.client)) for _ in range(2))
        answers = turns.run(lambda: one.license(license_id), lambda: two.license(license_id))
        assert not [answer for answer in answers if isinstance(answer, BaseException)]
        sweep_on(world).license(license_id)
        assert totals(world, license_id) == {"2026-11-25": 33 + TTL}
        assert vendor_totals(world) == {license_id: 33 + TTL}
