"""`/account/computers`: what runs where, who may launch, and license keys.

What the person does to a lease or a computer is done under a license of theirs: an id of somebody
else's license is answered like one that was never given out (G7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import Conflict, InvalidInput
from chalicelib.edge.callers import account_of
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.responses import see_other
from chalicelib.edge.routes import Edge
from chalicelib.licenses.overview import find_computers, of_account

if TYPE_CHECKING:
    from typing import Any, TypeVar

    from chalice.app import Response
    from pydantic import BaseModel

    from chalicelib.core.errors import CetrusError
    from chalicelib.edge.request import Request

    Form = TypeVar("Form", bound=BaseModel)

routes = Edge(__name__)
HERE = "/account/computers"
PAGE = "licenses/computers.html"
IN_PLACE = (InvalidInput, StaleForm, Conflict)
DONE = {
    "named": "The name was saved.",
    "ended": "Ended, and billed up to now. The program learns of it within three minutes.",
    "over": "That launch had ended before.",
    "blocked": "The computer is blocked. What ran there was ended.",
    "unblocked": "The computer may launch again.",
}  # fmt: skip


@routes.page("/account/computers")
def show_computers(request: Request) -> Response:
    return form_page(request, wiring.keyed(), PAGE, **shown(request))


@routes.form("/account/computers/keys")
def make_key(request: Request) -> Response:
    """The new key is told on this page alone; the one before it stops working."""
    from chalicelib.licenses.forms import KeyForm

    try:
        form = read_form(request, KeyForm, wiring.keyed())
    except IN_PLACE as error:
        return again(request, error)
    key = wiring.licenses().new_key(account_of(request), form.license)
    return form_page(request, wiring.keyed(), PAGE, **shown(request, form.license, key))


@routes.form("/account/computers/end")
def end_lease(request: Request) -> Response:
    """Ends what runs now; once more, or too late: it had ended."""
    from chalicelib.licenses.forms import LeaseForm

    try:
        form = read_form(request, LeaseForm, wiring.keyed())
    except IN_PLACE as error:
        return again(request, error)
    ended = wiring.licenses().end_lease(account_of(request), form.license, form.lease)
    return done(request, "ended" if ended else "over")


@routes.form("/account/computers/name")
def name_computer(request: Request) -> Response:
    """The customer's own name for a computer of theirs, sealed; an empty one takes it away."""
    from chalicelib.licenses.forms import LabelForm

    account = account_of(request)
    try:
        form = read_form(request, LabelForm, wiring.keyed())
        computer = wiring.licenses().computer(account, form.license, form.computer)
        wiring.labels().name(account, computer.id, form.label)
    except IN_PLACE as error:
        return again(request, error)
    return done(request, "named")


@routes.form("/account/computers/block")
def block_computer(request: Request) -> Response:
    """No launch there from now on, under this license; what runs there ends."""
    from chalicelib.licenses.forms import ComputerForm

    try:
        form = read_form(request, ComputerForm, wiring.keyed())
        wiring.licenses().block(account_of(request), form.license, form.computer)
    except IN_PLACE as error:
        return again(request, error)
    return done(request, "blocked")


@routes.form("/account/computers/unblock")
def unblock_computer(request: Request) -> Response:
    from chalicelib.licenses.forms import ComputerForm

    try:
        form = read_form(request, ComputerForm, wiring.keyed())
        wiring.licenses().unblock(account_of(request), form.license, form.computer)
    except IN_PLACE as error:
        return again(request, error)
    return done(request, "unblocked")


def again(request: Request, error: CetrusError) -> Response:
    return form_again(request, wiring.keyed(), PAGE, error, **shown(request))


def done(request: Request, what: str) -> Response:
    return see_other(request, f"{HERE}?done={what}")


def shown(request: Request, license_id: str = "", key: str = "") -> dict[str, Any]:
    account, licenses, now = account_of(request), wiring.licenses(), wiring.now()
    found = of_account(licenses, account, now)
    some = any(each.computers for each in found)
    labels = wiring.labels().of(account, "page:/account/computers") if some else {}
    return {
        "licenses": found, "key": key, "key_of": license_id, "labels": labels,
        "done": DONE.get(request.query.get("done", ""), ""), "now": now,
        **find_computers(found, labels, request.query.get("q", ""), page_of(request)),
    }  # fmt: skip


def page_of(request: Request) -> int:
    """The number of the page that a link asks for; anything else is the first."""
    text = request.query.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= 4 else 1  # noqa: PLR2004
