"""The public catalog: `/apps` and one page an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.catalog.costs import starting
from chalicelib.catalog.pages import application_page
from chalicelib.catalog.rules import plan_from
from chalicelib.edge.pages import render
from chalicelib.edge.paging import cursor_of, encode
from chalicelib.edge.responses import html
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.storage.dynamo import Item

routes = Edge(__name__)

PAGE = 24


@routes.page("/apps")
def show_applications(request: Request) -> Response:
    """Every application on offer, by name of its address, a page at a time, with a search.

    What this browser last looked at comes first on its page, and changes nothing else (PS-23).
    """
    wanted = request.query.get("q", "").strip()[:80]
    found, last = wiring.catalog().search(wanted, cursor_of(request), PAGE)
    following = encode(last) if last else None
    first = sorted(found, key=lambda item: item.get("interest") != request.interest)
    listed = [(item, prices(item)) for item in first]
    return html(
        render(request, "catalog/applications.html", found=listed, wanted=wanted, next=following)
    )


@routes.page("/apps/{slug}")
def show_application(request: Request, slug: str) -> Response:
    """What it is, what it costs and when, and one form a plan."""
    return application_page(request, slug)


def prices(listed: Item) -> list[str]:
    """The lowest price of each kind of plan; an application without a plan has none."""
    return starting(plan_from(offer) for offer in listed.get("offers", ()))
