"""Plans under concurrency: every order of calls that a seed names, and crowds on a real engine."""

from __future__ import annotations

import random
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from chalicelib.core.clock import HOUR, MINUTE, months_after
from chalicelib.licenses.rules import LEAST_LEASE, affordable
from chalicelib.licenses.verdicts import Code
from chalicelib.storage.dynamo import ConditionFailed
from tests.interleaving import Turns
from tests.licenses.test_races import together
from tests.licenses.world import NOON, TTL, World, lease_of, peak

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.values import Interval
    from chalicelib.licenses.verdicts import Verdict

END, NEXT_END = months_after(NOON, 1), months_after(NOON, 2)


def in_turns(
    world: World, seed: int, *tasks: Callable[[Licenses], Verdict | None]
) -> list[Verdict]:
    """Each task on a server of its own; no task may fail."""
    turns = Turns(seed)
    servers = [world.at(client=turns.client(world.client)) for _ in tasks]
    found = turns.run(*(partial(task, server) for task, server in zip(tasks, servers, strict=True)))
    assert not [answer for answer in found if isinstance(answer, BaseException)], found
    return [answer for answer in found if answer is not None]  # type: ignore[misc]  # verdicts


def silent(_: object) -> None:
    """What a task answers that is no verdict."""


def subscription(world: World, seats: int) -> str:
    return world.bought("subscription", seats, price="29.00", period_months=1)


def used(rows: list[Interval]) -> int:
    return sum(row.billed_ms for row in rows)


class TestSeats:
    @pytest.mark.guarantee("G1")
    @pytest.mark.parametrize("seed", range(12))
    def test_in_any_order_of_calls_as_many_run_as_there_are_seats(
        self, world: World, seed: int
    ) -> None:
        license_id = subscription(world, 2)
        ends = world.opened(license_id)
        found = in_turns(
            world, seed, *[lambda by: world.launch(license_id, by=by)] * 3,
            lambda by: silent(by.end(ends)),
        )  # fmt: skip
        codes = Counter(verdict.code for verdict in found)
        assert codes[Code.VALID] in {1, 2}
        assert codes[Code.VALID] + codes[Code.SEATS_FULL] == 3
        assert len(world.open(license_id)) == codes[Code.VALID]
        world.clock.now += TTL
        world.close_expired(license_id)
        assert peak(world.rows(license_id)) <= 2

    @pytest.mark.guarantee("G1")
    @pytest.mark.parametrize("seed", range(12))
    def test_lowered_in_any_order_of_calls_the_seats_left_are_all_that_is_let(
        self, world: World, seed: int
    ) -> None:
        license_id = subscription(world, 3)
        in_turns(
            world, seed, *[lambda by: world.launch(license_id, by=by)] * 2,
            lambda by: silent(by.set_seats(license_id, 1)),
        )  # fmt: skip
        slots = world.head(license_id).slots
        assert slots
        assert len(slots) == 1
        world.launch(license_id)
        assert world.launch(license_id).code is Code.SEATS_FULL
        running = {item["sk"] for item in world.open(license_id)}
        assert f"SLOT#{min(slots):03d}" in running
        assert len(running) <= 3  # one that was taken out runs to its end
        world.clock.now += TTL
        world.close_expired(license_id)
        assert peak(world.rows(license_id)) <= 3

    @pytest.mark.dynamodb_local
    @pytest.mark.guarantee("G1")
    def test_a_crowd_that_comes_and_goes_never_exceeds_them(self, arena: World) -> None:
        license_id = subscription(arena, 7)
        codes: list[Code] = []
        ticking = threading.Lock()

        def client(number: int) -> None:
            chance = random.Random(number)  # noqa: S311 - an order, not a secret
            for _ in range(6):
                verdict = arena.launch(license_id)
                codes.append(verdict.code)
                with ticking:
                    arena.clock.now += chance.randrange(2_000)
                if verdict.valid and chance.random() < 0.8:
                    lease = lease_of(verdict)
                    arena.licenses.end(arena.beat(lease, 1).lease or lease)

        together(*[partial(client, number) for number in range(24)])
        arena.clock.now += 2 * TTL
        arena.close_expired(license_id)
        rows = arena.rows(license_id)
        assert peak(rows) <= 7
        assert codes.count(Code.VALID) == len(rows)
        assert Code.SEATS_FULL in codes


