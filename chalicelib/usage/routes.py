"""Usage: the page in the account, and the same rows for an application."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.clock import month_of
from chalicelib.edge.callers import account_of
from chalicelib.edge.pages import render
from chalicelib.edge.paging import cursor_of, limit_of, page
from chalicelib.edge.responses import as_json, html
from chalicelib.edge.routes import Edge
from chalicelib.usage import rules
from chalicelib.usage.charts import chart

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.page("/account/usage")
def show_usage(request: Request) -> Response:
    """First the number, then the chart, then the table."""
    account, now = account_of(request), wiring.now()
    rows = wiring.usage().of_account(account)
    names = {o.application: o.application_name for o in wiring.licenses().of_account(account)}
    days = rules.last_days(now)
    recent = [row for row in rows if row.day in set(days)]
    month = month_of(now)
    return html(
        render(
            request, "usage/usage.html", rows=recent[::-1], names=names, day_start=rules.day_start,
            total=sum(row.milliseconds for row in rows), now=now,
            month=sum(row.milliseconds for row in rows if row.day.startswith(month)),
            chart=chart(days, rules.by_day(recent)), days=len(days),
        )
    )  # fmt: skip


@routes.call("GET", "/v1/usage")
def list_usage(request: Request) -> Response:
    """Totals by license and day of what this credential speaks for, as of the last sweep."""
    limit = limit_of(request)
    licenses = request.caller.claims["licenses"] if request.caller else []
    rows, last = wiring.usage().of_licenses(licenses, after=cursor_of(request), limit=limit)
    return as_json(page([asdict(row) for row in rows], last))
