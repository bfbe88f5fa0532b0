"""Forms belong to the browser that asked for them: a field that only its cookie can explain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalicelib.core.errors import Forbidden
from chalicelib.core.ids import new_token
from chalicelib.core.keyed import KeyedHash, same
from chalicelib.edge.cookies import FORM, SESSION

if TYPE_CHECKING:
    from chalicelib.edge.request import Request

FIELD = "csrf"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class ForeignForm(Forbidden):
    code = "foreign_form"
    title = "This form has gone stale"
    detail = "Go back, load the page again, and send the form once more."


def binding(request: Request) -> str:
    """The cookie that forms are tied to: the login session's, else the form cookie."""
    if request.caller and request.caller.session:
        return request.cookies.get(SESSION.name, "")
    value = request.cookies.get(FORM.name, "")
    return value if TOKEN.fullmatch(value) else ""


def issue(request: Request, keyed: KeyedHash) -> tuple[str, tuple[str, ...]]:
    """The field's value, and the cookie to set where the browser has none yet."""
    if bound := binding(request):
        return keyed.token("csrf", bound), ()
    fresh = new_token()
    return keyed.token("csrf", fresh), (FORM.holding(fresh),)


def require(request: Request, given: str, keyed: KeyedHash) -> None:
    """ForeignForm unless the field was issued for this browser, and no other site sent it."""
    bound = binding(request)
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ForeignForm
    if not bound or not same(given, keyed.token("csrf", bound)):
        raise ForeignForm
