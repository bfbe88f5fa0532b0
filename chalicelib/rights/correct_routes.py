"""The pages on which a mailed link corrects the details of its account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.accounts.routes import IN_PLACE, countries
from chalicelib.edge.forms import Filled, form_again, form_page, read_form
from chalicelib.edge.responses import see_other
from chalicelib.edge.routes import Edge
from chalicelib.rights import wiring as rights

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)
CORRECT = "rights/correct.html"


@routes.form("/rights/{token}/details")
def show_details(request: Request, token: str) -> Response:
    """The details in their form, at the press of a button; the link works on."""
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    filled = Filled(rights.correcting().details(token))
    return form_page(
        request, wiring.keyed(), CORRECT, filled=filled, token=token, countries=countries()
    )


@routes.form("/rights/{token}/correct")
def correct(request: Request, token: str) -> Response:
    """Seals the corrected details anew, and uses the link up (PS-69, PS-72)."""
    from chalicelib.accounts.forms import ProfileForm

    rights.proving().by_link(token)
    try:
        form = read_form(request, ProfileForm, wiring.keyed())
        rights.correcting().correct(token, form.profile())
    except IN_PLACE as error:
        return form_again(
            request, wiring.keyed(), CORRECT, error, token=token, countries=countries()
        )
    return see_other(request, "/rights/done?what=corrected")
