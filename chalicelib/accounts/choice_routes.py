"""A person's own data, its uses and their choices, and the link that says a yes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import NotFound
from chalicelib.edge.callers import account_of
from chalicelib.edge.forms import form_page, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.responses import as_json, html, see_other
from chalicelib.edge.routes import Edge
from chalicelib.rights import wiring as rights

if TYPE_CHECKING:
    from typing import Any

    from chalice.app import Response

    from chalicelib.accounts.own_privacy import Place
    from chalicelib.edge.request import Request
    from chalicelib.privacy.history import Show

routes = Edge(__name__)
PRIVACY, LINK = "accounts/privacy.html", "accounts/choice_link.html"
HISTORY, RECEIPT = "accounts/privacy_log.html", "accounts/receipt.html"
ROWS = 25
FURTHEST = 10**10


@routes.page("/account/privacy")
def show_own_privacy(request: Request) -> Response:
    """All that is held of the person, what others did with it, and what they chose.

    With `show`, `before` or `after` the history alone, newest first.
    """
    if request.query.keys() & {"show", "before", "after"}:
        return html(render(request, HISTORY, **log(request, shown(request), place(request))))
    return form_page(request, wiring.keyed(), PRIVACY, **everything(request))


@routes.form("/account/privacy/choices")
def choose(request: Request) -> Response:
    """One answer, in force at once; a yes to mail of partners waits for its mailed link."""
    from chalicelib.accounts.forms import ChoiceForm
    from chalicelib.privacy.rules import Purpose

    form = read_form(request, ChoiceForm, wiring.keyed())
    mailed = wiring.choosing().change(
        account_of(request), Purpose(form.purpose), yes=form.answer == "yes", gpc=request.opts_out
    )
    return see_other(request, f"/account/privacy?said={'mailed' if mailed else form.answer}")


@routes.page("/account/privacy/receipts/{name}")
def show_receipt(request: Request, name: str) -> Response:
    """The record of one answer to read, named by its row of the log; `<row>.json` is the file."""
    number = name.removesuffix(".json")
    if not number.isascii() or not number.isdigit():
        raise NotFound
    receipt, told = wiring.own_privacy().receipt(account_of(request), int(number[:12]))
    if name == number:
        return html(render(request, RECEIPT, receipt=receipt, told=told))
    answer = as_json(receipt, indent=2)
    answer.headers["Content-Disposition"] = f'attachment; filename="receipt-{number[:12]}.json"'
    return answer


def shown(request: Request) -> Show:
    """Which part of the history; NotFound for what is none."""
    from chalicelib.privacy.history import Show

    try:
        return Show(request.query.get("show", Show.ALL))
    except ValueError:
        raise NotFound from None


def place(request: Request) -> Place:
    from chalicelib.accounts.own_privacy import Place

    return Place(row_of(request, "before", 2), row_of(request, "after", 1))


def row_of(request: Request, name: str, least: int) -> int | None:
    """The row to go on from; NotFound for what is not a row's number."""
    text = request.query.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not least <= int(text[:11]) < FURTHEST:
        raise NotFound
    return int(text[:11])


def log(request: Request, show: Show, place: Place) -> dict[str, Any]:
    found = wiring.own_privacy().log(account_of(request), show, place, ROWS)
    return {"log": found, "show": str(show)}


def everything(request: Request) -> dict[str, Any]:
    """What the page shows, and of the history what others did."""
    from chalicelib.accounts.own_privacy import Place
    from chalicelib.privacy.history import Show
    from chalicelib.privacy.policies import FIELDS
    from chalicelib.privacy.rules import Purpose

    account = account_of(request)
    held = wiring.own_privacy().held(account)
    address = next(each.fields["email"] for each in held if each.purpose is Purpose.ACCOUNT)
    return {
        "held": held,
        "choices": wiring.choosing().standing(account, address or ""),
        "names": FIELDS,
        "said": request.query.get("said", ""),
        "gpc": request.opts_out,
        "planned": rights.erasure().can_be_stopped(account),
        **log(request, Show.OTHERS, Place()),
    }


@routes.page("/choices/{token}")
def show_choice(request: Request, token: str) -> Response:
    """Changes nothing, so that a mail scanner that follows links does no harm."""
    return form_page(request, wiring.keyed(), LINK, address=wiring.choosing().address(token))


@routes.form("/choices/{token}")
def say_again(request: Request, token: str) -> Response:
    """The yes counts from here on."""
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    wiring.choosing().say_again(token)
    return html(render(request, "accounts/choice_done.html"))
