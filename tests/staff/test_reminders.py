"""The reminder of each quarter: one to each who works here, whatever the clocks do."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.cases import wiring as hearing
from chalicelib.core.clock import DAY, HOUR
from chalicelib.staff.reminders import DUTIES, EVERYBODY, quarter_of
from chalicelib.staff.rules import Role
from tests.staff.test_mail import hire, messages

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables


@pytest.fixture(autouse=True)
def everything(tables: Tables, clock: FakeClock) -> Tables:
    return tables


def at(clock: FakeClock, year: int, month: int, day: int, hour: int = 0) -> None:
    clock.now = int(dt.datetime(year, month, day, hour, tzinfo=dt.UTC).timestamp() * 1000)


def run() -> int:
    return hearing.staff_reminders().run()["reminded"]


def sent(tables: Tables, member: str) -> int:
    return messages(tables).count(("staff_quarter", member))


@pytest.mark.promise("PS-53")
def test_over_five_quarters_each_gets_one_a_quarter(tables: Tables, clock: FakeClock) -> None:
    """Hourly runs from the day before each turn to the day after, over a leap day."""
    at(clock, 2027, 12, 30)
    ada, ben = hire("ada"), hire("ben")
    assert run() == 2  # the quarter that is under way
    for year, month in ((2028, 1), (2028, 4), (2028, 7), (2028, 10), (2029, 1)):
        at(clock, year, month, 1)
        clock.advance(-DAY)
        assert [run_after_an_hour(clock) for _ in range(2 * 24)] == [0] * 23 + [2] + [0] * 24
    assert (sent(tables, ada), sent(tables, ben)) == (6, 6)


def run_after_an_hour(clock: FakeClock) -> int:
    clock.advance(HOUR)
    return run()


@pytest.mark.promise("PS-53")
@pytest.mark.parametrize(
    ("before", "first"),
    [
        ((2026, 12, 31), (2027, 1, 1)),
        ((2027, 3, 31), (2027, 4, 1)),
        ((2028, 3, 31), (2028, 4, 1)),
        ((2027, 6, 30), (2027, 7, 1)),
        ((2027, 9, 30), (2027, 10, 1)),
    ],
)
def test_it_is_due_on_the_first_day_of_the_quarter(
    clock: FakeClock, before: tuple[int, int, int], first: tuple[int, int, int]
) -> None:
    hire("ada")
    at(clock, *before, 0)
    assert run() == 1
    at(clock, *before, 23)
    assert run() == 0
    at(clock, *first)
    assert run() == 1
    for hour in range(24):
        at(clock, *first, hour)
        assert run() == 0


@pytest.mark.promise("PS-53")
def test_a_run_that_was_missed_is_made_up_for(tables: Tables, clock: FakeClock) -> None:
    at(clock, 2027, 3, 31)
    ada = hire("ada")
    run()
    at(clock, 2027, 4, 20)  # nothing ran for three weeks
    assert run() == 1
    at(clock, 2027, 10, 3)  # nor for a whole quarter: that one is over, and nobody needs two
    assert run() == 1
    assert sent(tables, ada) == 3


def test_who_comes_later_is_reminded_then_and_who_left_is_not(
    tables: Tables, clock: FakeClock
) -> None:
    at(clock, 2027, 1, 1)
    ada = hire("ada")
    run()
    clock.advance(40 * DAY)
    ben = hire("ben")
    wiring.staff().end("ada")
    assert run() == 1
    at(clock, 2027, 4, 1)
    assert run() == 1
    assert (sent(tables, ada), sent(tables, ben)) == (1, 2)


def test_a_death_in_between_is_made_up_for_by_the_next_run(
    tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = hire("ada"), hire("ben")
    staff, calls = wiring.staff_mail(), []

    def die_at_second(*_: object) -> bool:
        calls.append(1)
        if len(calls) > 1:
            raise ConnectionError
        return stock(*_)  # type: ignore[arg-type]

    stock = staff._one
    with monkeypatch.context() as patch:
        patch.setattr(staff, "_one", die_at_second)
        with pytest.raises(ConnectionError):
            run()
    assert run() == 1
    assert (sent(tables, ada), sent(tables, ben)) == (1, 1)


@pytest.mark.promise("PS-55")
@pytest.mark.parametrize("role", list(Role))
def test_it_says_what_everybody_and_each_role_can_do(
    tables: Tables, clock: FakeClock, role: Role
) -> None:
    hire("ada", role)
    run()
    (mail,) = (item for item in tables.items("accounts") if item["type"] == "message")
    assert mail["arguments"]["everybody"] == EVERYBODY
    assert mail["arguments"]["duties"] == DUTIES[role]
    assert len(DUTIES[role]) >= 2


@pytest.mark.promise("PS-55")
def test_two_roles_have_the_duties_of_both(tables: Tables, clock: FakeClock) -> None:
    hire("ada", Role.PRIVACY, Role.BILLING)
    run()
    (mail,) = (item for item in tables.items("accounts") if item["type"] == "message")
    assert mail["arguments"]["duties"] == DUTIES[Role.BILLING] + DUTIES[Role.PRIVACY]


def test_quarters_are_those_of_the_calendar_in_utc() -> None:
    starts = [
        dt.datetime(2028, month, 1, tzinfo=dt.UTC).timestamp() * 1000 for month in (1, 4, 7, 10)
    ]
    for number, start in enumerate(starts, start=1):
        assert quarter_of(int(start)) == (2028, number)
        assert quarter_of(int(start) - HOUR) != (2028, number)
