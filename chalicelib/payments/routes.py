"""Orders for people, and the processor's webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.catalog.pages import refused_order
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.callers import account_of
from chalicelib.edge.csrf import StaleForm
from chalicelib.edge.forms import form_page, read_form
from chalicelib.edge.pages import render
from chalicelib.edge.responses import as_json, html, leave
from chalicelib.edge.routes import Edge
from chalicelib.edge.urls import absolute
from chalicelib.payments.rules import MAX_EVENT, ORDER_STATES

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.payments.rules import Order

routes = Edge(__name__)


@routes.form("/apps/{slug}/orders")
def place_order(request: Request, slug: str) -> Response:
    """The order, and straight on to the processor's page."""
    from chalicelib.payments.forms import OrderForm

    try:
        form = read_form(request, OrderForm, wiring.keyed())
        order = wiring.orders().place(
            account_of(request), slug, form.plan, form.attempt, seats=form.seats, terms=form.terms
        )
    except (InvalidInput, StaleForm) as error:
        return refused_order(request, slug, error)
    return leave(card_page(request, order))


@routes.form("/orders/{order_id}/checkout")
def resume_checkout(request: Request, order_id: str) -> Response:
    """Back to the processor's page of an order that was left open."""
    from chalicelib.payments.forms import CheckoutForm

    read_form(request, CheckoutForm, wiring.keyed())
    return leave(card_page(request, wiring.orders().of(account_of(request), order_id)))


@routes.page("/orders")
def show_orders(request: Request) -> Response:
    orders = wiring.orders().all(account_of(request))
    return html(render(request, "payments/orders.html", orders=orders, states=ORDER_STATES))


@routes.page("/orders/{order_id}")
def show_order(request: Request, order_id: str) -> Response:
    """Where the processor returns to: the one GET that may fulfill, for the order's owner alone."""
    order = wiring.orders().settle(account_of(request), order_id)
    return form_page(
        request, wiring.keyed(), "payments/order.html", order=order,
        canceled="canceled" in request.query,
        payments=wiring.orders().payments(order) if order.charges else [],
        subscription=wiring.orders().subscription(order),
        ends_at=order.plan.ends_at(order.paid_at) if order.paid_at else None,
    )  # fmt: skip


@routes.call("POST", "/webhooks/stripe")
def receive_event(request: Request) -> Response:
    """Kept durably before it is acknowledged; what it means is found out later."""
    wiring.inbox().receive(request.body(MAX_EVENT), request.headers.get("stripe-signature", ""))
    return as_json({"received": True})


def card_page(request: Request, order: Order) -> str:
    return wiring.orders().card_page(order, absolute(request, f"/orders/{order.id}"))
