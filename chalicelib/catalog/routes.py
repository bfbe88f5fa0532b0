"""The public catalog: `/apps` and one page an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.clock import DAY, MINUTE
from chalicelib.core.ids import new_token
from chalicelib.core.money import rate_exactly, round_once
from chalicelib.edge import csrf
from chalicelib.edge.pages import render
from chalicelib.edge.paging import cursor_of, encode
from chalicelib.edge.responses import html
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.catalog.rules import Plan
    from chalicelib.edge.request import Request

routes = Edge(__name__)

PAGE = 24
EXAMPLES = (("20 minutes", 20 * MINUTE), ("8 hours", DAY // 3), ("40 hours", 5 * DAY // 3))


@routes.page("/apps")
def show_applications(request: Request) -> Response:
    """Every application on offer, by name of its address, a page at a time, with a search."""
    wanted = request.query.get("q", "").strip()[:80]
    found, last = wiring.catalog().search(wanted, cursor_of(request), PAGE)
    following = encode(last) if last else None
    return html(
        render(request, "catalog/applications.html", found=found, wanted=wanted, next=following)
    )


@routes.page("/apps/{slug}")
def show_application(request: Request, slug: str) -> Response:
    """What it is, what it costs and when, and one form a plan."""
    catalog = wiring.catalog()
    application = catalog.by_slug(slug)
    field, cookies = csrf.issue(request, wiring.keyed())
    page = render(
        request,
        "catalog/application.html",
        application=application,
        offers=[(plan, examples(plan)) for plan in catalog.plans(application.id)],
        release=catalog.latest_release(application.id),
        csrf=field,
        attempt=new_token(),
    )
    return html(page, cookies=cookies)


def examples(plan: Plan) -> list[tuple[str, int]]:
    """What some lengths of use cost, in minor units, rounded as an invoice line is."""
    return [(name, round_once(rate_exactly(time, plan.terms.rate))) for name, time in EXAMPLES]
