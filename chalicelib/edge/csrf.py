"""Forms belong to the browser that asked for them: a field that only its cookie can explain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalicelib.core.errors import Forbidden
from chalicelib.core.ids import new_token
from chalicelib.core.keyed import KeyedHash, same
from chalicelib.edge.cookies import FORM

if TYPE_CHECKING:
    from chalicelib.edge.request import Request

FIELD = "csrf"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class ForeignForm(Forbidden):
    """Another site sent the form."""

    code = "foreign_form"
    title = "This form came from another site"
    detail = "Open the page here and send the form from it."


class StaleForm(Forbidden):
    """The form was made for another session, or its cookie is gone; what was typed is kept."""

    code = "stale_form"
    title = "This form has gone stale"
    detail = "Nothing was changed. Check what you typed and send it once more."


def issue(request: Request, keyed: KeyedHash) -> tuple[str, tuple[str, ...]]:
    """The field's value, and the cookie to set where the browser has none yet."""
    if expected := expectation(request, keyed):
        return expected, ()
    fresh = new_token()
    return keyed.token("csrf", fresh), (FORM.holding(fresh),)


def expectation(request: Request, keyed: KeyedHash) -> str:
    """What this browser's forms carry: its session's value, else that of the form cookie."""
    if request.caller and request.caller.session:
        return request.caller.session
    cookie = request.cookies.get(FORM.name, "")
    return keyed.token("csrf", cookie) if TOKEN.fullmatch(cookie) else ""


def require(request: Request, given: str, keyed: KeyedHash) -> None:
    """ForeignForm where another site sent it, StaleForm where another browser was asked."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ForeignForm
    expected = expectation(request, keyed)
    if not expected or not same(given, expected):
        raise StaleForm
