"""The account's move to another address: the form, and what the mailed links open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.accounts.routes import IN_PLACE, asking
from chalicelib.accounts.rules import LinkKind
from chalicelib.edge.callers import account_of
from chalicelib.edge.forms import form_again, form_page, read_answered, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html, see_other
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from typing import Any

    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)
PAGE, LINK = "accounts/email.html", "accounts/email_link.html"


@routes.page("/account/email")
def show_email(request: Request) -> Response:
    """Nothing is ticked, whatever was said before: how it stands today is told beside it."""
    return form_page(request, wiring.keyed(), PAGE, **standing(request))


@routes.form("/account/email")
def ask_for_change(request: Request) -> Response:
    """Answers a new address and a known one alike; nothing moves before the mailed link is used."""
    from chalicelib.accounts.forms import EmailForm
    from chalicelib.privacy.choices import chosen

    shown = standing(request)
    try:
        form, answers = read_answered(request, EmailForm, wiring.keyed(), shown["asked"])
        wiring.email_change().ask(
            account_of(request), form.email, form.password, chosen(shown["questions"], answers)
        )
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), PAGE, error, **shown)
    return see_other(request, "/account/email?sent=1")


def standing(request: Request) -> dict[str, Any]:
    account = account_of(request)
    return {
        "waiting": wiring.email_change().waiting(account),
        "sent": request.query.get("sent") == "1",
        "today": wiring.choosing().today(account),
        **asking(request),
    }


@routes.page("/email/{token}")
def show_move(request: Request, token: str) -> Response:
    """Changes nothing, so that a mail scanner that follows links does no harm."""
    return show_link(request, token, LinkKind.EMAIL)


@routes.form("/email/{token}")
def move(request: Request, token: str) -> Response:
    """The account moves to the address that the link was mailed to."""
    read_button(request)
    wiring.email_move().confirm(token)
    return see_other(request, "/email/done?what=moved")


@routes.page("/email/stop/{token}")
def show_stop(request: Request, token: str) -> Response:
    """Changes nothing; the button does."""
    return show_link(request, token, LinkKind.EMAIL_STOP)


@routes.form("/email/stop/{token}")
def stop(request: Request, token: str) -> Response:
    """The move is off, and everybody is signed out."""
    read_button(request)
    wiring.email_move().stop(token)
    return see_other(request, "/email/done?what=stopped")


@routes.page("/email/undo/{token}")
def show_undo(request: Request, token: str) -> Response:
    """Changes nothing; the button does."""
    return show_link(request, token, LinkKind.EMAIL_UNDO)


@routes.form("/email/undo/{token}")
def undo(request: Request, token: str) -> Response:
    """Back to the address that the link was mailed to; a new password is needed."""
    read_button(request)
    wiring.email_move().undo(token)
    return see_other(request, "/email/done?what=undone")


@routes.page("/email/done")
def show_done(request: Request) -> Response:
    what = request.query.get("what", "")
    return html(render(request, "accounts/email_done.html", what=what))


def show_link(request: Request, token: str, kind: LinkKind) -> Response:
    from chalicelib.privacy.choices import questions
    from chalicelib.privacy.rules import policy

    chosen = wiring.email_move().check(token, kind)
    asked = questions(policy(wiring.published().number()))
    return form_page(request, wiring.keyed(), LINK, kind=str(kind), questions=asked, chosen=chosen)


def read_button(request: Request) -> None:
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
