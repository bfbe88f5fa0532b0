"""What the customer does to what runs: ending a launch, blocking a computer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.errors import NotFound
from chalicelib.licenses.computers import MOST_BLOCKED, TooManyBlocked
from chalicelib.licenses.sweep import LicenseSweep
from chalicelib.licenses.verdicts import Code
from chalicelib.usage.service import Usage
from chalicelib.usage.store import UsageStore
from tests.crash import at_every_call, recorded
from tests.interleaving import Between, Turns
from tests.licenses.test_races import together
from tests.licenses.world import NOON, TTL, World, lease_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.values import Interval, Lease

CAP = 10**12
PLACES = [(None, None), (2, None), (None, CAP), (2, CAP)]


def end(world: World, lease: Lease, by: Licenses | None = None) -> Interval | None:
    return (by or world.licenses).end_lease(world.account, lease.license, lease.id)


def block(world: World, license_id: str, computer: str = "cmp") -> None:
    world.licenses.block(world.account, license_id, computer)


def sweep(world: World) -> LicenseSweep:
    usage = Usage(UsageStore(world.store.usage), world.licenses)
    return LicenseSweep(world.licenses, usage, world.clock)


def left_to_vacate(world: World, license_id: str) -> list[str]:
    return [i["sk"] for i in world.store.partition(license_id) if i["sk"].startswith("VACATE#")]


class TestEnding:
    @pytest.mark.guarantee("G2")
    @pytest.mark.parametrize(("seats", "cap"), PLACES)
    def test_bills_to_the_click_and_frees_the_seat_at_that_instant(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        license_id = world.license(seats, cap)
        lease = world.opened(license_id)
        world.clock.now += 70_001
        row = end(world, lease)
        assert row
        assert (row.started_at, row.ended_at, row.held_until, row.by) == (
            NOON, NOON + 70_001, NOON + 70_001, "end",
        )  # fmt: skip
        assert world.rows(license_id) == [row]
        assert row.computer == "cmp"
        assert not world.open(license_id)
        if cap:
            world.room_adds_up(license_id)
        if seats:
            assert [lease_of(world.launch(license_id)).started_at for _ in range(2)] == [
                world.clock.now
            ] * 2

    def test_the_program_learns_of_it_and_cannot_go_on(self, world: World) -> None:
        license_id, name = world.license(2), world.name()
        lease = lease_of(world.beat(world.opened(license_id, name), 1))
        world.clock.now += 1_000
        row = end(world, lease)
        world.clock.now += 1_000
        assert world.beat(lease, 2).code is Code.LEASE_ENDED
        assert world.launch(license_id, name).code is Code.LEASE_ENDED
        assert world.launch(license_id, name, 1).code is Code.LEASE_ENDED
        assert world.licenses.end(lease).interval == row

    def test_again_or_too_late_changes_nothing(self, world: World) -> None:
        license_id = world.license()
        lease = world.opened(license_id)
        world.licenses.end(lease)
        world.clock.now += 5
        assert end(world, lease) is None
        assert len(world.rows(license_id)) == 1

    def test_what_moved_since_the_page_was_seen_is_ended_all_the_same(self, world: World) -> None:
        license_id, name = world.license(1), world.name()
        lease = lease_of(world.beat(world.opened(license_id, name), 1))
        world.clock.now += TTL
        later = lease_of(world.launch(license_id, name, 1))
        world.clock.now += 9
        row = end(world, lease)
        assert row
        assert (row.segment, row.started_at, row.billed_ms) == (1, later.started_at, 9)

    @pytest.mark.parametrize("heard", [True, False])
    def test_one_that_expired_unnoticed_is_billed_as_the_sweep_would_and_not_resumed(
        self, world: World, *, heard: bool
    ) -> None:
        license_id, name = world.license(), world.name()
        lease = world.opened(license_id, name)
        if heard:
            world.beat(lease, 1)
        world.clock.now += TTL
        row = end(world, lease)
        assert row
        assert row.billed_ms == (TTL if heard else 0)
        assert world.launch(license_id, name, 1).code is Code.LEASE_ENDED

    @pytest.mark.guarantee("G7")
    def test_of_another_account_and_of_none_look_alike(self, world: World) -> None:
        theirs = world.opened(world.license())
        world.account = "acc_another"
        mine = world.license()
        seen = []
        for license_id in (theirs.license, "lic_unknown"):
            acts: list[Callable[[], object]] = [
                partial(world.licenses.end_lease, world.account, license_id, theirs.id),
                partial(world.licenses.block, world.account, license_id, "cmp"),
                partial(world.licenses.unblock, world.account, license_id, "cmp"),
                partial(world.licenses.computer, world.account, license_id, "cmp"),
            ]
            for act in acts:
                with recorded() as calls, pytest.raises(NotFound):
                    act()
                seen.append(calls.made)
        assert seen[:4] == seen[4:]
        assert {len(calls) for calls in seen} == {1}
        # Another's lease under a license of one's own is as unknown as any.
        with recorded() as foreign:
            assert world.licenses.end_lease(world.account, mine, theirs.id) is None
        with recorded() as unknown:
            assert world.licenses.end_lease(world.account, mine, "lea_unknown") is None
        assert foreign.made == unknown.made
        assert len(world.open(theirs.license)) == 1

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize(("seats", "cap"), PLACES)
    def test_at_any_crash_it_is_ended_once_or_runs_on(
        self, world: World, seats: int | None, cap: int | None
    ) -> None:
        def prepare() -> Lease:
            lease = world.opened(world.license(seats, cap))
            world.clock.now += 1_000
            return lease

        def judge(lease: Lease) -> None:
            rows = world.rows(lease.license)
            assert len(rows) + len(world.open(lease.license)) == 1
            end(world, lease)
            (row,) = world.rows(lease.license)
            assert row.billed_ms == 1_000
            assert not world.open(lease.license)
            if cap:
                world.room_adds_up(lease.license)

        assert at_every_call(prepare, partial(end, world), judge) >= 6

    @pytest.mark.guarantee("G2")
    @pytest.mark.parametrize("seed", range(12))
    @pytest.mark.parametrize(("seats", "cap"), PLACES)
    def test_against_heartbeat_sweep_and_the_programs_own_end_one_row_is_written(
        self, world: World, seats: int | None, cap: int | None, seed: int
    ) -> None:
        license_id = world.license(seats, cap)
        lease = world.opened(license_id)
        world.clock.now += TTL - 1 + seed % 2  # live by a millisecond, or over
        turns = Turns(seed)
        mine, theirs, own = (world.at(client=turns.client(world.client)) for _ in range(3))
        swept = world.at(client=turns.client(world.client))
        answers = turns.run(
            lambda: end(world, lease, mine),
            lambda: world.beat(lease, 1, by=theirs),
            lambda: own.end(lease),
            lambda: swept.renewing.close_expired(replace(lease, expires_at=NOON + TTL)),
        )
        assert not [answer for answer in answers if isinstance(answer, BaseException)]
        (row,) = world.rows(license_id)
        assert row.ended_at in {NOON, world.clock.now, NOON + TTL}
        assert not world.open(license_id)
        if cap:
            world.room_adds_up(license_id)


class TestBlocking:
    @pytest.mark.parametrize("seats", [None, 3])
    def test_ends_what_runs_there_and_refuses_what_comes(
        self, world: World, seats: int | None
    ) -> None:
        license_id = world.license(seats)
        held, other = world.opened(license_id), world.opened(license_id, computer="other")
        world.clock.now += 3
        block(world, license_id)
        block(world, license_id)
        assert [row.billed_ms for row in world.rows(license_id)] == [3]
        assert world.beat(held, 1).code is Code.LEASE_ENDED
        assert world.beat(other, 1).code is Code.VALID
        assert world.launch(license_id).code is Code.COMPUTER_BLOCKED
        assert world.licenses.check(world.ask(license_id)).code is Code.COMPUTER_BLOCKED
        assert world.launch(license_id, held.launch_id).code is Code.COMPUTER_BLOCKED
        assert world.launch(license_id, computer="third").valid
        assert not left_to_vacate(world, license_id)

    def test_is_lifted_and_what_runs_then_runs_on(self, world: World) -> None:
        license_id = world.license(1)
        world.opened(license_id)
        block(world, license_id)
        world.licenses.unblock(world.account, license_id, "cmp")
        world.licenses.unblock(world.account, license_id, "cmp")
        lease = world.opened(license_id)
        sweep(world).license(license_id)
        world.licenses.computers.vacate(license_id, "cmp")  # of a sweep that came late
        assert world.beat(lease, 1).valid

    def test_of_a_computer_that_never_launched_is_not_found(self, world: World) -> None:
        license_id = world.license()
        with pytest.raises(NotFound):
            block(world, license_id, "never")
        with pytest.raises(NotFound):
            world.licenses.unblock(world.account, license_id, "never")

    def test_has_a_limit_that_keeps_checks_cheap(self, world: World) -> None:
        license_id = world.license()
        world.opened(license_id)
        many = {f"cmp-{number}" for number in range(MOST_BLOCKED)}
        values: dict[str, Any] = {":these": many}
        world.store.usage.apply(
            world.store.usage.update(
                f"LICENSE#{license_id}", "HEAD", "ADD blocked :these", values,
                condition="attribute_exists(pk)",
            )
        )  # fmt: skip
        with pytest.raises(TooManyBlocked):
            block(world, license_id)
        assert world.beat(world.opened(license_id), 1).valid

    def test_meets_a_launch_that_read_the_license_before_it(self, world: World) -> None:
        license_id = world.license()
        world.licenses.end(world.opened(license_id))
        client = Between(world.client, lambda: block(world, license_id))
        late = world.launch(license_id, by=world.at(client=client))
        assert late.code is Code.COMPUTER_BLOCKED
        assert not world.open(license_id)

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("seats", [None, 3])
    def test_at_any_crash_the_sweep_finishes_it(self, world: World, seats: int | None) -> None:
        def prepare() -> str:
            license_id = world.license(seats)
            world.opened(license_id)
            world.opened(license_id)
            world.opened(license_id, computer="other")
            return license_id

        def judge(license_id: str) -> None:
            sweep(world).license(license_id)
            on = {item["computer"] for item in world.open(license_id)}
            assert on == ({"other"} if world.head(license_id).blocked else {"cmp", "other"})
            assert not left_to_vacate(world, license_id)
            block(world, license_id)
            assert {item["computer"] for item in world.open(license_id)} == {"other"}

        assert at_every_call(prepare, partial(block, world), judge) >= 12

    def test_costs_a_launch_nothing(self, world: World) -> None:
        license_id = world.license(2)
        world.opened(license_id)
        world.licenses.end(world.opened(license_id))
        block(world, license_id)
        with recorded() as calls:
            assert world.launch(license_id, computer="other").valid
        assert [action for _, action in calls.made] == ["Query", "TransactWriteItems"]


class TestRaces:
    pytestmark = pytest.mark.dynamodb_local

    @pytest.mark.parametrize("seats", [None, 8])
    def test_no_launch_escapes_a_block(self, arena: World, seats: int | None) -> None:
        for _ in range(8):
            license_id = arena.license(seats)
            arena.opened(license_id)
            together(
                partial(block, arena, license_id),
                *[partial(arena.launch, license_id)] * 5,
                partial(arena.launch, license_id, computer="other"),
            )
            assert {item["computer"] for item in arena.open(license_id)} == {"other"}
            assert arena.launch(license_id).code is Code.COMPUTER_BLOCKED

    @pytest.mark.guarantee("G2")
    @pytest.mark.parametrize(("seats", "cap"), [(1, None), (None, CAP), (1, CAP)])
    def test_ended_by_owner_program_sweep_and_renewed_at_once_leaves_one_row(
        self, arena: World, seats: int | None, cap: int | None
    ) -> None:
        for turn in range(12):
            license_id = arena.license(seats, cap)
            lease = lease_of(arena.beat(arena.opened(license_id), 1))
            arena.clock.now = lease.expires_at - turn % 2
            row, *_ = together(
                partial(end, arena, lease),
                partial(arena.beat, lease, 2),
                partial(arena.licenses.end, lease),
                partial(arena.close_expired, license_id),
            )
            rows = arena.rows(license_id)
            assert len(rows) == 1
            assert row in {None, rows[0]}
            assert not arena.open(license_id)
            if cap:
                arena.room_adds_up(license_id)


class TestLastSeen:
    def test_moves_forward_only_and_makes_no_computer(self, world: World) -> None:
        license_id = world.license()
        world.opened(license_id)
        for at in (10, 30, 20):
            world.licenses.computers.saw(license_id, "cmp", at)
        world.licenses.computers.saw(license_id, "never", 30)
        computers = world.store.view(license_id).computers
        assert {name: found.seen_at for name, found in computers.items()} == {"cmp": 30}
