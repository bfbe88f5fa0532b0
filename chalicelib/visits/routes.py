"""The trends page, for operators, and the same figures as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.clock import day_of
from chalicelib.core.errors import NotFound
from chalicelib.core.few import SHOWN_FROM
from chalicelib.edge.callers import member_of
from chalicelib.edge.forms import Filled
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html
from chalicelib.edge.routes import Edge
from chalicelib.edge.sheets import sheet
from chalicelib.visits import trends
from chalicelib.visits.charts import bars

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)

# On the page of all families, and on that of one.
ROWS, ALL_ROWS = 5, 100


def asked(request: Request) -> trends.Range:
    query = request.query
    return trends.range_of(query.get("from", ""), query.get("to", ""), wiring.now())


@routes.page("/staff/trends")
def show_trends(request: Request) -> Response:
    """First the number, then the change, then the charts, then the tables."""
    today, status = day_of(wiring.now()), 200
    try:
        days = asked(request)
        filled = Filled({"from": days.first, "to": days.last})
    except trends.WrongRange as error:
        typed = {name: request.query.get(name, "") for name in ("from", "to")}
        filled, status = Filled(typed, error.errors), error.status
        days = trends.ending(today, trends.PRESETS[0])
    shown = request.query.get("show", "")
    if shown and shown not in trends.TITLES:
        raise NotFound
    page = render(request, "visits/trends.html", form=filled, **values(days, today, shown))
    return html(page, status=status)


def values(days: trends.Range, today: str, shown: str) -> dict[str, Any]:
    """What the template draws: all families, or the one that is to be shown."""
    from chalicelib.accounts.countries import COUNTRIES

    report = wiring.trends().report(days)
    bar_days = trends.days_a_bar(days.length)
    by_days = trends.grouped(report.days, bar_days)
    shown_days, _ = trends.suppressed(by_days)
    shown_hours, _ = trends.suppressed(report.hours)
    families = [shown] if shown else trends.TITLES
    rows = ALL_ROWS if shown else ROWS
    return {
        "days": days,
        "shown": shown,
        "bar_days": bar_days,
        "clicks": report.clicks,
        "before": wiring.trends().clicks(days.before),
        "least": SHOWN_FROM,
        "day_chart": bars([(day, shown_days.get(day)) for day in by_days]),
        "hour_chart": bars([(f"{hour}:00", shown_hours.get(hour)) for hour in report.hours]),
        "hour_days": report.hour_days,
        "tables": [trends.table(f, report.families[f], rows) for f in families],
        "countries": COUNTRIES,
        "presets": {n: trends.ending(today, n) for n in trends.PRESETS},
    }


@routes.page("/staff/trends.csv")
def save_trends(request: Request) -> Response:
    """Every row that may be shown, as a spreadsheet takes it; the ledger says who took it."""
    days = asked(request)
    wiring.staff().took(member_of(request), f"page:/staff/trends.csv:{days.first}:{days.last}")
    report = wiring.trends().report(days)
    lines: list[tuple[str, ...]] = []
    for family in trends.TITLES:
        found = trends.table(family, report.families[family])
        rows = [(row.name, str(row.number)) for row in found.rows]
        if found.others != 0:
            rows.append(("(others)", str(found.others or f"below {SHOWN_FROM}")))
        lines += [(days.first, days.last, family, name, number) for name, number in rows]
    header = ("from", "to", "family", "name", "count")
    return sheet(f"cetrus-trends-{days.first}-{days.last}.csv", header, lines)
