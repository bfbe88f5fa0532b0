"""Totals by day and computer agree with each other and with the rows, to the millisecond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chalicelib.core.clock import DAY, HOUR
from chalicelib.licenses.launching import ending, new_lease, place
from chalicelib.usage.rules import (
    UNKNOWN,
    UsageRow,
    Use,
    last_seen,
    months_between,
    split,
    sums,
    told_apart,
)
from tests.interleaving import Turns
from tests.licenses.world import NOON, TTL
from tests.usage.test_sweep import sweep_on, totals, used

if TYPE_CHECKING:
    from chalicelib.licenses.service import Ownership
    from chalicelib.storage.dynamo import Item
    from chalicelib.usage.service import Usage
    from tests.licenses.world import World

STARTS = st.integers(min_value=0, max_value=2 * DAY)
LENGTHS = st.one_of(st.integers(0, 3), st.integers(0, 2 * HOUR), st.integers(0, 40 * DAY))
COMPUTERS = st.sampled_from(["one", "two", "three"])


@dataclass(frozen=True)
class Step:
    """Launches that end, and the sweeps after them: none, one, the same again, or two at once."""

    ran: list[tuple[int, int, str]]
    sweeps: str


STEPS = st.lists(
    st.builds(
        Step,
        st.lists(st.tuples(STARTS, LENGTHS, COMPUTERS), max_size=5),
        st.sampled_from(["late", "once", "twice", "at once"]),
    ),
    min_size=1,
    max_size=3,
)


def owned_by(world: World) -> list[Ownership]:
    return world.licenses.of_account(world.account)


def usage_of(world: World) -> Usage:
    return sweep_on(world).usage


def uses(world: World, license_id: str, month: str = "") -> list[Use]:
    mine = [each for each in owned_by(world) if each.license == license_id]
    return usage_of(world).uses(mine, month)


def ran(world: World, license_id: str, start: int, length: int, computer: str) -> None:
    """An interval as an end writes it."""
    head, launch = world.head(license_id), world.name()
    ask = world.ask(license_id, launch, computer=computer)
    opening = place(head, world.store.view(license_id), ask, start)
    lease = new_lease(opening, "screen")
    row = ending(lease, start + length)
    world.store.usage.apply(world.store.interval_row(lease, row))


def sweep(world: World, license_id: str, how: str, seed: int) -> None:
    if how == "at once":
        turns = Turns(seed)
        pair = [sweep_on(world, turns.client(world.client)) for _ in range(2)]
        answers = turns.run(*[lambda each=each: each.license(license_id) for each in pair])
        assert not [answer for answer in answers if isinstance(answer, BaseException)]
    for _ in range({"once": 1, "twice": 2}.get(how, 0)):
        sweep_on(world).license(license_id)


def intervals(world: World, license_id: str) -> list[Item]:
    months = months_between(world.head(license_id).granted_at, world.clock.now)
    return [row for month in months for row in world.licenses.intervals(license_id, month)]


def told_the_vendor(world: World, license_id: str) -> int:
    rows = (row for _, row in usage_of(world).store.of_vendor("vnd_one", None))
    return sum(row.milliseconds for row in rows if row.license == license_id)


def expected(rows: list[Item]) -> dict[tuple[str, str], int]:
    """Milliseconds by day and computer, from the rows alone."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        for day, milliseconds in split(row["started_at"], row["ended_at"]):
            key = (day, row["computer"])
            found[key] = found.get(key, 0) + milliseconds
    return found


@pytest.mark.guarantee("G2")
class TestAgreement:
    @given(steps=STEPS, seed=st.integers(0, 10**6))
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_all_sums_are_the_rows_whatever_sweeps_ran(
        self, moto_world: World, steps: list[Step], seed: int
    ) -> None:
        world = moto_world
        license_id = world.license()
        granted = world.clock.now
        for number, step in enumerate(steps):
            base = world.clock.now
            for start, length, computer in step.ran:
                ran(world, license_id, base + start, length, computer)
            world.clock.now = max([base, *(base + s + length for s, length, _ in step.ran)])
            sweep(world, license_id, step.sweeps, seed + number)
            self.judge(world, license_id, granted)
        sweep_on(world).license(license_id)
        assert not usage_of(world).uncounted(license_id, granted, world.clock.now)
        found = {(use.day, use.computer): use.milliseconds for use in uses(world, license_id)}
        assert found == expected(intervals(world, license_id))
        assert sum(found.values()) == told_the_vendor(world, license_id)

    def judge(self, world: World, license_id: str, granted: int) -> None:
        """Counted or waiting, nothing is lost; and every way of summing gives the same."""
        rows = intervals(world, license_id)
        whole = sum(row["ended_at"] - row["started_at"] for row in rows)
        waiting = usage_of(world).uncounted(license_id, granted, world.clock.now)
        counted = uses(world, license_id)
        assert sum(u.milliseconds for u in counted) + sum(p.milliseconds for p in waiting) == whole
        by_day = sums(counted, lambda use: use.day)
        assert by_day == totals(world, license_id)
        assert sum(sums(counted, lambda use: use.computer).values()) == sum(by_day.values())
        months = sorted({use.day[:7] for use in counted})
        assert [use for month in months for use in uses(world, license_id, month)] == counted


