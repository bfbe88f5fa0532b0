"""Launch, launch again, and the next segment of a launch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.licenses.rules import OtherLaunch, WrongKey
from chalicelib.licenses.verdicts import Code
from tests.crash import recorded
from tests.interleaving import Between
from tests.licenses.world import GRACE, NOON, TTL, lease_of, peak

if TYPE_CHECKING:
    from chalicelib.licenses.values import Lease
    from tests.licenses.world import World

SEATED = pytest.mark.parametrize("seats", [None, 3])


class TestLaunch:
    @SEATED
    def test_gives_a_lease_for_the_time_of_the_terms(self, world: World, seats: int | None) -> None:
        verdict = world.launch(world.license(seats))
        lease = lease_of(verdict)
        assert verdict.valid
        assert verdict.code is Code.VALID
        assert (lease.started_at, lease.expires_at, lease.seq) == (NOON, NOON + TTL, 0)
        assert verdict.screen
        assert verdict.screen.sha256 == lease.screen
        assert "0.37 USD an hour" in verdict.screen.body

    @SEATED
    def test_the_same_launch_and_segment_always_get_the_same_lease(
        self, world: World, seats: int | None
    ) -> None:
        license_id, name = world.license(seats), world.name()
        first = world.launch(license_id, name)
        world.clock.now += 1_000
        assert world.launch(license_id, name) == first
        assert len(world.open(license_id)) == 1

    def test_is_refused_when_every_seat_is_held_and_says_when_one_may_be_free(
        self, world: World
    ) -> None:
        license_id = world.license(1)
        held = world.opened(license_id)
        world.clock.now += 1_000
        refused = world.launch(license_id)
        assert refused.code is Code.SEATS_FULL
        assert refused.retry_at == held.expires_at

    def test_takes_over_an_expired_seat_and_closes_its_interval_with_it(self, world: World) -> None:
        license_id = world.license(1)
        old = world.opened(license_id)
        world.beat(old, 1)
        world.clock.now += TTL
        new = world.opened(license_id)
        (row,) = world.rows(license_id)
        assert (row.lease, row.ended_at, row.by) == (old.id, old.expires_at, "expiry")
        assert new.started_at == row.held_until

    def test_a_seat_freed_by_a_faster_clock_is_not_started_before_its_end(
        self, world: World
    ) -> None:
        license_id = world.license(1)
        held = world.opened(license_id)
        world.clock.now += 10_000
        world.at(+4_000).end(held)
        world.opened(license_id, by=world.at(-4_000))
        world.clock.now += 2 * TTL
        world.close_expired(license_id)
        assert peak(world.rows(license_id)) == 1

    @pytest.mark.guarantee("G2")
    def test_takes_over_a_seat_only_as_it_was_read(self, world: World) -> None:
        license_id = world.license(1)
        world.licenses.end(world.opened(license_id))
        others: list[Lease] = []
        client = Between(world.client, lambda: others.append(world.opened(license_id)))
        # A clock so fast that the other's lease, opened behind its back, is over by it.
        world.opened(license_id, by=world.at(2 * TTL, client))
        assert others[0].id in {row.lease for row in world.rows(license_id)}

    def test_adds_an_unknown_computer_in_the_same_transaction(self, world: World) -> None:
        license_id = world.license()
        world.opened(license_id, computer="first")
        world.opened(license_id, computer="second")
        world.opened(license_id, computer="first")
        assert set(world.store.view(license_id).computers) == {"first", "second"}


class TestAnotherUseOfTheSameLaunchId:
    @SEATED
    @pytest.mark.parametrize(
        "other", [{"computer": "other"}, {"release": "1.0.0"}, {"release": "9.9.9"}]
    )
    def test_is_a_conflict(self, world: World, seats: int | None, other: dict[str, str]) -> None:
        license_id, name = world.license(seats), world.name()
        before = world.opened(license_id, name)
        with pytest.raises(OtherLaunch):
            world.launch(license_id, name, **other)  # type: ignore[arg-type]  # the keyword is a parameter
        assert world.opened(license_id, name) == before

    @pytest.mark.parametrize("other", ["own", "unknown"])
    def test_is_a_conflict_under_another_license(self, world: World, other: str) -> None:
        home, name = world.license(), world.name()
        another = world.license() if other == "own" else "lic_unknown"
        world.opened(home, name)
        with pytest.raises(OtherLaunch):
            world.launch(another, name, own=(home, another) if other == "own" else (home,))

    def test_is_a_conflict_for_another_application(self, world: World) -> None:
        home, name = world.license(), world.name()
        world.opened(home, name)
        with pytest.raises(OtherLaunch):
            world.launch(home, name, application="app_two")

    def test_is_a_conflict_even_where_the_license_is_suspended(self, world: World) -> None:
        home, name = world.license(), world.name()
        world.opened(home, name)
        world.licenses.suspend(home)
        with pytest.raises(OtherLaunch):
            world.launch(home, name, computer="other")


class TestWithoutALicenseNamed:
    def test_the_first_that_fits_is_taken(self, world: World) -> None:
        full, fits = world.license(1), world.license(1)
        world.opened(full)
        lease = world.opened("", own=(full, fits), license_id=None)
        assert lease.license == fits

    def test_a_retry_finds_the_license_that_was_taken(self, world: World) -> None:
        full, fits = world.license(1), world.license(1)
        held = world.opened(full)
        name = world.name()
        lease = world.opened("", name, own=(full, fits), license_id=None)
        world.licenses.end(held)
        again = world.opened("", name, own=(full, fits), license_id=None)
        assert again == lease

    def test_the_refusal_that_came_furthest_is_told(self, world: World) -> None:
        full, stopped = world.license(1), world.license(1)
        world.opened(full)
        world.licenses.suspend(stopped)
        refused = world.launch("", own=(stopped, full), license_id=None)
        assert refused.code is Code.SEATS_FULL


class TestNextSegment:
    @SEATED
    def test_opens_only_after_the_one_before_has_expired(
        self, world: World, seats: int | None
    ) -> None:
        license_id, name = world.license(seats), world.name()
        first = world.opened(license_id, name)
        assert world.opened(license_id, name, segment=1) == first
        world.clock.now += TTL
        second = world.opened(license_id, name, segment=1)
        assert (second.id, second.segment) == (first.id, 1)
        assert world.opened(license_id, name, segment=1) == second

    @SEATED
    def test_opens_after_the_sweep_has_closed_the_one_before(
        self, world: World, seats: int | None
    ) -> None:
        license_id, name = world.license(seats), world.name()
        world.opened(license_id, name)
        world.clock.now += TTL
        world.close_expired(license_id)
        assert world.opened(license_id, name, segment=1).segment == 1

    @SEATED
    def test_never_opens_after_an_end(self, world: World, seats: int | None) -> None:
        license_id, name = world.license(seats), world.name()
        world.licenses.end(world.opened(license_id, name))
        world.clock.now += TTL
        for segment in (0, 1):
            verdict = world.launch(license_id, name, segment)
            assert verdict.code is Code.LEASE_ENDED
        assert not world.open(license_id)

    @SEATED
    def test_never_opens_after_an_end_that_came_behind_the_sweep(
        self, world: World, seats: int | None
    ) -> None:
        license_id, name = world.license(seats), world.name()
        lease = world.opened(license_id, name)
        world.clock.now += TTL
        world.close_expired(license_id)
        world.licenses.end(lease)
        assert world.launch(license_id, name, 1).code is Code.LEASE_ENDED

    @SEATED
    @pytest.mark.parametrize("swept", [False, True])
    def test_does_not_open_once_the_grace_is_over(
        self, world: World, seats: int | None, swept: bool
    ) -> None:
        license_id, name = world.license(seats), world.name()
        world.opened(license_id, name)
        world.clock.now += TTL
        if swept:
            world.close_expired(license_id)
        world.clock.now += GRACE
        assert world.launch(license_id, name, 1).code is Code.LEASE_EXPIRED
        world.clock.now -= 1
        assert world.launch(license_id, name, 1).valid

    @SEATED
    def test_a_late_copy_of_the_first_launch_opens_nothing(
        self, world: World, seats: int | None
    ) -> None:
        license_id, name = world.license(seats), world.name()
        world.opened(license_id, name)
        world.clock.now += TTL
        assert world.launch(license_id, name).code is Code.LEASE_EXPIRED
        world.opened(license_id, name, segment=1)
        assert world.launch(license_id, name).code is Code.LEASE_SUPERSEDED
        assert len(world.open(license_id)) == 1

    def test_waits_for_a_seat_and_takes_whichever_is_free(self, world: World) -> None:
        license_id, name = world.license(2), world.name()
        first = world.opened(license_id, name)
        world.clock.now += TTL
        held = [world.opened(license_id) for _ in range(2)]
        assert world.launch(license_id, name, 1).code is Code.SEATS_FULL
        world.licenses.end(held[0])
        second = world.opened(license_id, name, segment=1)
        assert second.segment == 1
        assert world.beat(first, 9).code is Code.LEASE_SUPERSEDED

    def test_of_a_launch_that_never_was_is_unknown(self, world: World) -> None:
        assert world.launch(world.license(), segment=1).code is Code.UNKNOWN
        license_id, name = world.license(), world.name()
        world.opened(license_id, name)
        assert world.launch(license_id, name, 2).code is Code.UNKNOWN

    def test_may_run_another_release_but_not_on_another_computer(self, world: World) -> None:
        license_id, name = world.license(), world.name()
        world.opened(license_id, name)
        world.clock.now += TTL
        with pytest.raises(OtherLaunch):
            world.launch(license_id, name, 1, computer="other")
        assert world.opened(license_id, name, segment=1, release="1.0.0").release == "1.0.0"


class TestForeign:
    """G7: what another customer has looks like what nobody has."""

    @pytest.mark.guarantee("G7")
    def test_and_unknown_licenses_get_one_answer_by_one_sequence_of_calls(
        self, world: World
    ) -> None:
        mine, theirs = world.license(), world.license(1)
        world.opened(theirs, release="1.0.0")
        seen = []
        for license_id in (theirs, "lic_unknown"):
            ask = world.ask(license_id, world.name(), person="per_me", own=(mine,), release="1.0.0")
            with recorded() as calls:
                launched = world.licenses.launch(ask)
            with recorded() as more:
                checked = world.licenses.check(ask)
            seen.append((launched, checked, calls.made, more.made))
        assert seen[0] == seen[1]
        assert seen[0][0].code is seen[0][1].code is Code.UNKNOWN
        assert seen[0][0].head is None

    def test_a_license_of_another_application_is_unknown(self, world: World) -> None:
        ask = world.ask(world.license(), world.name(), application="app_two")
        assert world.licenses.launch(ask).code is Code.UNKNOWN

    def test_a_wrong_license_key_is_no_credential(self, world: World) -> None:
        license_id = world.license()
        key = world.licenses.new_key(world.account, license_id)
        good = world.ask(license_id, world.name(), person=None, by_key=True,
                         key_hash=world.licenses.key_hash(key))  # fmt: skip
        assert world.licenses.launch(good).valid
        world.licenses.new_key(world.account, license_id)
        for asked in (good, world.ask("lic_unknown", by_key=True, key_hash="0" * 64)):
            with recorded() as calls, pytest.raises(WrongKey):
                world.licenses.check(asked)
            assert calls.made == [("dynamodb", "Query")]

    def test_what_a_replaced_key_opened_stops_and_what_a_person_opened_goes_on(
        self, world: World
    ) -> None:
        license_id, lost = world.license(), {}
        for name in ("old", "new"):
            key = world.licenses.new_key(world.account, license_id)
            by_key = {"person": None, "by_key": True, "key_hash": world.licenses.key_hash(key)}
            lost[name] = world.opened(license_id, **by_key)
            lost[f"person {name}"] = world.opened(license_id)
        codes = {name: world.beat(lease, 1).code for name, lease in lost.items()}
        assert codes.pop("old") is Code.UNKNOWN
        assert set(codes.values()) == {Code.VALID}
        assert world.store.work(license_id) == []


class TestCost:
    def test_a_check_is_one_query(self, world: World) -> None:
        license_id = world.license(5)
        with recorded() as calls:
            assert world.licenses.check(world.ask(license_id)).valid
        assert calls.made == [("dynamodb", "Query")]

    @SEATED
    def test_a_launch_is_one_query_and_one_transaction(
        self, world: World, seats: int | None
    ) -> None:
        license_id = world.license(seats, cap=10**12)
        with recorded() as calls:
            assert world.launch(license_id).valid
        assert calls.made == [("dynamodb", "Query"), ("dynamodb", "TransactWriteItems")]

    def test_every_item_of_a_launch_stays_below_one_write_unit(self, world: World) -> None:
        from infra.local.units import size

        license_id = world.license(5)
        name = "n" * 64
        lease = world.opened(license_id, name, computer="c" * 43, release="1.0.0")
        world.beat(lease, 1)
        world.licenses.end(lease)
        for table in ("usage", "accounts"):
            for item in world.client.scan(TableName=table)["Items"]:
                assert size(item) <= 1024, item["sk"]
