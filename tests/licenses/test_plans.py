"""What a pass, a subscription and a trial do to what runs on them, from first start to end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from chalicelib.core.clock import DAY, HOUR, MINUTE, SECOND, months_after
from chalicelib.core.errors import InvalidInput
from chalicelib.licenses import items
from chalicelib.licenses.rules import LEAST_LEASE, affordable, reserve
from chalicelib.licenses.verdicts import Code
from chalicelib.storage.dynamo import ConditionFailed
from tests.crash import Killed, at_every_call, recorded
from tests.licenses.world import NOON, TTL, World, lease_of

if TYPE_CHECKING:
    from chalicelib.licenses.values import Lease

RATE = 37_000_000  # a pass of 0.37 USD for one hour


def an_hour(world: World, **facts: int) -> str:
    return world.bought("pass", price="0.37", prepaid_ms=HOUR, **facts)


def minutes(world: World, count: int) -> str:
    """A pass that holds so few minutes, at a cent each."""
    return world.bought("pass", price=f"0.{count:02d}", prepaid_ms=count * MINUTE)


def left(world: World, license_id: str) -> int:
    """What the pass still gives, in milliseconds, after its sum was checked."""
    head = world.head(license_id)
    return affordable(world.room_adds_up(license_id), head.terms.rate)


def use(world: World, license_id: str, length: int) -> Lease:
    """A start that is closed after so long, with the heartbeats that it takes."""
    lease, until = world.opened(license_id), world.clock.now + length
    while world.clock.now + TTL // 2 < until:
        world.clock.now += TTL // 2
        lease = world.beat(lease, lease.seq + 1).lease or lease
    world.clock.now = until
    assert world.licenses.end(lease).valid
    return lease


@pytest.mark.guarantee("G3")
class TestPass:
    def test_holds_what_was_paid_and_sets_a_lease_aside_before_permission(
        self, world: World
    ) -> None:
        license_id = an_hour(world)
        assert left(world, license_id) == HOUR
        lease = world.opened(license_id)
        room = world.store.room(license_id)
        assert room
        assert room.cap == 37_000_000
        assert room.room == room.cap - reserve(TTL, RATE)
        world.clock.now += 90_000
        world.licenses.end(lease)
        assert left(world, license_id) == HOUR - 90_000

    def test_the_last_minutes_are_let_as_a_shorter_lease(self, world: World) -> None:
        license_id = minutes(world, 10)
        use(world, license_id, 7 * MINUTE)
        lease = world.opened(license_id)
        assert lease.expires_at - lease.started_at == 3 * MINUTE
        assert left(world, license_id) == 0

    def test_a_heartbeat_takes_what_is_left_and_the_next_says_that_it_is_used_up(
        self, world: World
    ) -> None:
        license_id = minutes(world, 7)
        lease = world.opened(license_id)
        world.clock.now += 150_000
        lease = lease_of(world.beat(lease, 1))
        assert lease.expires_at == NOON + 7 * MINUTE
        world.clock.now += 150_000
        assert world.beat(lease, 2).code is Code.PASS_USED_UP
        assert lease.live(world.clock.now)
        world.clock.now = lease.expires_at
        world.close_expired(license_id)
        (row,) = world.rows(license_id)
        assert row.billed_ms == 7 * MINUTE
        assert world.room_adds_up(license_id) == 0

    def test_what_was_seen_at_the_end_of_it_is_billed_though_nothing_could_be_renewed(
        self, world: World
    ) -> None:
        license_id = minutes(world, 3)
        lease = world.opened(license_id)
        world.clock.now += 90_000
        assert world.beat(lease, 1).code is Code.PASS_USED_UP
        world.clock.now = lease.expires_at
        assert world.launch(license_id).code is Code.PASS_USED_UP
        assert [row.billed_ms for row in world.rows(license_id)] == [3 * MINUTE]

    def test_used_up_refuses_launch_and_check(self, world: World) -> None:
        license_id = minutes(world, 3)
        use(world, license_id, 3 * MINUTE)
        assert world.launch(license_id).code is Code.PASS_USED_UP
        assert world.licenses.check(world.ask(license_id)).code is Code.PASS_USED_UP
        assert not world.licenses.usable(license_id)

    def test_is_used_up_when_less_than_a_second_is_left_and_not_before(self, world: World) -> None:
        # A row is rounded up to a millionth of a cent, which is less than the millisecond more.
        for left_over, code in (
            (LEAST_LEASE + 1, Code.VALID),
            (LEAST_LEASE - 1, Code.PASS_USED_UP),
        ):
            license_id = minutes(world, 3)
            use(world, license_id, 3 * MINUTE - left_over)
            assert world.licenses.check(world.ask(license_id)).code is code
            assert world.licenses.usable(license_id) is (code is Code.VALID)
            assert world.launch(license_id).code is code

    @pytest.mark.parametrize("seed", range(3))
    def test_all_of_it_can_be_used_and_never_more(self, world: World, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - an order, not a secret
        license_id = an_hour(world)
        while world.licenses.usable(license_id):
            if not (verdict := world.launch(license_id)).valid:
                assert verdict.code is Code.PASS_USED_UP
                world.clock.now += TTL
                continue
            lease = lease_of(verdict)
            world.clock.now += chance.randrange(lease.expires_at - lease.started_at + 1)
            if chance.random() < 0.5:
                lease = world.beat(lease, 1).lease or lease
                world.clock.now += chance.randrange(TTL)
            if chance.random() < 0.7:
                world.licenses.end(lease)
        rows = world.rows(license_id)
        used = sum(row.billed_ms for row in rows)
        # A row is rounded up by less than a millionth of a cent: here a tenth of a millisecond.
        assert HOUR - LEAST_LEASE - len(rows) < used <= HOUR
        assert world.launch(license_id).code is Code.PASS_USED_UP
        world.room_adds_up(license_id)

    def test_what_a_crashed_program_held_is_given_back_to_the_next_start(
        self, world: World
    ) -> None:
        license_id = minutes(world, 10)
        world.opened(license_id)
        world.opened(license_id)
        assert world.launch(license_id).code is Code.PASS_USED_UP
        world.clock.now += TTL
        lease = world.opened(license_id)
        assert lease.expires_at - lease.started_at == TTL
        assert len(world.rows(license_id)) == 2
        assert left(world, license_id) == TTL

    def test_what_a_crashed_program_held_is_given_back_to_a_heartbeat(self, world: World) -> None:
        license_id = minutes(world, 10)
        world.opened(license_id)
        world.clock.now += 150_000
        lease = world.opened(license_id)
        world.clock.now += 150_000
        assert lease_of(world.beat(lease, 1)).expires_at == world.clock.now + TTL
        assert left(world, license_id) == 150_000

    def test_a_resumed_launch_takes_the_last_minutes_as_well(self, world: World) -> None:
        license_id, name = minutes(world, 7), world.name()
        world.beat(world.opened(license_id, name), 1)
        world.clock.now += TTL + 1
        lease = world.opened(license_id, name, segment=1)
        assert lease.expires_at - lease.started_at == 2 * MINUTE
        assert left(world, license_id) == 0

    def test_the_same_launch_gets_the_same_short_lease_with_its_screen(self, world: World) -> None:
        license_id, name = minutes(world, 3), world.name()
        first = world.launch(license_id, name)
        world.clock.now += 1_000
        again = world.launch(license_id, name)
        assert again.lease == first.lease
        assert again.screen == first.screen
        assert first.screen
        assert "Left on it: 3 minutes." in first.screen.body

    def test_ends_with_its_validity_whatever_is_left(self, world: World) -> None:
        license_id = an_hour(world, valid_ms=DAY)
        use(world, license_id, MINUTE)
        world.clock.now = NOON + DAY - MINUTE
        assert world.opened(license_id).expires_at == NOON + DAY
        world.clock.now = NOON + DAY
        assert world.launch(license_id).code is Code.EXPIRED
        assert not world.licenses.usable(license_id)

    def test_a_start_closed_in_the_free_window_takes_nothing_out(self, world: World) -> None:
        license_id = an_hour(world, free_ms=MINUTE)
        use(world, license_id, MINUTE - 1)
        room = world.store.room(license_id)
        assert room
        assert (room.spent, room.room) == (0, room.cap)

    def test_its_rows_say_that_they_were_paid_before(self, world: World) -> None:
        for license_id, prepaid in ((an_hour(world), True), (world.license(), False)):
            use(world, license_id, MINUTE)
            (row,) = world.store.intervals(f"LICENSE#{license_id}#2026-11", 0)
            assert row["prepaid"] is prepaid

    def test_a_crash_at_any_call_of_a_refused_heartbeat_loses_nothing(self, world: World) -> None:
        def prepare() -> tuple[str, Lease]:
            world.clock.now = NOON
            license_id = minutes(world, 7)
            world.opened(license_id)
            world.clock.now += TTL
            lease = world.opened(license_id)
            world.clock.now += 150_000
            return license_id, lease

        def judge(held: tuple[str, Lease]) -> None:
            license_id, lease = held
            assert lease_of(world.beat(lease, 2)).expires_at == NOON + TTL + 7 * MINUTE
            world.room_adds_up(license_id)

        for death in range(4):
            held = prepare()
            with recorded(death) as calls, pytest.raises(Killed):
                world.beat(held[1], 1)
            judge(held)
        assert [action for _, action in calls.made] == [
            "TransactWriteItems", "Query", "GetItem", "TransactWriteItems",
        ]  # fmt: skip


class TestTrial:
    def test_costs_nothing_and_ends_by_itself_to_the_millisecond(self, world: World) -> None:
        license_id = world.bought("trial", valid_ms=14 * DAY)
        assert world.opened(license_id).rate == 0
        world.clock.now = NOON + 14 * DAY - 1
        last = world.launch(license_id)
        assert last.valid
        assert lease_of(last).expires_at == NOON + 14 * DAY
        world.clock.now += 1
        assert world.launch(license_id).code is Code.EXPIRED
        assert world.licenses.check(world.ask(license_id)).code is Code.EXPIRED
        assert not world.licenses.usable(license_id)

    def test_what_runs_is_told_that_it_has_ended(self, world: World) -> None:
        license_id = world.bought("trial", valid_ms=DAY)
        world.clock.now = NOON + DAY - 200_000
        lease = world.opened(license_id)
        world.clock.now += 100_000
        renewed = world.beat(lease, 1)
        assert renewed.valid
        assert lease_of(renewed).expires_at == NOON + DAY
        world.clock.now += 100_000
        assert world.beat(lease, 2).code is Code.EXPIRED
        assert world.licenses.end(lease).valid
        assert [row.ended_at for row in world.rows(license_id)] == [NOON + DAY]

    def test_there_is_one_of_an_application(self, world: World) -> None:
        assert not world.licenses.had_trial(world.account, "app_one")
        world.bought("trial", valid_ms=DAY)
        assert world.licenses.had_trial(world.account, "app_one")
        assert not world.licenses.had_trial(world.account, "app_two")
        with pytest.raises(ConditionFailed):
            world.bought("trial", valid_ms=DAY)

    def test_a_lease_that_could_only_start_behind_the_end_is_none(self, world: World) -> None:
        license_id = world.license(1)
        ahead = world.at(5_000)
        ahead.end(world.opened(license_id, by=ahead))
        world.licenses.end_at(license_id, NOON + 4_000)
        assert world.launch(license_id).code is Code.EXPIRED
        assert not world.open(license_id)


class TestSubscription:
    def test_lets_as_many_run_as_seats_were_bought(self, world: World) -> None:
        license_id = world.bought("subscription", 2, price="29.00", period_months=1)
        one, _ = world.opened(license_id), world.opened(license_id)
        full = world.launch(license_id)
        assert (full.code, full.retry_at) == (Code.SEATS_FULL, NOON + TTL)
        world.licenses.end(one)
        assert world.launch(license_id).valid

    def test_has_one_seat_unless_more_were_bought(self, world: World) -> None:
        license_id = world.bought("subscription", price="29.00", period_months=1)
        assert world.head(license_id).slots == frozenset({1})

    @pytest.mark.parametrize("seats", [0, -1, 201])
    def test_seats_outside_the_bounds_are_refused(self, world: World, seats: int) -> None:
        with pytest.raises(InvalidInput) as refusal:
            world.bought("subscription", seats, price="29.00", period_months=1)
        assert set(refusal.value.errors) == {"seats"}

    def test_ends_with_the_period_that_was_paid(self, world: World) -> None:
        license_id = world.bought("subscription", price="29.00", period_months=1)
        end = months_after(NOON, 1)
        world.clock.now = end - 1
        assert world.opened(license_id).expires_at == end
        world.clock.now = end
        assert world.launch(license_id).code is Code.EXPIRED

    def test_what_runs_over_the_end_of_a_period_hears_that_the_next_was_paid(
        self, world: World
    ) -> None:
        license_id = world.bought("subscription", price="29.00", period_months=1)
        end = months_after(NOON, 1)
        world.clock.now = end - 200_000
        lease = world.opened(license_id)
        assert lease.expires_at == end
        world.store.usage.transact(
            *world.licenses.extend(license_id, ends_from=end, ends_to=months_after(NOON, 2))
        )
        world.clock.now = end - 50_000
        renewed = lease_of(world.beat(lease, 1))
        assert renewed.expires_at == world.clock.now + TTL
        assert renewed.ends_at == months_after(NOON, 2)
        world.clock.now = end + 100_000
        with recorded() as calls:
            assert world.beat(renewed, 2).valid
        assert calls.made == [("dynamodb", "UpdateItem")]

    def test_a_payment_that_came_late_lets_it_run_again(self, world: World) -> None:
        license_id = world.bought("subscription", price="29.00", period_months=1)
        end = months_after(NOON, 1)
        world.clock.now = end + DAY
        assert world.launch(license_id).code is Code.EXPIRED
        paid = world.licenses.extend(license_id, ends_from=end, ends_to=months_after(NOON, 2))
        world.store.usage.transact(*paid)
        assert world.launch(license_id).valid
        with pytest.raises(ConditionFailed):
            world.store.usage.transact(*paid)

    def test_far_from_its_end_a_heartbeat_is_one_write_and_near_it_one_look_more(
        self, world: World
    ) -> None:
        license_id = world.bought("subscription", price="29.00", period_months=1)
        lease = world.opened(license_id)
        world.clock.now += 1_000
        with recorded() as calls:
            assert world.beat(lease, 1).valid
        assert calls.made == [("dynamodb", "UpdateItem")]
        world.licenses.end(lease)
        world.clock.now = months_after(NOON, 1) - TTL + 1
        lease = world.opened(license_id)
        with recorded() as calls:
            assert world.beat(lease, 1).valid
        assert calls.made == [("dynamodb", "GetItem"), ("dynamodb", "UpdateItem")]


class TestEnd:
    def test_an_earlier_end_reaches_what_runs(self, world: World) -> None:
        license_id = world.license()
        lease = world.opened(license_id)
        head = world.licenses.end_at(license_id, NOON + 200_000)
        assert (head.ends_at, head.epoch) == (NOON + 200_000, 2)
        world.clock.now += 100_000
        renewed = world.beat(lease, 1)
        assert renewed.valid
        assert lease_of(renewed).expires_at == lease.expires_at
        assert lease_of(renewed).ends_at == NOON + 200_000
        world.clock.now += 100_000
        assert world.beat(lease_of(renewed), 2).code is Code.EXPIRED
        assert world.beat(lease, 3).code is Code.EXPIRED

    def test_may_be_taken_away_again(self, world: World) -> None:
        license_id = world.license()
        world.licenses.end_at(license_id, NOON + 1_000)
        head = world.licenses.end_at(license_id, None)
        assert (head.ends_at, head.epoch) == (None, 3)
        world.clock.now += 2_000
        assert world.launch(license_id).valid

    def test_the_same_again_changes_nothing(self, world: World) -> None:
        license_id = world.license()
        first = world.licenses.end_at(license_id, NOON + DAY)
        assert world.licenses.end_at(license_id, NOON + DAY) == first

    def test_a_crash_at_any_call_leaves_what_the_sweep_finishes(self, world: World) -> None:
        def prepare() -> Lease:
            return world.opened(world.license())

        def judge(lease: Lease) -> None:
            world.licenses.standing.finish(lease.license)
            head = world.head(lease.license)
            assert {item["epoch"] for item in world.open(lease.license)} == {head.epoch}
            assert (head.ends_at is None) == (head.epoch == 1)

        at_every_call(
            prepare, lambda lease: world.licenses.end_at(lease.license, NOON + SECOND), judge
        )


def test_a_lease_signed_before_licenses_had_ends_is_read_as_endless() -> None:
    from chalicelib.licenses.leases import lease_of as read

    claims = {
        "license": "lic_1", "item": "USE#1", "jti": "lea_1", "launch_id": "1", "seg": 0,
        "start_ms": 1, "end_ms": 2, "seq": 0, "issued_ms": 1, "epoch": 1, "ttl_ms": TTL,
        "vendor": "vnd", "application": "app", "computer": "cmp", "release": None, "screen": "",
        "capped": False,
        "quote": {"rate": 1, "currency": "USD", "terms": 1, "free_ms": 0},
    }  # fmt: skip
    lease = read(claims)
    assert (lease.ends_at, lease.prepaid) == (None, False)


def test_a_cap_that_refuses_a_heartbeat_bills_what_was_seen(world: World) -> None:
    license_id = world.license(cap=reserve(TTL, RATE))
    lease = world.opened(license_id)
    world.clock.now += 150_000
    assert world.beat(lease, 1).code is Code.CAP_REACHED
    world.clock.now += 150_000
    world.close_expired(license_id)
    (row,) = world.rows(license_id)
    assert row.billed_ms == TTL
    assert items.room(world.store.usage.get(f"LICENSE#{license_id}", "ROOM"))
    assert world.room_adds_up(license_id) == 0
