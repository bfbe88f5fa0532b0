"""Concurrency on a real engine: what no interleaving may do. Each claim is of a guarantee.

The audits look at the interval rows, not at the table at one moment: a lease that began before the
one before it in its seat had ended can only be seen there.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.licenses.rules import reserve
from chalicelib.licenses.verdicts import Code
from tests.licenses.world import RATE, TTL, World, lease_of, peak

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.values import Interval, Lease
    from chalicelib.licenses.verdicts import Verdict

pytestmark = pytest.mark.dynamodb_local


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """All at once, from one starting gate."""
    gate = threading.Barrier(len(jobs))

    def go(job: Callable[[], Any]) -> Any:
        gate.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(go, jobs))


class TestCrowd:
    @pytest.mark.guarantee("G1")
    @pytest.mark.parametrize("seats", [1, 5])
    def test_fifty_launches_take_exactly_the_seats(self, arena: World, seats: int) -> None:
        license_id = arena.license(seats)
        answers = together(*[lambda: arena.launch(license_id)] * 50)
        codes = Counter(answer.code for answer in answers)
        assert codes == {Code.VALID: seats, Code.SEATS_FULL: 50 - seats}
        assert len({lease_of(a).sk for a in answers if a.valid}) == seats

    @pytest.mark.guarantee("G2")
    @pytest.mark.parametrize("seats", [None, 5])
    def test_one_launch_sent_fifty_times_is_one_lease(
        self, arena: World, seats: int | None
    ) -> None:
        license_id, name = arena.license(seats), arena.name()
        answers = together(*[lambda: arena.launch(license_id, name)] * 50)
        assert {lease_of(answer) for answer in answers} == {lease_of(answers[0])}
        assert len(arena.open(license_id)) == 1

    def test_one_launch_under_two_licenses_is_one_lease(self, arena: World) -> None:
        own, name = (arena.license(1), arena.license(1)), arena.name()
        asked = (own, own[::-1])
        answers = together(
            *[partial(arena.launch, "", name, own=asked[n % 2], license_id=None) for n in range(20)]
        )
        assert len({lease_of(answer).license for answer in answers}) == 1
        assert sum(len(arena.open(license_id)) for license_id in own) == 1

    @pytest.mark.guarantee("G3")
    def test_a_cap_is_never_overshot_by_forty_clients(self, arena: World) -> None:
        cap = 100 * reserve(TTL, RATE) + 7
        license_id, least = arena.license(cap=cap), []

        def client(number: int) -> None:
            chance = random.Random(number)  # noqa: S311 - an order, not a secret
            for _ in range(3):
                verdict = arena.launch(license_id)
                for seq in (1, 2, 3):
                    if not verdict.valid:
                        break
                    arena.clock.now += chance.randrange(3_000)
                    lease = lease_of(verdict)
                    verdict = arena.beat(lease, seq)
                if verdict.valid and chance.random() < 0.6:
                    arena.licenses.end(lease_of(verdict))
                view = arena.store.view(license_id)
                assert view.room
                least.append(view.room.room)

        together(*[partial(client, number) for number in range(40)])
        assert min(least) >= 0
        arena.room_adds_up(license_id)
        arena.clock.now += 10 * TTL
        arena.close_expired(license_id)
        arena.room_adds_up(license_id)


class TestSuspension:
    @pytest.mark.parametrize("seats", [None, 8])
    def test_no_open_lease_escapes_it(self, arena: World, seats: int | None) -> None:
        for _ in range(12):
            license_id = arena.license(seats)
            held = [arena.opened(license_id) for _ in range(3)]
            _, *answers = together(
                partial(arena.licenses.suspend, license_id),
                *[partial(arena.beat, lease, 1) for lease in held],
                *[partial(arena.launch, license_id)] * 4,
            )
            assert {item["epoch"] for item in arena.open(license_id)} == {2}
            leases = [lease_of(answer) for answer in answers if answer.valid]
            assert all(arena.beat(lease, 9).code is Code.SUSPENDED for lease in leases)
            assert arena.launch(license_id).code is Code.SUSPENDED


class TestExpiry:
    @pytest.mark.parametrize("other", ["beat", "end", "sweep"])
    def test_against_another_call_one_wins_and_one_row_is_written(
        self, arena: World, other: str
    ) -> None:
        for turn in range(30):
            license_id = arena.license(1)
            old = lease_of(arena.beat(arena.opened(license_id), 1))
            arena.clock.now = old.expires_at
            late = arena.at(-(turn % 2))  # its server is a millisecond behind, or is not
            calls: dict[str, Callable[[], object]] = {
                "beat": partial(arena.beat, old, 2, by=late),
                "end": partial(late.end, old),
                "sweep": partial(arena.close_expired, license_id),
            }
            first, *launched = together(calls[other], *[partial(arena.launch, license_id)] * 2)
            renewed = other == "beat" and first.valid
            past = arena.rows(license_id)
            assert [a.valid for a in launched].count(True) + renewed == 1
            assert len(past) == (0 if renewed else 1)
            assert all(row.lease == old.id and row.ended_at <= old.expires_at for row in past)


class TestSeats:
    @pytest.mark.guarantee("G1")
    def test_lowered_under_launches_are_never_exceeded(self, arena: World) -> None:
        for turn in range(8):
            license_id = arena.license(4)
            held = [arena.opened(license_id) for _ in range(turn % 4)]
            together(
                partial(arena.licenses.set_seats, license_id, 2),
                *[partial(arena.launch, license_id)] * 6,
                *[partial(arena.licenses.end, lease) for lease in held],
            )
            usable = arena.head(license_id).slots
            assert usable
            assert len(usable) == 2
            running = {item["sk"] for item in arena.open(license_id)}
            arena.launch(license_id)
            arena.launch(license_id)
            opened = {item["sk"] for item in arena.open(license_id)} - running
            assert opened <= {f"SLOT#{seat:03d}" for seat in usable}


@dataclass
class Churn:
    """Many clients that launch, renew, end, repeat, forget and resume, through skewed clocks."""

    world: World
    license_id: str
    seats: int | None
    skews: tuple[int, ...]
    guard: threading.Lock = field(default_factory=threading.Lock)
    held: list[Lease] = field(default_factory=list)
    told: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    ended: set[tuple[str, int]] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)

    def step(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - an order, not a secret
        by = self.world.at(chance.choice(self.skews))
        with self.guard:
            self.world.clock.now += chance.randrange(TTL // 3) if chance.random() < 0.3 else 0
            held = None
            if self.held and chance.random() < 0.75:
                held = self.held.pop(chance.randrange(len(self.held)))
        acts = ["beat", "beat", "beat again", "end", "end again", "again", "forget", "resume"]
        act = chance.choice(acts) if held else "launch"
        for verdict in self.act(act, held, by):
            self.learn(act, held, verdict, keep=chance.random() < 0.7)
        if self.seats is not None:
            view = self.world.store.view(self.license_id)
            assert len(view.live(self.world.clock.now)) <= self.seats

    def act(self, act: str, held: Lease | None, by: Licenses) -> list[Verdict]:
        world, license_id = self.world, self.license_id
        if held is None:
            return [world.launch(license_id, by=by)]
        match act.split():
            case ["again"]:
                return [world.launch(license_id, held.launch_id, held.segment, by=by)]
            case ["resume"]:
                return [world.launch(license_id, held.launch_id, held.segment + 1, by=by)]
            case ["beat", *more]:
                return [world.beat(held, held.seq + 1, by=by) for _ in ["", *more]]
            case ["end", *more]:
                return [by.end(held) for _ in ["", *more]]
        return []

    def learn(self, act: str, held: Lease | None, verdict: Verdict, *, keep: bool) -> None:
        """What the clients were told: each segment's start and the last end promised or billed."""
        with self.guard:
            self.seen[f"{act} {verdict.code}"] += 1
            if verdict.interval and held and act.startswith("end"):
                row = verdict.interval
                self.told[held.id, held.segment] = [row.started_at, row.ended_at, row.ended_at]
                self.ended.add((held.id, held.segment))
            elif verdict.lease:
                lease = verdict.lease
                fresh = [lease.started_at, 0, 0]
                span = self.told.setdefault((lease.id, lease.segment), fresh)
                if (lease.id, lease.segment) not in self.ended:
                    # Else a copy's renewal came before the end, and is only heard of after it.
                    span[1] = max(span[1], lease.expires_at if lease.seq else lease.started_at)
                    span[2] = max(span[2], lease.expires_at)
                self.held.append(lease)
            elif verdict.code is Code.LEASE_EXPIRED and held and keep:
                self.held.append(held)

    def audit(self) -> None:
        """Rows are what clients were told, to the millisecond; no overlap; seats kept."""
        self.world.clock.now += 10 * TTL
        self.world.close_expired(self.license_id)
        assert not self.world.open(self.license_id)
        rows = self.world.rows(self.license_id)
        found = {(row.lease, row.segment): (row.started_at, row.ended_at) for row in rows}
        assert found == {key: (span[0], span[1]) for key, span in self.told.items()}
        assert no_overlap(rows)
        if self.seats is not None:
            assert peak(rows) <= self.seats
        if self.world.head(self.license_id).capped:
            self.world.room_adds_up(self.license_id)


def no_overlap(rows: list[Interval]) -> bool:
    until: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: (row.lease, row.segment)):
        if not until.get(row.lease, 0) <= row.started_at <= row.ended_at <= row.held_until:
            return False
        until[row.lease] = row.held_until
    return True


@pytest.mark.guarantee("G1")
@pytest.mark.guarantee("G2")
@pytest.mark.parametrize(
    ("seats", "cap", "skews"),
    [(5, None, (0,)), (5, None, (-2_000, 0, 2_000)), (5, 10**12, (0,)), (None, None, (0,))],
    ids=["seats", "seats-skewed", "seats-cap", "unlimited"],
)
def test_churn_bills_exactly_what_was_told_and_never_exceeds_the_seats(
    arena: World, seats: int | None, cap: int | None, skews: tuple[int, ...]
) -> None:
    churn = Churn(arena, arena.license(seats, cap), seats, skews)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(churn.step, range(400)))
    churn.audit()
    assert churn.seen["resume VALID"]
    assert churn.seen["beat VALID"]
    assert churn.seen["end again VALID"]
