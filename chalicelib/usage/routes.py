"""Usage: the page in the account, its files, and the same rows for an application."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.clock import month_of
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.callers import account_of
from chalicelib.edge.pages import render
from chalicelib.edge.paging import cursor_of, limit_of, page
from chalicelib.edge.responses import as_json, html
from chalicelib.edge.routes import Edge
from chalicelib.licenses.overview import overview
from chalicelib.usage import files
from chalicelib.usage.reports import ALL, Choices, Selection, months_used, now_of, report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.licenses.service import Ownership
    from chalicelib.usage.reports import Now
    from chalicelib.usage.rules import UsageRow, Use

routes = Edge(__name__)
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
WHERE = "page:/account/usage"


@routes.page("/account/usage")
def show_usage(request: Request) -> Response:
    """First the number, then the selection with its chart and its sums, then what runs now."""
    account, now = account_of(request), wiring.now()
    owned = wiring.licenses().of_account(account)
    rows = wiring.usage().days(owned)
    selection = selected(request, newest(rows, now))
    # Before the sums: what a sweep counts in between shows twice for once, and never not at all.
    current = now_under(owned, selection, now)
    uses = wiring.usage().uses(under(owned, selection), selection.month)
    some = bool(rows or current.running or current.pending)
    return html(
        render(
            request, "usage/usage.html", some=some, total=sum(row.milliseconds for row in rows),
            report=report(uses, selection), current=current, now=now,
            names={each.application: each.application_name for each in owned},
            labels=wiring.labels().of(account, WHERE) if some else {},
            choices=choices(owned, rows, uses, selection), query=query_of(selection),
        )
    )  # fmt: skip


@routes.page("/account/usage/days.csv")
def download_days(request: Request) -> Response:
    """The sums by day, application and computer, as a file."""
    account, now = account_of(request), wiring.now()
    owned = wiring.licenses().of_account(account)
    selection = selected(request, month_of(now))
    uses = wiring.usage().uses(under(owned, selection), selection.month)
    labels = wiring.labels().of(account, WHERE)
    return files.days(owned, [use for use in uses if selection.holds(use)], labels, selection)


@routes.page("/account/usage/intervals.csv")
def download_intervals(request: Request) -> Response:
    """Every interval that started in a month: what the sums, and the bills, are made of."""
    account, now = account_of(request), wiring.now()
    owned = wiring.licenses().of_account(account)
    selection = selected(request, month_of(now))
    if not selection.month:
        raise InvalidInput(errors={"month": "Choose a month."})
    rows = wiring.usage().intervals(under(owned, selection), selection.month, selection.computer)
    labels = wiring.labels().of(account, WHERE)
    return files.intervals(owned, rows, labels, selection)


@routes.call("GET", "/v1/usage")
def list_usage(request: Request) -> Response:
    """Totals by license and day of what this credential speaks for, as of the last sweep.

    Of a license that somebody else owns, a member gets what they used themselves, and no more.
    """
    limit, by = limit_of(request), request.query.get("by", "license")
    if by not in {"license", "computer"}:
        raise InvalidInput(errors={"by": "Either license or computer."})
    said = request.caller.claims["licenses"] if request.caller else []
    owned = wiring.licenses().of_account(account_of(request))
    licenses = [each.license for each in owned if each.license in said]
    usage, after = wiring.usage(), cursor_of(request)
    rows: Sequence[UsageRow | Use]
    if by == "computer":
        rows, last = usage.by_computer(licenses, after=after, limit=limit)
    else:
        shared = own_of_shared(request, said)
        rows, last = usage.of_licenses(licenses, after=after, limit=limit, shared=shared)
    names = names_in(rows, wiring.licenses().runnable_by(account_of(request)))
    return as_json({**page([asdict(row) for row in rows], last), "names": names})


def own_of_shared(request: Request, said: Sequence[str]) -> dict[str, list[UsageRow]]:
    """What a member used of each license that somebody else owns."""
    account, licenses = account_of(request), wiring.licenses()
    return {
        each.license: wiring.usage().of_person(
            each.license, licenses.person(account, each.application), each.granted_at, wiring.now()
        )
        for each in licenses.runnable_by(account)
        if each.account != account and each.license in said
    }


def names_in(rows: Iterable[UsageRow | Use], owned: Iterable[Ownership]) -> dict[str, str]:
    """Names of the ids in the rows: of applications, and of the licenses' plans."""
    licenses = {row.license for row in rows}
    found: dict[str, str] = {}
    for each in owned:
        if each.license in licenses:
            found |= {each.application: each.application_name, each.license: each.plan_name}
    return found


def selected(request: Request, month: str) -> Selection:
    """What the form asks for; without a month the given one. Unknown ids select nothing."""
    asked = request.query.get("month", "")
    if asked == ALL:
        month = ""
    elif MONTH.fullmatch(asked):
        month = asked
    query = request.query
    return Selection(month, query.get("application", ""), query.get("computer", ""))


def newest(rows: Sequence[UsageRow], now: int) -> str:
    """The month to begin with: the newest that anything is counted in."""
    return next(iter(months_used(rows)), month_of(now))


def under(owned: Sequence[Ownership], selection: Selection) -> list[Ownership]:
    return [each for each in owned if selection.application in {"", each.application}]


def now_under(owned: Sequence[Ownership], selection: Selection, now: int) -> Now:
    """What runs under the selection, and what ended since it was counted."""
    licenses, usage = wiring.licenses(), wiring.usage()
    found = [overview(licenses, each, now) for each in under(owned, selection)]
    seen = [each for each in found if each]
    pending = [
        piece for each in seen
        for piece in usage.uncounted(each.owned.license, each.counted_to, now)
    ]  # fmt: skip
    return now_of(seen, pending, selection, now)


def choices(
    owned: Iterable[Ownership], rows: Sequence[UsageRow], uses: Iterable[Use], selection: Selection
) -> Choices:
    """What there is to choose from, and what is chosen."""
    months = sorted({*months_used(rows), selection.month} - {""}, reverse=True)
    computers = sorted({use.computer for use in uses} | {selection.computer} - {""})
    return Choices(
        tuple(months), {each.application: each.application_name for each in owned},
        tuple(computers),
    )  # fmt: skip


def query_of(selection: Selection) -> dict[str, str]:
    """The selection as a link carries it."""
    return {
        "month": selection.month or ALL, "application": selection.application,
        "computer": selection.computer,
    }  # fmt: skip