class TestOlderRows:
    def test_without_a_computer_take_it_from_the_launch(self, world: World) -> None:
        license_id = world.license()
        used(world, license_id, 7)
        (row,) = intervals(world, license_id)
        del row["computer"]
        world.store.usage.apply(world.store.usage.put(row))
        sweep_on(world).license(license_id)
        assert [(use.computer, use.milliseconds) for use in uses(world, license_id)] == [("cmp", 7)]

    def test_without_a_launch_either_are_of_no_known_computer(self, world: World) -> None:
        license_id = world.license()
        used(world, license_id, 7)
        (row,) = intervals(world, license_id)
        launch_id = row["launch_id"]
        del row["computer"]
        world.store.usage.apply(world.store.usage.put(row))
        world.store.usage.apply(
            world.store.usage.delete(f"LAUNCH#{license_id}#{launch_id}", "LAUNCH")
        )
        sweep_on(world).license(license_id)
        assert [use.computer for use in uses(world, license_id)] == [UNKNOWN]
        assert totals(world, license_id) == {"2026-11-25": 7}

    def test_counted_before_computers_were_told_apart_still_sum_to_the_day(
        self, world: World
    ) -> None:
        license_id = world.license()
        used(world, license_id, 7)
        sweep_on(world).license(license_id)
        world.store.usage.apply(
            world.store.usage.delete(f"TOTALS#{license_id}#COMPUTERS", "2026-11-25#cmp")
        )
        used(world, license_id, 5)
        sweep_on(world).license(license_id)
        found = {use.computer: use.milliseconds for use in uses(world, license_id)}
        assert found == {UNKNOWN: 7, "cmp": 5}


class TestLastSeen:
    def test_is_the_end_of_the_last_counted_use(self, world: World) -> None:
        license_id = world.license()
        used(world, license_id, 7)
        used(world, license_id, TTL)
        sweep_on(world).license(license_id)
        sweep_on(world).license(license_id)
        assert world.store.view(license_id).computers["cmp"].seen_at == NOON + 7 + TTL

    def test_of_several_parts_is_the_latest(self) -> None:
        assert last_seen([]) == {}


class TestPages:
    def test_go_on_where_the_last_one_ended(self, world: World) -> None:
        licenses = sorted(world.license() for _ in range(2))
        for license_id in licenses:
            for number in range(3):
                ran(world, license_id, world.clock.now, 5 + number, f"cmp-{number}")
                world.clock.now += DAY
            sweep_on(world).license(license_id)
        whole, end = usage_of(world).by_computer(licenses, after=None, limit=50)
        assert end is None
        assert len(whole) == 6
        found: list[Any] = []
        mark = None
        for _ in range(6):
            rows, mark = usage_of(world).by_computer(licenses, after=mark, limit=1)
            found += rows
        assert mark is None
        assert found == whole
        assert [row.license for row in found] == [*[licenses[0]] * 3, *[licenses[1]] * 3]


@given(
    st.lists(st.tuples(st.sampled_from(["2026-11-01", "2026-11-02"]), st.integers(1, 99))),
    st.lists(
        st.tuples(st.sampled_from(["2026-11-01", "2026-11-02"]), COMPUTERS, st.integers(1, 9))
    ),
)
def test_what_is_told_apart_always_sums_to_the_days(
    more: list[tuple[str, int]], parts: list[tuple[str, str, int]]
) -> None:
    known = [Use("app", "lic", day, computer, ms) for day, computer, ms in parts]
    days = sums(known, lambda use: use.day)
    for day, milliseconds in more:
        days[day] = days.get(day, 0) + milliseconds
    rows = [UsageRow("app", "lic", day, milliseconds) for day, milliseconds in days.items()]
    found = told_apart(rows, known)
    assert sums(found, lambda use: use.day) == days
    assert sum(use.milliseconds for use in found if use.computer == UNKNOWN) == sum(
        milliseconds for _, milliseconds in more
    )
