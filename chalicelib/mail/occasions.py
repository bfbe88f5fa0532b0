"""What there is to say to a person on a morning: pure, from what is known of the account.

| template | the fact | due, at 08:00 where the person is | not sent any more |
|---|---|---|---|
| usage_summary | account, ISO week | once the week (UTC) is counted | when the next is due |
| card_expiring | account, card, month | first day of the card's last month | after that month |
| trial_ending | license, its end | three days before the end, or one | at the end |
| subscription_renewing | license, next charge | seven days before the charge | at the charge |
| installer_updated | application, version, account | the morning after it came out | a week later |

The morning that an occasion is due may have passed: whoever looks later says it then, unless there
is nothing left to say.
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chalicelib.catalog.rules import METERED, SUBSCRIPTION
from chalicelib.core.clock import DAY
from chalicelib.core.money import Money
from chalicelib.core.spans import spoken
from chalicelib.mail.mornings import (
    WEEK,
    first_morning,
    last_morning,
    local,
    mornings_before,
    week_due,
    zone_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.mail.mornings import Week
    from chalicelib.mail.rules import Argument
    from chalicelib.payments.on_file import CardOnFile

    Arguments = Mapping[str, Argument]

TRIAL_NOTICE = (3, 1)  # days before a trial's end; the second where the first came before the trial
RENEWAL_NOTICE = 7
CHARGED = frozenset({METERED, SUBSCRIPTION})  # what goes on to cost something by the saved card


@dataclass(frozen=True, slots=True)
class Right:
    """A license that can be used: `plan_kind` as the catalog names it, `ends_at` where it ends."""

    license: str
    application: str
    application_name: str
    slug: str
    plan_kind: str
    plan_name: str
    granted_at: int
    ends_at: int | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """A subscription that will be charged: `price` in minor units for all its seats."""

    license: str
    application_name: str
    plan_name: str
    seats: int
    price: int
    currency: str
    next_charge: int


@dataclass(frozen=True, slots=True)
class NewRelease:
    application: str
    application_name: str
    version: str
    published_at: int


@dataclass(frozen=True, slots=True)
class Known:
    """What a look at an account saw; `used` is milliseconds by application's name in the week."""

    account: str
    rights: tuple[Right, ...] = ()
    card: CardOnFile | None = None
    renewals: tuple[Renewal, ...] = ()
    releases: tuple[NewRelease, ...] = ()
    used: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an account: what came due after `since`, up to the morning `upto`."""

    since: int
    upto: int
    zone: dt.tzinfo

    @property
    def week(self) -> Week | None:
        """The week to sum up: the last one that came due since the look before."""
        week = week_due(self.upto, self.zone)
        return week if week.summary_due(self.zone) > self.since else None


@dataclass(frozen=True, slots=True)
class Occasion:
    """One mail's reason; the fact names it for good, however often it is looked at."""

    template: str
    fact: tuple[str | int, ...]
    due: int
    not_after: int
    arguments: Arguments


def look(since: int, now: int, ahead: int, zone_name: str | None) -> Look:
    """Up to the last morning that has come, or comes within `ahead`."""
    zone = zone_of(zone_name)
    return Look(since, last_morning(now + ahead, zone), zone)


def next_morning(seen: Look) -> int:
    return first_morning(max(seen.since, seen.upto) + 1, seen.zone)


def occasions(known: Known, seen: Look, now: int) -> Iterator[Occasion]:
    """All that is due by the look's morning and still worth saying; often nothing."""
    if seen.upto <= seen.since:
        return
    every = (
        *summary(known, seen),
        *card_expiring(known, seen),
        *trials(known, seen),
        *renewals(known, seen),
        *updates(known, seen),
    )
    for one in every:
        if one.due <= seen.upto and now < one.not_after:
            # What came to be after its morning waits for the next one.
            yield one if one.due > seen.since else replace(one, due=seen.upto)


