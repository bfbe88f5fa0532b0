"""The page about cookies, and this browser's word on the one that could be left out.

Neither view is told who calls (PS-22).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.interests import INTERESTS, OFF
from chalicelib.edge.cookies import COOKIES, INTEREST
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.responses import see_other
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)
PAGE = "privacy/cookies.html"


@routes.page("/privacy/cookies")
def show_cookies(request: Request) -> Response:
    """All cookies, from their registry; what this browser remembers, and how to end that."""
    return form_page(request, wiring.keyed(), PAGE, **facts(request))


@routes.form("/privacy/cookies")
def choose_cookies(request: Request) -> Response:
    """Off for thirteen months, or as it was at first; the server keeps nothing of either."""
    from chalicelib.core.errors import CetrusError
    from chalicelib.privacy.forms import CookieForm

    try:
        form = read_form(request, CookieForm, wiring.keyed())
    except CetrusError as error:
        return form_again(request, wiring.keyed(), PAGE, error, **facts(request))
    kept = INTEREST.holding(OFF) if form.interest == OFF else INTEREST.cleared()
    return see_other(request, "/privacy/cookies", cookies=(kept,))


def facts(request: Request) -> dict[str, Any]:
    """The word that this browser holds, for itself to see; `off` where it said no."""
    return {
        "cookies": COOKIES,
        "interests": INTERESTS,
        "remembered": request.interest,
        "objects": request.opts_out,
    }
