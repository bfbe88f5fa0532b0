"""The people of a license: the owner's list, the invited person's page, and the member's own.

A license of somebody else's is answered like one that was never given out (G7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.clock import month_of
from chalicelib.core.errors import Conflict, InvalidInput, TooMany
from chalicelib.edge.callers import account_of
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.responses import see_other
from chalicelib.edge.routes import Edge
from chalicelib.licenses.account_routes import page_of
from chalicelib.licenses.member_store import BILLING, BOTH
from chalicelib.licenses.members import ROLES

if TYPE_CHECKING:
    from typing import Any

    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.licenses.member_store import Membership

routes = Edge(__name__)
PEOPLE, INVITED, SHARED = (f"licenses/{name}.html" for name in ("people", "invitation", "shared"))
IN_PLACE = (InvalidInput, StaleForm, TooMany, Conflict)
PAGE_SIZE = 10
DONE = {
    "invited": "The invitation is on its way. It waits for seven days.",
    "ended": "Done. A member's launches are refused now; what runs stops within three minutes.",
}  # fmt: skip


@routes.page("/account/licenses/{license_id}/people")
def show_people(request: Request, license_id: str) -> Response:
    """Members and open invitations, a page at a time; each address is opened for the owner."""
    return form_page(request, wiring.keyed(), PEOPLE, **people(request, license_id))


@routes.form("/account/licenses/{license_id}/people")
def invite(request: Request, license_id: str) -> Response:
    """Mails an invitation; the answer is the same whoever has the address, or nobody."""
    from chalicelib.licenses.forms import InviteForm

    try:
        form = read_form(request, InviteForm, wiring.keyed())
        wiring.members().invite(account_of(request), license_id, form.email, form.role)
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), PEOPLE, error, **people(request, license_id))
    return see_other(request, f"/account/licenses/{license_id}/people?done=invited")


@routes.form("/account/licenses/{license_id}/people/end")
def end_place(request: Request, license_id: str) -> Response:
    """Withdraws an invitation, or removes a member; again: no change."""
    from chalicelib.licenses.forms import PlaceForm

    form = read_form(request, PlaceForm, wiring.keyed())
    wiring.members().end(account_of(request), license_id, form.invitation)
    return see_other(request, f"/account/licenses/{license_id}/people?done=ended")


def people(request: Request, license_id: str) -> dict[str, Any]:
    account, page = account_of(request), page_of(request)
    owned = wiring.licenses().owned(account, license_id)
    entries, count = wiring.members().listed(account, license_id, page, PAGE_SIZE)
    return {
        "owned": owned, "entries": entries, "count": count, "page": page, "roles": ROLES,
        "offered": wiring.members().roles(license_id), "pages": -(-count // PAGE_SIZE),
        "done": DONE.get(request.query.get("done", ""), ""),
    }  # fmt: skip


@routes.page("/invitations/{token}")
def show_invitation(request: Request, token: str) -> Response:
    """Who invites to what; changes nothing, so that a mail scanner does no harm."""
    found = wiring.members().invitation(token)
    by = wiring.members().invited_by(found)
    return form_page(request, wiring.keyed(), INVITED, found=found, by=by, roles=ROLES)


@routes.form("/invitations/{token}")
def accept_invitation(request: Request, token: str) -> Response:
    """The signed-in account is one of the license's people from now on."""
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    license_id = wiring.members().accept(token, account_of(request))
    return see_other(request, f"/account/shared/{license_id}?joined=1")


@routes.page("/account/shared/{license_id}")
def show_shared(request: Request, license_id: str) -> Response:
    """What a member may do, and what they used; whoever sees the bills sees the total as well."""
    account = account_of(request)
    joined = wiring.members().membership(account, license_id)
    return form_page(request, wiring.keyed(), SHARED, **shared(request, joined, account))


@routes.form("/account/shared/{license_id}/leave")
def leave(request: Request, license_id: str) -> Response:
    """The member's own wish, in force at once."""
    from chalicelib.accounts.forms import EmptyForm

    read_form(request, EmptyForm, wiring.keyed())
    wiring.members().leave(account_of(request), license_id)
    return see_other(request, "/account?left=1")


def shared(request: Request, joined: Membership, account: str) -> dict[str, Any]:
    now, usage = wiring.now(), wiring.usage()
    month = month_of(now)
    person = wiring.licenses().person(account, joined.application)
    sees_all = joined.role in {BILLING, BOTH}
    return {
        "joined": joined, "role": ROLES[joined.role], "runs": joined.role != BILLING,
        "welcome": request.query.get("joined") == "1", "sees_all": sees_all, "now": now,
        "own": usage.of_person(joined.license, person, joined.joined_at, now),
        "all": usage.between(joined.license, month, f"{month}-31") if sees_all else 0,
    }  # fmt: skip
