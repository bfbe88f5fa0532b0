"""`/contact`: write to us without an account, and read until when an answer comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.cases.rules import TERMS, Kind
from chalicelib.cases.service import FORM
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import Filled, form_again, form_page, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html, see_other
from chalicelib.edge.routes import Edge
from chalicelib.privacy.rules import Purpose

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)

PAGE = "cases/contact.html"
TOPICS = {
    Kind.SUPPORT: "A question, such as about the account, a bill or an application",
    Kind.DATA: "Correcting or removing data about me",
    Kind.SECURITY: "Security",
    Kind.CONCERN: "A concern about privacy, or a complaint",
}


@routes.page("/contact")
def show_contact(request: Request) -> Response:
    """The form, or after it was sent, until when an answer comes."""
    sent = request.query.get("sent", "")
    if sent in list(Kind):
        due = wiring.now() + TERMS[Kind(sent)].due
        return html(render(request, "cases/sent.html", due=due))
    return form_page(request, wiring.keyed(), PAGE, filled=Filled(prefilled(request)), **shown())


@routes.form("/contact")
def send_message(request: Request) -> Response:
    """A case, sealed; nothing that was typed is mailed to anybody."""
    from chalicelib.cases.forms import ContactForm

    try:
        form = read_form(request, ContactForm, wiring.keyed())
        wiring.cases().from_form(Kind(form.about), form.fields())
    except (InvalidInput, StaleForm) as error:
        return form_again(request, wiring.keyed(), PAGE, error, **shown())
    return see_other(request, f"/contact?sent={form.about}")


def shown() -> dict[str, Any]:
    terms = {kind: TERMS[kind].due for kind in TOPICS}
    return {"topics": TOPICS, "terms": terms}


def prefilled(request: Request) -> dict[str, str]:
    """What is known of whoever is signed in, and what the link that led here was about."""
    about = request.query.get("about", "")
    values = {"about": about} if about in list(Kind) else {}
    if request.caller and request.caller.kind == "person" and request.method == "GET":
        subject = wiring.accounts().subject_of(request.caller.id)
        known = wiring.guests().opened(subject, Purpose.ACCOUNT, FORM)
        values |= {name: known.get(name, "") for name in ("email", "name", "phone")}
    return values
