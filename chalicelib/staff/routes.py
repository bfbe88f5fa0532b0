"""The doors for staff: a session of its own kind, and the first page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import InvalidInput, TooMany
from chalicelib.edge.callers import member_of
from chalicelib.edge.cookies import STAFF
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.request import Caller
from chalicelib.edge.responses import html, see_other
from chalicelib.edge.routes import Edge
from chalicelib.staff.rules import HOME, Role, WrongStaffCredentials, own_path

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)

LOGIN = "staff/login.html"
IN_PLACE = (InvalidInput, StaleForm, WrongStaffCredentials, TooMany)


def member(request: Request) -> Caller | None:
    """Who of the staff is signed in in this browser, with the roles that they have just now."""
    token = held(request)
    found = wiring.staff().of(token) if token else None
    if found is None:
        return None
    roles = sorted(map(str, found.roles))
    return Caller("staff", found.id, wiring.keyed().token("csrf", token), {"roles": roles})


def held(request: Request) -> str:
    return request.cookies.get(STAFF.name, "")


@routes.page("/staff/login")
def show_login(request: Request) -> Response:
    path = own_path(request.query.get("next", ""))
    if request.caller:
        return see_other(request, path)
    return form_page(request, wiring.keyed(), LOGIN, next=path)


@routes.form("/staff/login")
def sign_in(request: Request) -> Response:
    from chalicelib.staff.forms import StaffLoginForm

    path = HOME
    try:
        form = read_form(request, StaffLoginForm, wiring.keyed())
        path = own_path(form.next)
        token = wiring.staff().sign_in(form.name, form.password, leaving=held(request))
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), LOGIN, error, next=path)
    return see_other(request, path, cookies=(STAFF.holding(token),))


@routes.form("/staff/logout")
def sign_out(request: Request) -> Response:
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    wiring.staff().sign_out(held(request))
    return see_other(request, "/staff/login", cookies=(STAFF.cleared(),))


@routes.page("/staff")
def show_home(request: Request) -> Response:
    """What there is for the roles of who is signed in."""
    return html(render(request, "staff/home.html", waiting=waiting(request)))


def waiting(request: Request) -> int:
    """How many mailings wait for who is signed in."""
    roles = set(request.caller.claims["roles"]) if request.caller else set()
    if not roles & {Role.SERVICE, Role.PRIVACY}:
        return 0
    return wiring.mailings().waiting(
        member_of(request), approves=Role.PRIVACY in roles, schedules=Role.SERVICE in roles
    )
