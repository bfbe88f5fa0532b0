"""Suspension, revocation, reinstatement, and the number of seats."""

from __future__ import annotations

from functools import partial

import pytest

from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.licenses.standing import OverForGood
from chalicelib.licenses.verdicts import Code
from tests.crash import at_every_call
from tests.interleaving import Between
from tests.licenses.world import TTL, World, lease_of

SEATED = pytest.mark.parametrize("seats", [None, 4])


class TestSuspension:
    @SEATED
    def test_is_felt_at_once_by_launches_and_by_the_next_heartbeat(
        self, world: World, seats: int | None
    ) -> None:
        license_id, name = world.license(seats), world.name()
        lease = world.opened(license_id, name)
        world.licenses.suspend(license_id)
        assert world.beat(lease, 1).code is Code.SUSPENDED
        assert world.launch(license_id).code is Code.SUSPENDED
        assert world.launch(license_id, name).code is Code.SUSPENDED
        assert world.licenses.check(world.ask(license_id)).code is Code.SUSPENDED

    @SEATED
    def test_leaves_the_signed_lease_to_run_out_and_bills_no_more(
        self, world: World, seats: int | None
    ) -> None:
        license_id = world.license(seats)
        lease = lease_of(world.beat(world.opened(license_id), 1))
        world.licenses.suspend(license_id)
        world.clock.now += 2 * TTL
        world.close_expired(license_id)
        (row,) = world.rows(license_id)
        assert row.ended_at == lease.expires_at

    def test_twice_is_once(self, world: World) -> None:
        license_id = world.license()
        first = world.licenses.suspend(license_id)
        assert world.licenses.suspend(license_id) == first

    @SEATED
    def test_lifted_before_the_next_heartbeat_costs_the_program_nothing(
        self, world: World, seats: int | None
    ) -> None:
        license_id = world.license(seats)
        lease = world.opened(license_id)
        world.licenses.suspend(license_id)
        world.licenses.reinstate(license_id)
        renewed = lease_of(world.beat(lease, 1))
        assert renewed.epoch == 2
        world.licenses.suspend(license_id)
        assert world.beat(renewed, 2).code is Code.SUSPENDED

    @SEATED
    @pytest.mark.guarantee("G12")
    def test_a_crash_at_any_call_is_finished_by_the_sweep_s_second_half(
        self, world: World, seats: int | None
    ) -> None:
        def prepare() -> tuple[str, list[object]]:
            license_id = world.license(seats)
            return license_id, [world.opened(license_id) for _ in range(2)]

        def act(start: tuple[str, list[object]]) -> None:
            world.licenses.suspend(start[0])

        def judge(start: tuple[str, list[object]]) -> None:
            license_id, _ = start
            world.licenses.standing.finish(license_id)
            standing = world.head(license_id).standing
            epochs = frozenset(item["epoch"] for item in world.open(license_id))
            assert (standing, epochs) in {("active", frozenset({1})), ("suspended", frozenset({2}))}
            rows = world.store.everything(license_id)
            assert not [row for row in rows if row["sk"].startswith("WORK#")]

        assert at_every_call(prepare, act, judge)

    def test_of_an_unknown_license_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.licenses.suspend("lic_unknown")


class TestRevocation:
    def test_is_for_good(self, world: World) -> None:
        license_id = world.license()
        lease = world.opened(license_id)
        world.licenses.revoke(license_id)
        assert world.beat(lease, 1).code is Code.REVOKED
        assert world.launch(license_id).code is Code.REVOKED
        for change in (world.licenses.reinstate, world.licenses.suspend):
            with pytest.raises(OverForGood):
                change(license_id)

    def test_also_ends_a_suspended_license(self, world: World) -> None:
        license_id = world.license()
        world.licenses.suspend(license_id)
        assert world.licenses.revoke(license_id).standing == "revoked"


class TestSeats:
    def test_free_seats_leave_first(self, world: World) -> None:
        license_id = world.license(3)
        leases = [world.opened(license_id) for _ in range(2)]
        slots = world.licenses.set_seats(license_id, 2).slots
        assert sorted(slots or ()) == sorted(lease.seat or 0 for lease in leases)

    @pytest.mark.guarantee("G1")
    def test_a_held_seat_leaves_at_once_and_is_never_let_again(self, world: World) -> None:
        license_id = world.license(2)
        one, two = world.opened(license_id), world.opened(license_id)
        world.clock.now += 1_000
        one = lease_of(world.beat(one, 1))
        left = world.licenses.set_seats(license_id, 1)
        over = one if left.slots and one.seat not in left.slots else two
        assert world.beat(over, 5).code is Code.SEATS_OVER
        assert world.launch(license_id).code is Code.SEATS_FULL
        world.licenses.end(over)
        assert world.launch(license_id).code is Code.SEATS_FULL

    @pytest.mark.guarantee("G1")
    def test_a_seat_that_leaves_while_it_is_being_taken_is_not_let(self, world: World) -> None:
        for _ in range(8):  # which of the five seats a launch aims at follows from its id
            license_id = world.license(5)
            client = Between(world.client, partial(world.licenses.set_seats, license_id, 1))
            lease = world.opened(license_id, by=world.at(client=client))
            assert lease.seat in (world.head(license_id).slots or ())

    def test_seats_can_be_added_again(self, world: World) -> None:
        license_id = world.license(5)
        lease = world.opened(license_id)
        world.licenses.set_seats(license_id, 1)
        world.licenses.set_seats(license_id, 150)
        slots = world.head(license_id).slots
        assert slots
        assert len(slots) == 150
        assert lease.seat in slots
        assert world.launch(license_id).valid
        world.licenses.set_seats(license_id, 3)
        assert len(world.head(license_id).slots or ()) == 3

    def test_a_resumed_launch_leaves_a_seat_that_was_taken_out(self, world: World) -> None:
        license_id, name = world.license(2), world.name()
        first = world.opened(license_id, name)
        world.opened(license_id)
        world.licenses.set_seats(license_id, 1)
        world.licenses.set_seats(license_id, 2)
        world.clock.now += TTL
        second = world.opened(license_id, name, segment=1)
        assert world.opened(license_id, name, segment=1) == second
        world.close_expired(license_id)
        assert world.beat(second, 1).valid
        assert first.id == second.id

    def test_the_number_must_make_sense(self, world: World) -> None:
        for license_id, seats in ((world.license(2), 0), (world.license(2), 201)):
            with pytest.raises(InvalidInput):
                world.licenses.set_seats(license_id, seats)
        with pytest.raises(InvalidInput):
            world.licenses.set_seats(world.license(), 3)
