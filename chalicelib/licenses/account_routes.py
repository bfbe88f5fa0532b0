"""`/account/computers`: what runs where, and license keys for machines without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.callers import account_of
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.routes import Edge
from chalicelib.licenses.overview import overview

if TYPE_CHECKING:
    from typing import Any

    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)
PAGE = "licenses/computers.html"


@routes.page("/account/computers")
def show_computers(request: Request) -> Response:
    return form_page(request, wiring.keyed(), PAGE, **shown(request))


@routes.form("/account/computers/keys")
def make_key(request: Request) -> Response:
    """The new key is told on this page alone; the one before it stops working."""
    from chalicelib.licenses.forms import KeyForm

    try:
        form = read_form(request, KeyForm, wiring.keyed())
    except (InvalidInput, StaleForm) as error:
        return form_again(request, wiring.keyed(), PAGE, error, **shown(request))
    key = wiring.licenses().new_key(account_of(request), form.license)
    return form_page(request, wiring.keyed(), PAGE, **shown(request, form.license, key))


def shown(request: Request, license_id: str = "", key: str = "") -> dict[str, Any]:
    licenses, now = wiring.licenses(), wiring.now()
    owned = licenses.of_account(account_of(request))
    found = [overview(licenses, each, now) for each in owned]
    return {
        "licenses": [each for each in found if each], "key": key, "key_of": license_id,
    }  # fmt: skip
