"""The page behind a partner's link: what it fetches, and a button that does, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.edge.forms import form_page, read_form
from chalicelib.edge.responses import leave
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.page("/partners/{token}")
def show_file(request: Request, token: str) -> Response:
    """Looking changes nothing: scanners of mail follow links."""
    partner, found = wiring.partners().waiting(token)
    return form_page(request, wiring.keyed(), "partners/file.html", partner=partner, found=found)


@routes.form("/partners/{token}")
def fetch_file(request: Request, token: str) -> Response:
    """303 to a link of five minutes, after the ledger says so."""
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    return leave(wiring.partners().fetch(token))
