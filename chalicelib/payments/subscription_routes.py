"""`/account/subscriptions`: what renews when, canceling in two clicks, another card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.core.errors import Conflict, InvalidInput, TooMany
from chalicelib.core.ids import new_id
from chalicelib.edge.callers import account_of
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.filters import date
from chalicelib.edge.forms import form_again, form_page, read_form
from chalicelib.edge.responses import leave, see_other
from chalicelib.edge.routes import Edge
from chalicelib.edge.urls import absolute
from chalicelib.payments import periods

if TYPE_CHECKING:
    from typing import Any

    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.payments.periods import Subscription

routes = Edge(__name__)
HERE = "/account/subscriptions"
PAGE, CANCEL_PAGE = "payments/subscriptions.html", "payments/cancel.html"
IN_PLACE = (InvalidInput, StaleForm, TooMany, Conflict)
DONE = {
    "canceled": "It is canceled. You can keep it after all, until it ends.",
    "kept": "Kept: it renews as before.",
}


@routes.page("/account/subscriptions")
def show_subscriptions(request: Request) -> Response:
    """What each costs, when it is charged next, and what can be done about it."""
    return form_page(request, wiring.keyed(), PAGE, **shown(request))


@routes.page("/account/subscriptions/{license_id}/cancel")
def show_effect(request: Request, license_id: str) -> Response:
    """What canceling would do; it does nothing yet."""
    effect = wiring.subscriptions().effect(account_of(request), license_id)
    if effect.subscription.state in {periods.CANCELING, periods.ENDED}:
        return see_other(request, HERE)
    return form_page(request, wiring.keyed(), CANCEL_PAGE, effect=effect)


@routes.form("/account/subscriptions/{license_id}/cancel")
def cancel(request: Request, license_id: str) -> Response:
    """Does what was shown; where that has changed, it is shown anew."""
    from chalicelib.payments.forms import CancelForm

    account, service = account_of(request), wiring.subscriptions()
    try:
        form = read_form(request, CancelForm, wiring.keyed())
        service.cancel(account, license_id, form.shown)
    except IN_PLACE as error:
        effect = service.effect(account, license_id)
        return form_again(request, wiring.keyed(), CANCEL_PAGE, error, effect=effect)
    return see_other(request, f"{HERE}?done=canceled")


@routes.form("/account/subscriptions/{license_id}/keep")
def keep(request: Request, license_id: str) -> Response:
    """Undoes a cancellation, as long as the license runs."""
    from chalicelib.payments.forms import CheckoutForm

    try:
        read_form(request, CheckoutForm, wiring.keyed())
        wiring.subscriptions().keep(account_of(request), license_id)
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), PAGE, error, **shown(request))
    return see_other(request, f"{HERE}?done=kept")


@routes.form("/account/subscriptions/{license_id}/card")
def replace_card(request: Request, license_id: str) -> Response:
    """On to the processor's page, where another card is saved; a charge that failed is tried."""
    from chalicelib.payments.forms import CardForm

    account = account_of(request)
    try:
        form = read_form(request, CardForm, wiring.keyed())
        order = wiring.orders().another_card(account, license_id, form.attempt)
    except IN_PLACE as error:
        return form_again(request, wiring.keyed(), PAGE, error, **shown(request))
    return leave(wiring.orders().card_page(order, absolute(request, f"/orders/{order.id}")))


def shown(request: Request) -> dict[str, Any]:
    account = account_of(request)
    found = wiring.subscriptions().of_account(account)
    return {
        "subscriptions": found,
        "words": {of.license_id: words(of) for of in found},
        "card": wiring.on_file().card(account) if found else None,
        "attempt": new_id("try"),
        "done": DONE.get(request.query.get("done", ""), ""),
    }


def words(of: Subscription) -> str:
    """Where it stands, in a sentence."""
    if of.charging is not None:
        return "A charge is on its way at this moment."
    if of.state == periods.CANCELING:
        return f"Canceled: it runs until {date(of.period_end)}, and nothing more is charged."
    if of.state == periods.ENDED:
        return "Ended. Nothing more is charged."
    if of.state == periods.PAST_DUE and of.next_charge is None:
        return f"The card was refused. Use another one by {date(of.last_instant)}, or it ends."
    if of.state == periods.PAST_DUE:
        return (
            f"The card was refused. We try again on {date(of.next_charge or 0)}; if it is not "
            f"paid by {date(of.last_instant)}, it ends."
        )
    return f"Renews on {date(of.period_end)}, until you cancel it."
