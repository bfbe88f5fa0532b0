"""People who come and go at the same time as launches: on both engines, in every order tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.clock import DAY
from chalicelib.core.ids import new_id
from chalicelib.licenses.member_store import Invitation, MemberStore
from chalicelib.licenses.verdicts import Code
from chalicelib.storage.dynamo import ConditionFailed, Database, Table
from tests.interleaving import Turns

if TYPE_CHECKING:
    from chalicelib.licenses.verdicts import Verdict
    from tests.licenses.world import World

MEMBER = "acc_member"
SEEDS = range(8)


def store_of(world: World, client: Any = None) -> MemberStore:
    database = Database(client or world.client)
    return MemberStore(Table(database, "accounts"), Table(database, "usage"))


def joined(world: World) -> tuple[str, str]:
    """A license, and the pseudonym of a member of it."""
    license_id = world.license()
    person = world.licenses.person(MEMBER, "app_one")
    store = store_of(world)
    store.transact(store.add_person(license_id, person))
    return license_id, person


def invitation_to(world: World, license_id: str) -> Invitation:
    now = world.clock.now
    return Invitation(
        new_id("inv"), license_id, world.account, "app_one", "Orchard", "vnd_one", "pln_one",
        "By the hour", "user", new_id("sub"), "claim", now, now + 7 * DAY,
    )  # fmt: skip


def goes(world: World, client: Any, license_id: str, person: str) -> bool:
    """Takes the person out, trying again while the head moves; then tells what runs."""
    store, licenses = store_of(world, client), world.at(client=client)
    while (head := licenses.head(license_id)) and person in head.people:
        try:
            store.transact(*store.remove_person(head, person))
        except ConditionFailed:
            continue
        licenses.standing.finish(license_id)
        return True
    return False


@pytest.mark.parametrize("seed", SEEDS)
def test_a_launch_at_the_moment_of_leaving_is_refused_or_stops_at_its_next_heartbeat(
    world: World, seed: int
) -> None:
    license_id, person = joined(world)
    turns = Turns(seed)
    client = turns.client(world.client)
    ask = world.ask(license_id, world.name(), person=person)
    launched, gone = turns.run(
        lambda: world.at(client=client).launch(ask),
        lambda: goes(world, client, license_id, person),
    )
    assert gone is True, gone
    verdict: Verdict = launched  # type: ignore[assignment]  # what the first task answered
    if verdict.lease is None:
        assert verdict.code is Code.UNKNOWN
    else:
        assert world.beat(verdict.lease, 1).code is Code.UNKNOWN
    assert world.launch(license_id, person=person).code is Code.UNKNOWN
    assert world.store.work(license_id) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_heartbeat_at_that_moment_is_the_last_and_another_s_goes_on(
    world: World, seed: int
) -> None:
    license_id, person = joined(world)
    theirs = world.opened(license_id, person=person)
    own = world.opened(license_id)
    turns = Turns(seed)
    client = turns.client(world.client)
    turns.run(
        lambda: world.at(client=client).heartbeat(theirs, 1, shown=True),
        lambda: goes(world, client, license_id, person),
        lambda: world.at(client=client).heartbeat(own, 1, shown=True),
    )
    assert world.beat(theirs, 2).code is Code.UNKNOWN
    assert world.beat(own, 2).valid


@pytest.mark.parametrize("seed", SEEDS)
def test_an_invitation_is_accepted_or_withdrawn_and_never_both(world: World, seed: int) -> None:
    license_id = world.license()
    store, found = store_of(world), invitation_to(world, license_id)
    store.transact(store.put_invitation(found), store.take_place(license_id))
    turns = Turns(seed)
    racing = store_of(world, turns.client(world.client))
    now, person = world.clock.now, world.licenses.person(MEMBER, "app_one")
    results = turns.run(
        lambda: racing.transact(
            racing.accept(found, MEMBER, now), racing.add_person(license_id, person)
        ),
        lambda: racing.transact(racing.end_invitation(found, now), racing.free_place(license_id)),
    )
    assert sorted(isinstance(result, ConditionFailed) for result in results) == [False, True]
    after = store.invitation(license_id, found.id)
    assert after
    assert (after.state == "accepted") == (person in world.head(license_id).people)


def test_no_more_places_are_taken_than_there_are(world: World) -> None:
    license_id, store = world.license(), store_of(world)
    places = {"pk": f"PEOPLE#{license_id}", "sk": "PLACES", "type": "places", "v": 1, "taken": 199}
    store.accounts.apply(store.accounts.put(places))
    store.transact(store.take_place(license_id))
    with pytest.raises(ConditionFailed):
        store.transact(store.take_place(license_id))
    store.transact(store.free_place(license_id))
    store.transact(store.take_place(license_id))


def test_an_invitation_is_not_accepted_after_its_end_nor_by_the_link_of_an_older_one(
    world: World,
) -> None:
    from dataclasses import replace

    license_id = world.license()
    store, found = store_of(world), invitation_to(world, license_id)
    store.transact(store.put_invitation(found))
    for late in (found.ends_at, found.ends_at + 1):
        with pytest.raises(ConditionFailed):
            store.transact(store.accept(found, MEMBER, late))
    with pytest.raises(ConditionFailed):
        store.transact(store.accept(replace(found, subject="sub_older"), MEMBER, world.clock.now))
    store.transact(store.accept(found, MEMBER, found.ends_at - 1))


def test_nobody_joins_a_license_that_was_revoked(world: World) -> None:
    license_id = world.license()
    world.licenses.revoke(license_id)
    store = store_of(world)
    with pytest.raises(ConditionFailed):
        store.transact(store.add_person(license_id, "per_late"))
