"""The privacy officer's page of policy versions: what is in force, what is prepared, publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.callers import member_of
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.responses import see_other
from chalicelib.edge.routes import Edge
from chalicelib.privacy.publishing import NotNext

if TYPE_CHECKING:
    from typing import Any

    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)

PAGE = "privacy/publishing.html"


class NotTheNumber(InvalidInput):
    """What was typed does not name the version that would be published."""

    def __init__(self) -> None:
        super().__init__(errors={"version": "Type the number of the version to publish it."})


def values() -> dict[str, Any]:
    publishing = wiring.publishing()
    return {
        "in_force": wiring.published().number(),
        "prepared": publishing.prepared(),
        "history": publishing.history(),
    }


@routes.page("/staff/policy")
def show_policy(request: Request) -> Response:
    """Every version that was published, and the next with its differences in plain words."""
    return form_page(request, wiring.keyed(), PAGE, **values())


@routes.form("/staff/policy")
def publish(request: Request) -> Response:
    """In force at once and for good: the number of the version is typed to say that it is meant."""
    from chalicelib.staff.forms import PublishForm

    try:
        form = read_form(request, PublishForm, wiring.keyed())
        if not (form.version.isascii() and form.version.isdecimal()):
            raise NotTheNumber
        wiring.publishing().publish(int(form.version), member_of(request))
    except (InvalidInput, StaleForm, NotNext) as error:
        return form_again(request, wiring.keyed(), PAGE, error, **values())
    return see_other(request, "/staff/policy")
