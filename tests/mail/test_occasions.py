"""What there is to say on a morning, and when there is nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.clock import DAY, HOUR, MINUTE, from_text, to_text
from chalicelib.mail.mornings import Week, zone_of
from chalicelib.mail.occasions import (
    Known,
    Look,
    NewRelease,
    Occasion,
    Renewal,
    Right,
    look,
    next_morning,
    occasions,
    week_text,
)
from chalicelib.mail.templates import TEMPLATES, check_arguments
from chalicelib.payments.on_file import CardOnFile

BERLIN = "Europe/Berlin"
RIGHT = Right(
    "lic_1", "app_1", "Halyard", "halyard", "metered", "By the hour",
    from_text("2026-01-05T12:00:00Z"),
)  # fmt: skip
CARD = CardOnFile("pm_1", "visa", "4242", 11, 2026)
RENEWAL = Renewal("lic_1", "Halyard", "Crew", 3, 2700, "EUR", from_text("2026-12-25T12:00:00Z"))
RELEASE = NewRelease("app_1", "Halyard", "1.1.0", from_text("2026-11-25T12:00:00Z"))


def at(text: str) -> int:
    return from_text(text)


def seen(since: str, now: str, zone: str | None = BERLIN) -> Look:
    """A look at `now` that looks nothing ahead."""
    return look(at(since), at(now), 0, zone)


def found(known: Known, since: str, now: str, zone: str | None = BERLIN) -> list[Occasion]:
    return list(occasions(known, seen(since, now, zone), at(now)))


def said(known: Known, since: str, now: str, zone: str | None = BERLIN) -> list[str]:
    return [f"{one.template} {to_text(one.due)[:16]}" for one in found(known, since, now, zone)]


class TestSummaries:
    USED = Known("acc_1", (RIGHT,), used={"Halyard": 2 * HOUR, "Sextant": 5 * MINUTE})

    def test_it_is_due_on_monday_morning(self) -> None:
        (one,) = found(self.USED, "2026-11-22T07:00:00Z", "2026-11-23T07:00:00Z")
        assert (one.template, one.fact) == ("usage_summary", ("acc_1", "2026-W47"))
        assert one.due == at("2026-11-23T07:00:00Z")
        assert one.not_after == one.due + 7 * DAY
        assert one.arguments == {
            "week": "16 to 22 November 2026",
            "total": "2 hours 5 minutes",
            "lines": ["Halyard: 2 hours", "Sextant: 5 minutes"],
        }

    def test_on_other_mornings_nothing_is(self) -> None:
        for day in range(24, 30):
            since = f"2026-11-{day - 1}T07:00:00Z"
            assert said(self.USED, since, f"2026-11-{day}T07:00:00Z") == []

    def test_without_usage_there_is_nothing_to_say(self) -> None:
        for used in ({}, {"Halyard": 0}):
            known = replace(self.USED, used=used)
            assert said(known, "2026-11-22T07:00:00Z", "2026-11-23T07:00:00Z") == []

    def test_after_an_outage_the_last_one_comes_and_no_older(self) -> None:
        (one,) = found(self.USED, "2026-11-07T07:00:00Z", "2026-11-26T15:00:00Z")
        assert one.fact == ("acc_1", "2026-W47")

    def test_a_look_that_saw_monday_leaves_it_alone(self) -> None:
        assert said(self.USED, "2026-11-23T07:00:00Z", "2026-11-26T07:00:00Z") == []

    def test_who_moves_east_or_west_is_told_of_the_same_week(self) -> None:
        east = found(self.USED, "2026-11-23T07:00:00Z", "2026-11-23T23:00:00Z", "Asia/Tokyo")
        assert [one.fact for one in east] == [("acc_1", "2026-W47")]


class TestCards:
    KNOWN = Known("acc_1", (RIGHT,), card=CARD)

    def test_the_first_day_of_its_last_month(self) -> None:
        (one,) = found(self.KNOWN, "2026-10-31T07:00:00Z", "2026-11-01T07:00:00Z")
        assert (one.template, one.fact) == ("card_expiring", ("acc_1", "pm_1", "2026-11"))
        assert one.due == at("2026-11-01T07:00:00Z")
        assert to_text(one.not_after) == "2026-11-30T23:00:00.000Z"
        assert one.arguments == {"card": "Visa ending in 4242", "ends": "30 November 2026"}

    def test_not_before(self) -> None:
        assert said(self.KNOWN, "2026-10-30T07:00:00Z", "2026-10-31T07:00:00Z") == []

    def test_not_when_the_month_is_over(self) -> None:
        assert said(self.KNOWN, "2026-10-30T07:00:00Z", "2026-12-01T07:00:00Z") == []

    def test_a_card_that_came_later_is_spoken_of_on_the_next_morning(self) -> None:
        given = said(self.KNOWN, "2026-11-24T07:00:00Z", "2026-11-25T07:00:00Z")
        assert given == ["card_expiring 2026-11-25T07:00"]

    @pytest.mark.parametrize(
        ("kind", "mails"), [("metered", 1), ("subscription", 1), ("pass", 0), ("trial", 0)]
    )
    def test_only_of_a_card_that_something_will_be_charged_to(self, kind: str, mails: int) -> None:
        known = replace(self.KNOWN, rights=(replace(RIGHT, plan_kind=kind),))
        assert len(found(known, "2026-10-31T07:00:00Z", "2026-11-01T07:00:00Z")) == mails

    def test_another_card_is_another_fact(self) -> None:
        other = replace(self.KNOWN, card=replace(CARD, id="pm_2"))
        facts = {
            one.fact
            for known in (self.KNOWN, other)
            for one in found(known, "2026-11-24T07:00:00Z", "2026-11-25T07:00:00Z")
        }
        assert len(facts) == 2

    def test_february_ends_with_its_leap_day(self) -> None:
        card = replace(CARD, exp_month=2, exp_year=2028)
        (one,) = found(
            replace(self.KNOWN, card=card), "2028-01-31T07:00:00Z", "2028-02-01T07:00:00Z"
        )
        assert one.arguments["ends"] == "29 February 2028"
        assert to_text(one.not_after) == "2028-02-29T23:00:00.000Z"

    def test_a_card_that_pays_for_nothing_is_not_spoken_of(self) -> None:
        known = replace(self.KNOWN, rights=())
        assert said(known, "2026-10-31T07:00:00Z", "2026-11-01T07:00:00Z") == []


class TestTrials:
    END = at("2026-12-09T12:00:00Z")
    RIGHT = replace(RIGHT, plan_kind="trial", granted_at=at("2026-11-25T12:00:00Z"), ends_at=END)
    KNOWN = Known("acc_1", (RIGHT,))

    def test_three_days_before_its_end(self) -> None:
        (one,) = found(self.KNOWN, "2026-12-05T07:00:00Z", "2026-12-06T07:00:00Z")
        assert (one.template, one.fact) == ("trial_ending", ("lic_1", self.END))
        assert one.due == at("2026-12-06T07:00:00Z")
        assert one.not_after == self.END
        assert one.arguments["ends"] == "9 December 2026, 13:00 (UTC+01:00)"

    def test_a_short_one_the_day_before(self) -> None:
        short = replace(self.RIGHT, granted_at=at("2026-12-07T12:00:00Z"))
        known = Known("acc_1", (short,))
        assert said(known, "2026-12-07T12:00:00Z", "2026-12-08T07:00:00Z") == [
            "trial_ending 2026-12-08T07:00"
        ]

    def test_one_of_hours_not_at_all(self) -> None:
        short = replace(self.RIGHT, granted_at=at("2026-12-08T12:00:00Z"))
        assert said(Known("acc_1", (short,)), "2026-12-08T12:00:00Z", "2026-12-09T08:00:00Z") == []

    def test_never_after_its_end(self) -> None:
        assert said(self.KNOWN, "2026-12-05T07:00:00Z", "2026-12-09T12:00:00Z") == []
        assert said(self.KNOWN, "2026-12-05T07:00:00Z", "2026-12-09T11:59:59Z") != []

    @pytest.mark.parametrize("kind", ["metered", "pass", "subscription"])
    def test_only_of_trials(self, kind: str) -> None:
        known = Known("acc_1", (replace(self.RIGHT, plan_kind=kind),))
        assert said(known, "2026-12-05T07:00:00Z", "2026-12-06T07:00:00Z") == []


class TestRenewals:
    KNOWN = Known("acc_1", (RIGHT,), renewals=(RENEWAL,))

    def test_seven_days_before_the_charge(self) -> None:
        (one,) = found(self.KNOWN, "2026-12-17T07:00:00Z", "2026-12-18T07:00:00Z")
        assert (one.template, one.fact) == (
            "subscription_renewing", ("lic_1", RENEWAL.next_charge),
        )  # fmt: skip
        assert one.due == at("2026-12-18T07:00:00Z")
        assert one.arguments["price"] == "27.00 EUR"
        assert one.arguments["on"] == "25 December 2026, 13:00 (UTC+01:00)"

    def test_never_after_the_charge(self) -> None:
        assert said(self.KNOWN, "2026-12-17T07:00:00Z", "2026-12-25T12:00:00Z") == []
        assert said(self.KNOWN, "2026-12-17T07:00:00Z", "2026-12-25T11:59:59Z") != []

    def test_each_period_is_a_fact_of_its_own(self) -> None:
        later = replace(RENEWAL, next_charge=at("2027-01-25T12:00:00Z"))
        known = replace(self.KNOWN, renewals=(later,))
        (one,) = found(known, "2027-01-17T07:00:00Z", "2027-01-18T07:00:00Z")
        assert one.fact == ("lic_1", later.next_charge)


class TestUpdates:
    KNOWN = Known("acc_1", (RIGHT,), releases=(RELEASE,))

    def test_the_morning_after_it_came_out(self) -> None:
        (one,) = found(self.KNOWN, "2026-11-25T07:00:00Z", "2026-11-26T07:00:00Z")
        assert one.template == "installer_updated"
        assert one.fact == ("app_1", "1.1.0", "acc_1")
        assert one.due == at("2026-11-26T07:00:00Z")

    def test_two_licenses_of_it_are_told_once(self) -> None:
        second = replace(RIGHT, license="lic_2", granted_at=at("2026-11-26T01:00:00Z"))
        known = replace(self.KNOWN, rights=(RIGHT, second))
        assert len(found(known, "2026-11-25T07:00:00Z", "2026-11-26T07:00:00Z")) == 1

    def test_not_to_who_got_it_with_the_license(self) -> None:
        fresh = replace(RIGHT, granted_at=RELEASE.published_at)
        known = replace(self.KNOWN, rights=(fresh,))
        assert said(known, "2026-11-25T07:00:00Z", "2026-11-26T07:00:00Z") == []

    def test_not_a_week_later(self) -> None:
        assert said(self.KNOWN, "2026-11-25T07:00:00Z", "2026-12-03T07:00:00Z") == []

    def test_not_without_a_license_of_it(self) -> None:
        known = replace(self.KNOWN, rights=(replace(RIGHT, application="app_2"),))
        assert said(known, "2026-11-25T07:00:00Z", "2026-11-26T07:00:00Z") == []


class TestLooks:
    def test_a_look_goes_up_to_the_last_morning_and_the_next_is_after_it(self) -> None:
        one = seen("2026-11-24T07:00:00Z", "2026-11-25T12:00:00Z")
        assert to_text(one.upto) == "2026-11-25T07:00:00.000Z"
        assert to_text(next_morning(one)) == "2026-11-26T07:00:00.000Z"

    def test_it_sees_what_comes_soon(self) -> None:
        one = look(at("2026-11-24T07:00:00Z"), at("2026-11-25T05:50:00Z"), 75 * MINUTE, BERLIN)
        assert to_text(one.upto) == "2026-11-25T07:00:00.000Z"

    def test_where_no_morning_came_there_is_nothing(self) -> None:
        known = Known("acc_1", (RIGHT,), CARD, (RENEWAL,), (RELEASE,), {"Halyard": HOUR})
        assert found(known, "2026-11-25T07:00:00Z", "2026-11-25T23:00:00Z") == []
        assert to_text(next_morning(seen("2026-11-25T07:00:00Z", "2026-11-25T23:00:00Z"))) == (
            "2026-11-26T07:00:00.000Z"
        )

    def test_everything_that_can_be_said_fits_its_template(self) -> None:
        trial = replace(TestTrials.RIGHT, ends_at=at("2026-12-03T12:00:00Z"), license="lic_2")
        renewal = replace(RENEWAL, next_charge=at("2026-12-07T12:00:00Z"))
        release = replace(RELEASE, published_at=at("2026-11-30T06:00:00Z"))
        card = replace(CARD, exp_month=11)
        known = Known("acc_1", (RIGHT, trial), card, (renewal,), (release,), {"Halyard": HOUR})
        every = found(known, "2026-11-29T07:00:00Z", "2026-11-30T07:00:00Z")
        assert {one.template for one in every} == {
            "usage_summary", "card_expiring", "trial_ending", "subscription_renewing",
            "installer_updated",
        }  # fmt: skip
        for one in every:
            check_arguments(TEMPLATES[one.template], one.arguments)


@pytest.mark.parametrize(
    ("monday", "text"),
    [
        ("2026-11-16T00:00:00Z", "16 to 22 November 2026"),
        ("2026-11-30T00:00:00Z", "30 November to 6 December 2026"),
        ("2026-12-28T00:00:00Z", "28 December 2026 to 3 January 2027"),
    ],
)
def test_weeks_read_as_people_say_them(monday: str, text: str) -> None:
    assert week_text(Week(at(monday))) == text


def test_a_zone_is_only_where_it_was_chosen() -> None:
    assert seen("2026-11-24T07:00:00Z", "2026-11-25T12:00:00Z", None).zone == zone_of(None)