@pytest.mark.guarantee("G3")
class TestPass:
    @pytest.mark.parametrize("seed", range(12))
    def test_in_any_order_of_calls_the_last_minutes_are_let_once(
        self, world: World, seed: int
    ) -> None:
        license_id = world.bought("pass", price="0.08", prepaid_ms=8 * MINUTE)
        found = in_turns(world, seed, *[lambda by: world.launch(license_id, by=by)] * 3)
        lengths = sorted(lease_of(verdict).expires_at - NOON for verdict in found if verdict.valid)
        assert lengths == [3 * MINUTE, TTL]
        assert world.room_adds_up(license_id) == 0

    @pytest.mark.parametrize("seed", range(12))
    def test_in_any_order_of_calls_renewals_ends_and_starts_share_what_is_left(
        self, world: World, seed: int
    ) -> None:
        license_id = world.bought("pass", price="0.12", prepaid_ms=12 * MINUTE)
        one, two = world.opened(license_id), world.opened(license_id)
        world.clock.now += 2 * MINUTE
        found = in_turns(
            world, seed,
            lambda by: world.beat(one, 1, by=by),
            lambda by: by.end(two),
            lambda by: world.launch(license_id, by=by),
        )  # fmt: skip
        assert {verdict.code for verdict in found} <= {Code.VALID, Code.PASS_USED_UP}
        world.room_adds_up(license_id)
        world.clock.now += 2 * TTL
        world.close_expired(license_id)
        world.room_adds_up(license_id)
        assert used(world.rows(license_id)) <= 12 * MINUTE

    @pytest.mark.dynamodb_local
    def test_a_crowd_uses_up_all_of_it_and_never_more(self, arena: World) -> None:
        license_id = arena.bought("pass", price="0.37", prepaid_ms=HOUR)
        rate, least = arena.head(license_id).terms.rate, []

        def client(number: int) -> None:
            chance = random.Random(number)  # noqa: S311 - an order, not a secret
            for _ in range(8):
                verdict = arena.launch(license_id)
                if not verdict.valid:
                    assert verdict.code is Code.PASS_USED_UP
                    continue
                arena.clock.now += chance.randrange(15_000)
                lease = lease_of(verdict)
                lease = arena.beat(lease, 1).lease or lease
                arena.clock.now += chance.randrange(15_000)
                if chance.random() < 0.8:
                    arena.licenses.end(lease)
                room = arena.store.room(license_id)
                assert room
                least.append(room.room)

        together(*[partial(client, number) for number in range(20)])
        assert min(least) >= 0
        arena.room_adds_up(license_id)
        while arena.licenses.usable(license_id):
            arena.clock.now += TTL
            verdict = arena.launch(license_id)
            if verdict.lease:
                arena.clock.now += (verdict.lease.expires_at - verdict.lease.started_at) // 2
                arena.beat(verdict.lease, 1)
        arena.clock.now += 2 * TTL
        arena.close_expired(license_id)
        rows = arena.rows(license_id)
        assert HOUR - LEAST_LEASE - len(rows) < used(rows) <= HOUR
        assert affordable(arena.room_adds_up(license_id), rate) < LEAST_LEASE


class TestRenewal:
    """A subscription's end against the payment that moves it."""

    @pytest.mark.parametrize("seed", range(12))
    def test_in_any_order_of_calls_what_runs_goes_on_where_the_payment_came_first(
        self, world: World, seed: int
    ) -> None:
        license_id = subscription(world, 2)
        world.clock.now = END - 100_000
        lease = world.opened(license_id)
        world.clock.now += 50_000

        def pay(by: Licenses) -> None:
            by.store.usage.transact(*by.extend(license_id, ends_from=END, ends_to=NEXT_END))

        beat, start = in_turns(
            world, seed, pay,
            lambda by: world.beat(lease, 1, by=by),
            lambda by: world.launch(license_id, by=by),
        )  # fmt: skip
        for verdict in (beat, start):
            assert lease_of(verdict).expires_at in {END, world.clock.now + TTL}
        world.clock.now += 10_000
        assert lease_of(world.beat(lease, 2)).expires_at == world.clock.now + TTL
        assert lease_of(world.beat(lease_of(start), 1)).expires_at == world.clock.now + TTL

    @pytest.mark.parametrize("seed", range(12))
    def test_of_two_that_move_the_same_end_one_wins(self, world: World, seed: int) -> None:
        license_id = subscription(world, 1)

        def pay(by: Licenses, to: int) -> Verdict:
            try:
                by.store.usage.transact(*by.extend(license_id, ends_from=END, ends_to=to))
            except ConditionFailed:
                return world.launch("nowhere")
            return world.launch(license_id, by=by)

        found = in_turns(world, seed, partial(pay, to=NEXT_END), partial(pay, to=NEXT_END + 1))
        assert sum(verdict.code is Code.UNKNOWN for verdict in found) == 1
        assert world.head(license_id).ends_at in {NEXT_END, NEXT_END + 1}

    @pytest.mark.parametrize("seed", range(12))
    def test_an_end_brought_forward_in_any_order_of_calls_is_heard_by_all(
        self, world: World, seed: int
    ) -> None:
        license_id = subscription(world, 3)
        lease = world.opened(license_id)
        soon = NOON + 100_000
        _, start = in_turns(
            world, seed,
            lambda by: silent(by.end_at(license_id, soon)),
            lambda by: world.beat(lease, 1, by=by),
            lambda by: world.launch(license_id, by=by),
        )  # fmt: skip
        world.clock.now = soon
        assert world.launch(license_id).code is Code.EXPIRED
        assert world.beat(lease, 5).code is Code.EXPIRED
        assert world.beat(lease_of(start), 5).code is Code.EXPIRED

    @pytest.mark.dynamodb_local
    def test_a_crowd_that_renews_over_the_end_is_never_told_more_than_was_paid(
        self, arena: World
    ) -> None:
        for turn in range(6):
            arena.clock.now = NOON
            license_id = subscription(arena, 8)
            arena.clock.now = END - 60_000
            held = [arena.opened(license_id) for _ in range(4)]
            paid = turn % 2 == 0
            jobs: list[Callable[[], object]] = [partial(arena.beat, lease, 1) for lease in held]
            jobs += [partial(arena.launch, license_id)] * 4
            if paid:
                move = arena.licenses.extend(license_id, ends_from=END, ends_to=NEXT_END)
                jobs.append(lambda move=move: arena.store.usage.transact(*move))  # type: ignore[misc]  # bound now
            answers = [answer for answer in together(*jobs) if answer is not None]
            ends = {lease_of(answer).expires_at for answer in answers}
            assert ends <= ({END, arena.clock.now + TTL} if paid else {END})
            free = arena.store.view(license_id).free(END)
            arena.clock.now = END
            code = arena.launch(license_id).code
            assert code is ((Code.VALID if free else Code.SEATS_FULL) if paid else Code.EXPIRED)
