"""Registration, signing in and out, forgotten passwords: the doors of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.accounts.rules import (
    HOME,
    Deactivated,
    LinkKind,
    NotConfirmed,
    WrongCredentials,
    own_path,
)
from chalicelib.core.errors import CetrusError, Conflict, InvalidInput, TooMany
from chalicelib.edge.cookies import SESSION
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_again, form_page, read_answered, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.request import Caller
from chalicelib.edge.responses import html, see_other
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)

# What a form shows in place; anything else becomes an error page.
IN_PLACE = (InvalidInput, StaleForm, WrongCredentials, TooMany, Conflict)


def person(request: Request) -> Caller | None:
    """Who is signed in in this browser; the session is known to its forms by a derived value."""
    token = held(request)
    found = wiring.sessions().held(token) if token else None
    if found is None:
        return None
    csrf = wiring.keyed().token("csrf", token)
    return Caller("person", found.account.id, session=csrf, claims={"held": found})


def notice(request: Request) -> None:
    """Remembers the day on which a session was last used."""
    if request.caller and request.caller.kind == "person":
        wiring.sessions().used(request.caller.claims["held"])


def held(request: Request) -> str:
    return request.cookies.get(SESSION.name, "")


def signed_in(request: Request, token: str, path: str = HOME) -> Response:
    """In; a browser that says no to all in general is heard first, once an account."""
    if request.opts_out and (found := wiring.sessions().held(token)):
        wiring.choosing().opt_out(found.account)
    return see_other(request, path, cookies=(SESSION.holding(token),))


def page(request: Request, template: str, **values: Any) -> Response:
    return form_page(request, wiring.keyed(), f"accounts/{template}.html", **values)


def again(request: Request, template: str, error: CetrusError, **values: Any) -> Response:
    return form_again(request, wiring.keyed(), f"accounts/{template}.html", error, **values)


def countries() -> dict[str, str]:
    from chalicelib.accounts.countries import COUNTRIES

    return COUNTRIES


def on_registration(request: Request) -> dict[str, Any]:
    """What the form of registration shows beside what was typed."""
    return {"countries": countries(), **asking(request)}


def asking(request: Request) -> dict[str, Any]:
    """What the policy in force asks beside an address."""
    from chalicelib.privacy.choices import names, questions
    from chalicelib.privacy.rules import policy

    found = questions(policy(wiring.published().number()))
    return {"questions": found, "asked": names(found), "gpc": request.opts_out}


@routes.page("/register")
def show_registration(request: Request) -> Response:
    return page(request, "register", **on_registration(request))


@routes.form("/register")
def register(request: Request) -> Response:
    """Answers a new address and a known one alike."""
    from chalicelib.accounts.forms import RegistrationForm
    from chalicelib.privacy.choices import chosen

    shown = on_registration(request)
    try:
        form, answers = read_answered(request, RegistrationForm, wiring.keyed(), shown["asked"])
        wiring.registration().register(
            form.everything(), form.password, chosen(shown["questions"], answers),
            gpc=request.opts_out,
        )  # fmt: skip
    except IN_PLACE as error:
        return again(request, "register", error, **shown)
    return see_other(request, "/register/sent")


@routes.page("/register/sent")
def show_registered(request: Request) -> Response:
    return html(render(request, "accounts/registered.html"))


@routes.page("/verify/{token}")
def show_confirmation(request: Request, token: str) -> Response:
    """Changes nothing, so that a mail scanner that follows links does no harm."""
    wiring.recovery().check_link(token, LinkKind.CONFIRM)
    return page(request, "verify")


@routes.form("/verify/{token}")
def confirm(request: Request, token: str) -> Response:
    from chalicelib.accounts.forms import ConfirmForm

    try:
        form = read_form(request, ConfirmForm, wiring.keyed())
        session = wiring.recovery().confirm(token, form.password, leaving=held(request))
    except IN_PLACE as error:
        return again(request, "verify", error)
    return signed_in(request, session)


@routes.page("/login")
def show_login(request: Request) -> Response:
    path = own_path(request.query.get("next", ""))
    return see_other(request, path) if request.caller else page(request, "login", next=path)


@routes.form("/login")
def sign_in(request: Request) -> Response:
    from chalicelib.accounts.forms import LoginForm

    path = HOME
    try:
        form = read_form(request, LoginForm, wiring.keyed())
        path = own_path(form.next)
        token = wiring.sessions().sign_in(form.login, form.password, leaving=held(request))
    except IN_PLACE as error:
        return again(request, "login", error, next=path)
    except NotConfirmed as error:
        return unconfirmed(request, error)
    except Deactivated as error:
        return deactivated(request, error)
    return signed_in(request, token, path)


def unconfirmed(request: Request, error: NotConfirmed) -> Response:
    if not request.wants_html:
        raise error
    return html(render(request, "accounts/unconfirmed.html", error=error), status=error.status)


def deactivated(request: Request, error: Deactivated) -> Response:
    if not request.wants_html:
        raise error
    return html(render(request, "rights/deactivated.html"), status=error.status)


@routes.form("/logout")
def sign_out(request: Request) -> Response:
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    wiring.sessions().sign_out(held(request))
    return see_other(request, "/", cookies=(SESSION.cleared(),))


@routes.page("/forgot")
def show_forgot(request: Request) -> Response:
    return page(request, "forgot")


@routes.form("/forgot")
def forgot(request: Request) -> Response:
    """Answers a known address and an unknown one alike."""
    from chalicelib.accounts.forms import ForgotForm

    try:
        wiring.recovery().forgot(read_form(request, ForgotForm, wiring.keyed()).email)
    except IN_PLACE as error:
        return again(request, "forgot", error)
    return see_other(request, "/forgot/sent")


@routes.page("/forgot/sent")
def show_forgot_sent(request: Request) -> Response:
    return html(render(request, "accounts/forgot_sent.html"))


@routes.page("/reset/{token}")
def show_reset(request: Request, token: str) -> Response:
    """Changes nothing; the form does."""
    return page(request, "reset", rests=wiring.recovery().rests(token))


@routes.form("/reset/{token}")
def reset(request: Request, token: str) -> Response:
    from chalicelib.accounts.forms import NewPasswordForm

    try:
        form = read_form(request, NewPasswordForm, wiring.keyed())
        session = wiring.recovery().reset(token, form.password, leaving=held(request))
    except IN_PLACE as error:
        return again(request, "reset", error, rests=wiring.recovery().rests(token))
    if session is None:
        return see_other(request, "/reactivate?password=set")
    return signed_in(request, session)
