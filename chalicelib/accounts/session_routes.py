"""`/account/sessions`: where the account is signed in, and how to end that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.accounts.routes import held
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.callers import account_of
from chalicelib.edge.cookies import SESSION
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.paging import cursor_of, encode
from chalicelib.edge.responses import see_other
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from typing import Any

    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)
PAGE = "accounts/sessions.html"
PAGE_SIZE = 20
DONE = {"one": "That session has ended.", "others": "Every other session has ended."}


@routes.page("/account/sessions")
def show_sessions(request: Request) -> Response:
    """Start and day of last use of each, and nothing else: no more is held."""
    return form_page(request, wiring.keyed(), PAGE, **shown(request))


@routes.form("/account/sessions/end")
def end_session(request: Request) -> Response:
    """Ends one; this one too, which signs this browser out."""
    from chalicelib.accounts.forms import SessionForm

    try:
        form = read_form(request, SessionForm, wiring.keyed())
    except (InvalidInput, StaleForm) as error:
        return form_again(request, wiring.keyed(), PAGE, error, **shown(request))
    wiring.sessions().end_one(account_of(request), form.session)
    if wiring.sessions().held(held(request)) is None:
        return see_other(request, "/", cookies=(SESSION.cleared(),))
    return see_other(request, "/account/sessions?done=one")


@routes.form("/account/sessions/others")
def end_others(request: Request) -> Response:
    """Ends all but this one at once."""
    from chalicelib.accounts.forms import EmptyForm

    try:
        read_form(request, EmptyForm, wiring.keyed())
    except (InvalidInput, StaleForm) as error:
        return form_again(request, wiring.keyed(), PAGE, error, **shown(request))
    wiring.sessions().end_others(held(request))
    return see_other(request, "/account/sessions?done=others")


def shown(request: Request) -> dict[str, Any]:
    before = cursor_of(request)
    found, last = wiring.sessions().listed(held(request), before, PAGE_SIZE)
    return {
        "sessions": found, "older": encode(last) if last else "", "first": before is None,
        "done": DONE.get(request.query.get("done", ""), ""),
    }  # fmt: skip
