"""Leaving and taking along: deactivate, reactivate, erase, export; links that are mailed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.accounts.routes import IN_PLACE, signed_in
from chalicelib.edge.callers import account_of
from chalicelib.edge.cookies import SESSION
from chalicelib.edge.forms import Filled, form_again, form_page, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.responses import as_json, html, see_other
from chalicelib.edge.routes import Edge
from chalicelib.rights import wiring as rights

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.accounts.rules import Account
    from chalicelib.edge.request import Request

routes = Edge(__name__)
DEACTIVATE, ERASE = "rights/deactivate.html", "rights/erase.html"
REACTIVATE, LINK, STOP = "rights/reactivate.html", "rights/link.html", "rights/stop.html"
HOURS = Filled({"hours": "24"})
BY_LINK, COMING_BACK = "page:/rights", "page:/reactivate"
"""Where it was asked for, as the ledger says it; on the account's own pages it is the page."""


# deactivation


@routes.page("/account/privacy/deactivate")
def show_deactivate(request: Request) -> Response:
    return form_page(request, wiring.keyed(), DEACTIVATE, **seen(request))


@routes.form("/account/privacy/deactivate")
def deactivate(request: Request) -> Response:
    """Nothing of the account is used from now on, and everybody is signed out of it (PS-73)."""
    from chalicelib.rights.forms import DeactivateForm

    account = account_of(request)
    try:
        form = read_form(request, DeactivateForm, wiring.keyed())
        proof = rights.proving().by_password(account, form.password)
        rights.deactivation().deactivate(account, proof)
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), DEACTIVATE, error, **seen(request))
    return gone(request, "deactivated")


@routes.page("/reactivate")
def show_reactivate(request: Request) -> Response:
    renewed = request.query.get("password") == "set"
    return form_page(request, wiring.keyed(), REACTIVATE, renewed=renewed)


@routes.form("/reactivate")
def reactivate(request: Request) -> Response:
    """All is as it was; or, as its owner chooses here too, nothing is left."""
    from chalicelib.rights import forms

    try:
        form = read_form(request, forms.ReactivateForm, wiring.keyed())
        account = rights.proving().resting(form.login, form.password)
        if form.what == forms.ERASE:
            rights.erasure().ask(account.id, 0, reason=COMING_BACK)
            return gone(request, "erased")
        left = request.cookies.get(SESSION.name, "")
        token = rights.deactivation().reactivate(account, left=left)
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), REACTIVATE, error, renewed=False)
    return signed_in(request, token, "/account?back=1")


# erasure


@routes.page("/account/privacy/erase")
def show_erase(request: Request) -> Response:
    """What will happen, in plain words; or when it will, and how to stop it. Changes nothing."""
    return form_page(request, wiring.keyed(), ERASE, filled=HOURS, **seen(request))


@routes.form("/account/privacy/erase")
def erase(request: Request) -> Response:
    """At once for no hours, in this very request; else after them, unless it is stopped (PS-71)."""
    from chalicelib.rights.forms import EraseForm

    account = account_of(request)
    try:
        form = read_form(request, EraseForm, wiring.keyed())
        proof = rights.proving().by_password(account, form.password)
        rights.erasure().ask(account, int(form.hours), proof)
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), ERASE, error, **seen(request))
    if int(form.hours):
        return see_other(request, "/account/privacy/erase?planned=1")
    return gone(request, "erased")


@routes.form("/account/privacy/erase/stop")
def stop_erasure(request: Request) -> Response:
    """The account stays as it is."""
    read_button(request)
    rights.erasure().stop(account_of(request))
    return see_other(request, "/account/privacy/erase?stopped=1")


def seen(request: Request) -> dict[str, Any]:
    account = account_of(request)
    return {
        "effects": rights.counting().effects(account),
        "planned": rights.erasure().planned(account),
        "stopped": request.query.get("stopped") == "1",
    }


# export


@routes.page("/account/privacy/export")
def show_export(request: Request) -> Response:
    return html(render(request, "rights/export.html"))


@routes.page("/account/privacy/export.json")
def export_json(request: Request) -> Response:
    """All that we hold of whoever is signed in, and who saw it, for programs."""
    found = taken_along(request)
    return as_json(found, headers=saved_as("cetrus-export.json"))


@routes.page("/account/privacy/export.html")
def export_html(request: Request) -> Response:
    """The same to read, as a document that needs nothing of ours once it is saved."""
    from chalicelib.rights.reading import file_of

    found, export = taken_along(request), rights.export()
    page = html(file_of(found, export.beside(account_of(request)), export.home))
    page.headers.update(saved_as("cetrus-export.html"))
    return page


def taken_along(request: Request) -> dict[str, Any]:
    """The whole, or the further file that it names."""
    account, rows = account_of(request), request.query.get("rows", "")
    if not rows:
        return rights.export().of(account)
    return rights.export().block(account, int(rows) if rows.isdecimal() else 0)


def saved_as(name: str) -> dict[str, str]:
    disposition = f'attachment; filename="{name}"'
    return {"Content-Disposition": disposition, "Cache-Control": "no-store"}


# links by mail


@routes.page("/rights/{token}")
def show_rights(request: Request, token: str) -> Response:
    """Changes nothing, so that a mail scanner that follows links does no harm."""
    account = rights.proving().by_link(token)
    return form_page(request, wiring.keyed(), LINK, filled=HOURS, **seen_by_link(account))


@routes.form("/rights/{token}")
def use_rights(request: Request, token: str) -> Response:
    """Erases or deactivates the account whose address the link was mailed to (PS-72)."""
    from chalicelib.rights import forms

    account = rights.proving().by_link(token)
    try:
        form = read_form(request, forms.RightsForm, wiring.keyed())
        used = rights.proving().use(token)
        if form.what == forms.DEACTIVATE:
            rights.deactivation().deactivate(account.id, used, reason=BY_LINK)
            return gone(request, "deactivated")
        rights.erasure().ask(account.id, int(form.hours), used, reason=BY_LINK)
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), LINK, error, **seen_by_link(account))
    if int(form.hours):
        return see_other(request, "/rights/done?what=planned")
    return gone(request, "erased")


def seen_by_link(account: Account) -> dict[str, Any]:
    """Whoever rests can only be erased here, and at once; the way back is another page."""
    return {"effects": rights.counting().effects(account.id), "rests": not account.active}


@routes.page("/rights/stop/{token}")
def show_stop(request: Request, token: str) -> Response:
    """Changes nothing; the button does."""
    found = rights.erasure().check_stop(token)
    return form_page(request, wiring.keyed(), STOP, planned=found)


@routes.form("/rights/stop/{token}")
def stop(request: Request, token: str) -> Response:
    read_button(request)
    rights.erasure().stop_by_link(token)
    return see_other(request, "/rights/done?what=stopped")


@routes.page("/rights/done")
def show_done(request: Request) -> Response:
    what = request.query.get("what", "")
    return html(render(request, "rights/done.html", what=what))


def gone(request: Request, what: str) -> Response:
    return see_other(request, f"/rights/done?what={what}", cookies=(SESSION.cleared(),))


def read_button(request: Request) -> None:
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
