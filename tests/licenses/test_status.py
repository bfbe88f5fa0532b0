"""How a license stands, as its owner reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.licenses.overview import overview
from chalicelib.licenses.service import Ownership
from tests.licenses.world import NOON, TTL, World

if TYPE_CHECKING:
    from collections.abc import Callable


def read(world: World, license_id: str) -> tuple[str, str]:
    owned = Ownership(license_id, world.account, "", "", "", "", "", 1, "", NOON)
    found = overview(world.licenses, owned, world.clock.now)
    assert found
    return found.state, found.left


def a_pass(world: World) -> str:
    return world.bought("pass", price="0.60", prepaid_ms=HOUR, valid_ms=DAY)


@pytest.mark.parametrize(
    ("make", "state", "left"),
    [
        (lambda world: world.license(), "Active", ""),
        (a_pass, "Active until 26 November 2026, 12:00 UTC", "1 hour of 1 hour left"),
        (
            lambda world: world.bought("trial", valid_ms=DAY),
            "Active until 26 November 2026, 12:00 UTC", "",
        ),
        (
            lambda world: world.bought("subscription", price="9.00", period_months=1),
            "Active", "",
        ),
    ],
    ids=["metered", "pass", "trial", "subscription"],
)  # fmt: skip
def test_each_plan_says_until_when_and_what_is_left(
    world: World, make: Callable[[World], str], state: str, left: str
) -> None:
    assert read(world, make(world)) == (state, left)


def test_a_pass_counts_what_runs_as_left_until_it_ends(world: World) -> None:
    license_id = a_pass(world)
    lease = world.opened(license_id)
    world.clock.now += 90_000
    assert read(world, license_id)[1] == "1 hour of 1 hour left"
    world.licenses.end(lease)
    assert read(world, license_id)[1] == "58 minutes 30 seconds of 1 hour left"


def test_a_pass_that_ended_says_what_was_not_used(world: World) -> None:
    license_id = a_pass(world)
    world.clock.now = NOON + DAY
    assert read(world, license_id) == (
        "Ended on 26 November 2026, 12:00 UTC", "1 hour of 1 hour were not used",
    )  # fmt: skip


def test_a_pass_that_is_used_up_says_so(world: World) -> None:
    license_id = world.bought("pass", price="0.02", prepaid_ms=2 * MINUTE)
    lease = world.opened(license_id)
    world.clock.now += 2 * MINUTE
    world.licenses.end(lease)
    assert read(world, license_id)[0] == "Used up"


def test_what_bars_a_license_is_said_before_anything_else(world: World) -> None:
    license_id = a_pass(world)
    world.licenses.suspend(license_id)
    assert read(world, license_id)[0] == "Suspended by the vendor"
    world.licenses.revoke(license_id)
    assert read(world, license_id) == ("Ended for good", "1 hour of 1 hour were not used")
    world.clock.now += TTL
