"""Eight in the morning, wherever that is: quarter hours, both changes of clocks, leap days."""

from __future__ import annotations

import datetime as dt
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.clock import DAY, HOUR, from_text, to_text
from chalicelib.mail.mornings import (
    COUNTED,
    Week,
    first_morning,
    last_morning,
    local,
    mornings_before,
    week_due,
    zone_of,
)

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu",
    "Pacific/Chatham", "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Niue",
    "America/Sao_Paulo", "Asia/Kolkata", "Africa/Casablanca", "Asia/Tokyo",
]  # fmt: skip
# 2024 to 2034: two leap days, and twenty changes of clocks.
INSTANTS = st.integers(from_text("2024-01-01T00:00:00Z"), from_text("2034-01-01T00:00:00Z"))


def first(at: str, zone: str) -> str:
    return to_text(first_morning(from_text(at), zone_of(zone)))


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        ("UTC", "2026-11-25T08:00:00Z", "2026-11-25T08:00:00.000Z"),
        ("UTC", "2026-11-25T08:00:00.001Z", "2026-11-26T08:00:00.000Z"),
        ("Europe/Berlin", "2026-11-25T12:00:00Z", "2026-11-26T07:00:00.000Z"),
        ("Asia/Kathmandu", "2026-11-25T00:00:00Z", "2026-11-25T02:15:00.000Z"),  # +05:45
        ("Pacific/Chatham", "2026-11-25T00:00:00Z", "2026-11-25T18:15:00.000Z"),  # +13:45
        ("America/St_Johns", "2026-11-25T00:00:00Z", "2026-11-25T11:30:00.000Z"),  # -03:30
        ("Pacific/Kiritimati", "2026-11-25T00:00:00Z", "2026-11-25T18:00:00.000Z"),  # +14:00
        ("Pacific/Niue", "2026-11-25T00:00:00Z", "2026-11-25T19:00:00.000Z"),  # -11:00
        # clocks go on in Berlin on 29 March 2026 at 01:00 UTC, and back on 25 October
        ("Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-28T07:00:00.000Z"),
        ("Europe/Berlin", "2026-03-28T08:00:00Z", "2026-03-29T06:00:00.000Z"),
        ("Europe/Berlin", "2026-10-24T08:00:00Z", "2026-10-25T07:00:00.000Z"),
        # and by half an hour on Lord Howe, on 4 October 2026
        ("Australia/Lord_Howe", "2026-10-02T22:00:00Z", "2026-10-03T21:00:00.000Z"),
        ("Australia/Lord_Howe", "2026-10-02T12:00:00Z", "2026-10-02T21:30:00.000Z"),
        # the leap day has a morning, and only where there is one
        ("Europe/Berlin", "2028-02-28T12:00:00Z", "2028-02-29T07:00:00.000Z"),
        ("Europe/Berlin", "2027-02-28T12:00:00Z", "2027-03-01T07:00:00.000Z"),
    ],
)  # fmt: skip
def test_the_first_morning_after_an_instant(zone: str, after: str, expected: str) -> None:
    assert first(after, zone) == expected


@given(INSTANTS, st.sampled_from(ZONES))
def test_a_morning_is_eight_o_clock_there(at: int, name: str) -> None:
    zone = zone_of(name)
    for morning in (first_morning(at, zone), last_morning(at, zone)):
        assert local(morning, zone).time() == dt.time(8)


@given(INSTANTS, st.sampled_from(ZONES))
def test_there_is_one_a_day_and_none_is_left_out(at: int, name: str) -> None:
    zone = zone_of(name)
    last, after = last_morning(at, zone), first_morning(at + 1, zone)
    assert last <= at < after
    assert local(after, zone).date() - local(last, zone).date() == dt.timedelta(days=1)
    assert last_morning(after - 1, zone) == last


def test_every_zone_that_can_be_chosen_has_mornings() -> None:
    at = from_text("2026-11-25T12:00:00Z")
    for name in available_timezones():
        assert 0 <= first_morning(at, zone_of(name)) - at < DAY + 2 * HOUR, name


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../../etc/passwd", "Europe", "a\0b"])
def test_what_is_no_zone_counts_as_utc(name: str | None) -> None:
    assert zone_of(name) is dt.UTC


def test_days_are_counted_back_by_the_calendar_there() -> None:
    # The clocks change between the two: seven days are not seven times 24 hours.
    at = from_text("2026-03-31T22:30:00Z")  # 1 April there
    assert to_text(mornings_before(at, 7, zone_of("Europe/Berlin"))) == "2026-03-25T07:00:00.000Z"


class TestWeeks:
    @pytest.mark.parametrize(
        ("at", "zone", "week", "due"),
        [
            ("2026-11-23T08:00:00Z", "UTC", "2026-W47", "2026-11-23T08:00:00.000Z"),
            ("2026-11-23T07:59:59Z", "UTC", "2026-W46", "2026-11-16T08:00:00.000Z"),
            ("2026-11-23T07:00:00Z", "Europe/Berlin", "2026-W47", "2026-11-23T07:00:00.000Z"),
            # The week is over in the middle of Monday there: Tuesday's morning is the first.
            ("2026-11-23T12:00:00Z", "Asia/Tokyo", "2026-W46", "2026-11-16T23:00:00.000Z"),
            ("2026-11-23T23:00:00Z", "Asia/Tokyo", "2026-W47", "2026-11-23T23:00:00.000Z"),
            # Weeks have years of their own.
            ("2027-01-04T08:00:00Z", "UTC", "2026-W53", "2027-01-04T08:00:00.000Z"),
        ],
    )
    def test_the_last_one_that_is_over_and_counted(
        self, at: str, zone: str, week: str, due: str
    ) -> None:
        found = week_due(from_text(at), zone_of(zone))
        assert (found.name, to_text(found.summary_due(zone_of(zone)))) == (week, due)

    @given(INSTANTS, st.sampled_from(ZONES))
    def test_each_has_one_summary_after_it_is_counted(self, at: int, name: str) -> None:
        zone = zone_of(name)
        week = week_due(at, zone)
        due = week.summary_due(zone)
        assert due <= at
        assert week.end + COUNTED <= due < week.end + COUNTED + DAY + HOUR
        following = Week(week.end)
        assert following.summary_due(zone) > at
        assert week_due(following.summary_due(zone), zone) == following

    def test_it_is_seven_days_from_monday(self) -> None:
        week = week_due(from_text("2026-11-25T12:00:00Z"), dt.UTC)
        assert week.days == ("2026-11-16", "2026-11-22")
