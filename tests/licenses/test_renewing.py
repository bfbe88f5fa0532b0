"""Heartbeats and ends: late, lost, repeated and reordered calls change nothing."""

from __future__ import annotations

import dataclasses

import pytest

from chalicelib.licenses.rules import interval_key
from chalicelib.licenses.verdicts import Code
from chalicelib.storage.dynamo import ConditionFailed
from tests.crash import recorded
from tests.licenses.world import NOON, TTL, World, lease_of

SEATED = pytest.mark.parametrize("seats", [None, 2])
CAPPED = pytest.mark.parametrize("cap", [None, 10**12])


class TestHeartbeat:
    @SEATED
    @CAPPED
    def test_renews_for_the_time_of_the_terms(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        lease = world.opened(world.license(seats, cap))
        world.clock.now += 150_000
        renewed = lease_of(world.beat(lease, 1))
        assert (renewed.seq, renewed.expires_at) == (1, NOON + 150_000 + TTL)
        assert (renewed.started_at, renewed.id) == (lease.started_at, lease.id)

    @SEATED
    @CAPPED
    def test_an_equal_seq_gets_the_stored_lease_again(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        lease = world.opened(world.license(seats, cap))
        world.clock.now += 1_000
        first = lease_of(world.beat(lease, 1))
        world.clock.now += 1_000
        again = lease_of(world.beat(lease, 1))
        assert (again.seq, again.expires_at, again.seen) == (1, first.expires_at, first.seen)

    @SEATED
    def test_an_older_seq_is_superseded_and_one_may_be_skipped(
        self, world: World, seats: int | None
    ) -> None:
        lease = world.opened(world.license(seats))
        assert world.beat(lease, 7).valid
        assert world.beat(lease, 6).code is Code.LEASE_SUPERSEDED

    @SEATED
    @CAPPED
    def test_is_good_a_millisecond_before_the_end_and_refused_at_it(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        one, two = world.opened(license_id), world.opened(license_id)
        world.clock.now += TTL - 1
        assert world.beat(one, 1).valid
        world.clock.now += 1
        assert world.beat(two, 1).code is Code.LEASE_EXPIRED

    @SEATED
    @CAPPED
    def test_a_slower_clock_neither_shortens_nor_revives(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        lease = world.opened(license_id)
        world.clock.now += 10_000
        first = lease_of(world.beat(lease, 1))
        slow = world.at(-4_000)
        for token in (lease, first):
            renewed = lease_of(world.beat(token, token.seq + 2, by=slow))
            assert renewed.expires_at >= first.expires_at
            first = renewed
        world.licenses.end(first)
        assert world.beat(first, 9, by=world.at(-60_000)).code is Code.LEASE_ENDED
        assert not world.open(license_id)

    @SEATED
    def test_of_a_segment_before_does_not_touch_the_next(
        self, world: World, seats: int | None
    ) -> None:
        license_id, name = world.license(seats), world.name()
        first = world.opened(license_id, name)
        world.clock.now += TTL
        second = world.opened(license_id, name, segment=1)
        assert world.beat(first, 99).code is Code.LEASE_SUPERSEDED
        assert world.licenses.end(first).interval
        assert world.beat(second, 1).valid

    def test_an_older_token_renews_what_a_newer_one_has_extended(self, world: World) -> None:
        for cap in (None, 10**12):
            lease = world.opened(world.license(None, cap))
            world.clock.now += 100_000
            world.beat(lease, 1)
            world.clock.now += 100_000
            assert lease_of(world.beat(lease, 2)).expires_at == world.clock.now + TTL

    def test_of_a_lease_that_was_taken_over_says_what_became_of_it(self, world: World) -> None:
        license_id = world.license(1)
        lease = world.opened(license_id)
        world.clock.now += TTL
        world.opened(license_id)
        assert world.beat(lease, 1).code is Code.LEASE_EXPIRED


class TestScreen:
    @SEATED
    @CAPPED
    @pytest.mark.promise("PS-64")
    @pytest.mark.promise("PS-65")
    def test_a_lease_without_the_receipt_of_its_screen_is_not_renewed(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        lease = world.opened(world.license(seats, cap))
        assert world.beat(lease, 1, shown=False).code is Code.SCREEN_REQUIRED
        assert world.beat(lease, 2, shown=True).valid
        assert world.beat(lease, 3, shown=False).valid

    def test_each_segment_wants_its_own_receipt(self, world: World) -> None:
        license_id, name = world.license(1), world.name()
        world.beat(world.opened(license_id, name), 1)
        world.clock.now += TTL
        second = world.opened(license_id, name, segment=1)
        assert world.beat(second, 1, shown=False).code is Code.SCREEN_REQUIRED


class TestEnd:
    @SEATED
    @CAPPED
    def test_closes_at_now_and_bills_the_interval(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        lease = world.opened(license_id)
        world.clock.now += 12_345
        verdict = world.licenses.end(lease)
        assert verdict.valid
        assert verdict.interval
        assert verdict.interval.billed_ms == 12_345
        assert world.rows(license_id) == [verdict.interval]
        assert not world.open(license_id)
        if cap:
            world.room_adds_up(license_id)

    @SEATED
    @CAPPED
    def test_again_gives_the_same_receipt(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        lease = world.opened(license_id)
        world.clock.now += 1_000
        first = world.licenses.end(lease)
        world.clock.now += 1_000
        assert world.licenses.end(lease).interval == first.interval
        assert len(world.rows(license_id)) == 1

    @SEATED
    @CAPPED
    def test_after_the_expiry_bills_up_to_the_lease_s_own_end(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        lease = lease_of(world.beat(world.opened(license_id), 1))
        world.clock.now += 10 * TTL
        interval = world.licenses.end(lease).interval
        assert interval
        assert (interval.ended_at, interval.billed_ms) == (lease.expires_at, TTL)

    @SEATED
    @CAPPED
    def test_with_an_old_token_closes_the_lease_as_it_stands(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        lease = world.opened(license_id)
        world.clock.now += 200_000
        world.beat(lease, 1)
        world.clock.now += 200_000
        interval = world.licenses.end(lease).interval
        assert interval
        assert interval.billed_ms == 400_000

    def test_by_a_slower_clock_is_never_negative(self, world: World) -> None:
        for cap in (None, 10**12):
            lease = world.opened(world.license(None, cap))
            interval = world.at(-10_000).end(lease).interval
            assert interval
            assert interval.billed_ms == 0

    @pytest.mark.guarantee("G4")
    def test_a_row_that_stands_is_never_written_again(self, world: World) -> None:
        license_id = world.license()
        lease = world.opened(license_id)
        interval = world.licenses.end(lease).interval
        assert interval
        longer = dataclasses.replace(interval, ended_at=interval.ended_at + TTL)
        with pytest.raises(ConditionFailed):
            world.store.usage.apply(world.store.interval_row(lease, longer))
        assert world.rows(license_id) == [interval]

    @pytest.mark.guarantee("G4")
    def test_its_row_says_all_that_a_bill_is_recomputed_from(self, world: World) -> None:
        lease = world.opened(world.license(free_ms=1_000), release="1.0.0")
        world.clock.now += 97_297
        world.licenses.end(lease)
        row = world.store.usage.get(*interval_key(lease, lease.id))
        assert row
        told = {name: row[name] for name in ("vendor", "application", "license", "currency")}
        assert told == {
            "vendor": "vnd_one", "application": "app_one", "license": lease.license,
            "currency": "USD",
        }  # fmt: skip
        assert (row["terms"], row["rate"], row["free_ms"]) == (1, 37_000_000, 1_000)
        assert (row["started_at"], row["ended_at"]) == (NOON, NOON + 97_297)
        assert (row["computer"], row["release"], row["screen"]) == ("cmp", "1.0.0", lease.screen)

    def test_of_a_lease_that_is_nowhere_is_unknown(self, world: World) -> None:
        lease = world.opened(world.license())
        lost = dataclasses.replace(lease, license="lic_gone")
        assert world.licenses.end(lost).code is Code.UNKNOWN
        assert world.beat(lost, 1).code is Code.UNKNOWN


class TestExpiry:
    @SEATED
    @CAPPED
    def test_a_segment_never_seen_again_is_billed_to_where_it_was_seen(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        world.opened(license_id)
        world.clock.now += TTL
        world.close_expired(license_id)
        (row,) = world.rows(license_id)
        assert (row.billed_ms, row.held_until) == (0, NOON + TTL)
        if cap:
            assert world.room_adds_up(license_id) == cap

    @SEATED
    @CAPPED
    def test_a_segment_that_was_renewed_is_billed_to_its_end(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        lease = world.opened(license_id)
        world.clock.now += 100_000
        world.beat(lease, 1)
        world.clock.now += TTL
        world.close_expired(license_id)
        (row,) = world.rows(license_id)
        assert row.billed_ms == 100_000 + TTL
        if cap:
            world.room_adds_up(license_id)


class TestBroughtBack:
    """A restore of the table puts back the row of an open lease that was deleted at its end."""

    @CAPPED
    @pytest.mark.parametrize("ended", [True, False])
    def test_its_place_is_freed_and_nothing_else_changes(
        self, world: World, cap: int | None, ended: bool
    ) -> None:
        license_id = world.license(cap=cap)
        lease = world.opened(license_id)
        (row,) = world.open(license_id)
        world.clock.now += 1_000 if ended else TTL
        if ended:
            world.licenses.end(lease)
        else:
            world.close_expired(license_id)
        before = (world.rows(license_id), world.store.room(license_id))
        world.store.usage.apply(world.store.usage.put(row))
        world.clock.now = lease.expires_at
        renewing = world.licenses.renewing
        assert renewing.close_expired(lease)
        assert world.open(license_id) == []
        assert (world.rows(license_id), world.store.room(license_id)) == before
        assert not renewing.close_expired(lease)

    def test_a_row_that_is_not_the_closed_segment_stays(self, world: World) -> None:
        license_id = world.license()
        lease = world.opened(license_id)
        (row,) = world.open(license_id)
        world.licenses.end(lease)
        world.store.usage.apply(world.store.usage.put({**row, "segment_no": 1}))
        assert not world.licenses.renewing.close_expired(lease)
        assert len(world.open(license_id)) == 1


class TestCap:
    @pytest.mark.guarantee("G3")
    def test_the_worst_case_is_reserved_before_permission_is_given(self, world: World) -> None:
        need = -(-TTL * 37_000_000 // 3_600_000)
        license_id = world.license(cap=need - 1)
        assert world.launch(license_id).code is Code.CAP_REACHED
        license_id = world.license(cap=need)
        lease = world.opened(license_id)
        assert world.room_adds_up(license_id) == 0
        world.clock.now += 1
        assert world.beat(lease, 1).code is Code.CAP_REACHED
        assert world.licenses.end(lease).valid

    def test_a_renewal_reserves_the_extension_alone(self, world: World) -> None:
        cap = 10**9
        license_id = world.license(cap=cap)
        lease = world.opened(license_id)
        for seq in range(1, 6):
            world.clock.now += 60_001
            lease = lease_of(world.beat(lease, seq))
            held = -(-(lease.expires_at - lease.started_at) * 37_000_000 // 3_600_000)
            assert world.room_adds_up(license_id) == cap - held

    def test_a_launch_closed_within_the_free_window_costs_nothing(self, world: World) -> None:
        license_id = world.license(cap=10**9, free_ms=60_000)
        lease = world.opened(license_id)
        world.clock.now += 59_999
        world.licenses.end(lease)
        room = world.store.view(license_id).room
        assert room
        assert (room.spent, room.room) == (0, 10**9)
        assert [row.billed_ms for row in world.rows(license_id)] == [59_999]


class TestCost:
    def test_a_heartbeat_is_one_update_and_a_capped_one_a_transaction(self, world: World) -> None:
        for cap, expected in ((None, "UpdateItem"), (10**12, "TransactWriteItems")):
            lease = world.opened(world.license(3, cap))
            world.clock.now += 1_000
            with recorded() as calls:
                assert world.beat(lease, 1).valid
            assert calls.made == [("dynamodb", expected)]

    @SEATED
    @CAPPED
    def test_an_end_is_one_transaction(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        lease = world.opened(world.license(seats, cap))
        with recorded() as calls:
            assert world.licenses.end(lease).valid
        assert calls.made == [("dynamodb", "TransactWriteItems")]