def summary(known: Known, seen: Look) -> Iterator[Occasion]:
    week, total = seen.week, sum(known.used.values())
    if week is None or not total:
        return
    due = week.summary_due(seen.zone)
    lines = [f"{name}: {spoken(ms)}" for name, ms in sorted(known.used.items()) if ms]
    said: Arguments = {"week": week_text(week), "total": spoken(total), "lines": lines}
    fact = (known.account, week.name)
    yield Occasion("usage_summary", fact, due, due + WEEK, said)


def card_expiring(known: Known, seen: Look) -> Iterator[Occasion]:
    """A card is good until the end of its month, by the calendar where the person is.

    Nothing is said of one that nothing is charged to any more: a trial and a pass charge nothing.
    """
    card = known.card
    if card is None or not any(right.plan_kind in CHARGED for right in known.rights):
        return
    first = dt.date(card.exp_year, card.exp_month, 1)
    days = calendar.monthrange(card.exp_year, card.exp_month)[1]
    ends = dt.datetime.combine(first + dt.timedelta(days=days), dt.time(), tzinfo=seen.zone)
    end = round(ends.timestamp()) * 1000
    due = mornings_before(end - DAY, days - 1, seen.zone)
    arguments = {
        "card": card.text,
        "ends": f"{days} {first:%B %Y}",
    }
    fact = (known.account, card.id, f"{card.exp_year:04d}-{card.exp_month:02d}")
    yield Occasion("card_expiring", fact, due, end, arguments)


def trials(known: Known, seen: Look) -> Iterator[Occasion]:
    for right in known.rights:
        if right.plan_kind != "trial" or right.ends_at is None:
            continue
        mornings = (mornings_before(right.ends_at, days, seen.zone) for days in TRIAL_NOTICE)
        due = next((morning for morning in mornings if morning >= right.granted_at), None)
        if due is None:
            continue
        arguments = {
            "application": right.application_name,
            "slug": right.slug,
            "plan": right.plan_name,
            "ends": moment(right.ends_at, seen.zone),
        }
        fact = (right.license, right.ends_at)
        yield Occasion("trial_ending", fact, due, right.ends_at, arguments)


def renewals(known: Known, seen: Look) -> Iterator[Occasion]:
    for renewal in known.renewals:
        said: Arguments = {
            "application": renewal.application_name,
            "plan": renewal.plan_name,
            "seats": renewal.seats,
            "price": str(Money(renewal.price, renewal.currency)),
            "on": moment(renewal.next_charge, seen.zone),
        }
        due = mornings_before(renewal.next_charge, RENEWAL_NOTICE, seen.zone)
        fact = (renewal.license, renewal.next_charge)
        yield Occasion("subscription_renewing", fact, due, renewal.next_charge, said)


def updates(known: Known, seen: Look) -> Iterator[Occasion]:
    """News to those alone who had the application before it came out: others get it anyway."""
    owned_since: dict[str, int] = {}
    for right in known.rights:
        first = owned_since.get(right.application, right.granted_at)
        owned_since[right.application] = min(first, right.granted_at)
    for release in known.releases:
        if release.published_at <= owned_since.get(release.application, release.published_at):
            continue
        due = first_morning(release.published_at, seen.zone)
        arguments = {"application": release.application_name, "version": release.version}
        fact = (release.application, release.version, known.account)
        yield Occasion("installer_updated", fact, due, due + WEEK, arguments)


def moment(instant: int, zone: dt.tzinfo) -> str:
    """`28 November 2026, 13:00 (UTC+01:00)`: where the person is, without saying where that is."""
    at = local(instant, zone)
    offset = f"{at:%z}"
    shown = "" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
    return f"{at.day} {at:%B %Y, %H:%M} (UTC{shown})"


def week_text(week: Week) -> str:
    """`16 to 22 November 2026`, and no month or year twice."""
    first, last = local(week.start, dt.UTC), local(week.end - DAY, dt.UTC)
    month = "" if first.month == last.month else f" {first:%B}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day}{month}{year} to {last.day} {last:%B %Y}"
