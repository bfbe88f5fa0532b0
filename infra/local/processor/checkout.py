"""Checkout sessions: created by the merchant, completed by a person on the hosted page."""

import time
from typing import NamedTuple
from urllib.parse import urlsplit

from infra.local.processor import customers, payments, setups, wire
from infra.local.processor.cards import Card
from infra.local.processor.errors import (
    ApiError,
    CardError,
    JsonObject,
    invalid_param,
    missing_param,
)
from infra.local.processor.payments import Terms
from infra.local.processor.world import PRIVATE, World

_DAY_S = 86_400
_SHORTEST_S = 30 * 60
_MODES = ("setup", "payment")


def create(world: World, params: JsonObject) -> JsonObject:
    mode = wire.required(params, "mode")
    if mode not in _MODES:
        raise invalid_param(f"Invalid mode: must be one of {', '.join(_MODES)}", "mode")
    customer = wire.text(params, "customer")
    if customer is not None:
        customers.living(world, customer)
    purchase = _purchase(params) if mode == "payment" else _saving(params)
    session = world.create(
        "cs_test",
        "checkout.session",
        {
            "amount_subtotal": purchase.amount,
            "amount_total": purchase.amount,
            "cancel_url": _web_address(params, "cancel_url"),
            "client_reference_id": wire.text(params, "client_reference_id"),
            "currency": purchase.currency,
            "customer": customer,
            "customer_details": None,
            "customer_email": wire.text(params, "customer_email"),
            "expires_at": _expiry(world, params),
            "locale": wire.text(params, "locale"),
            "metadata": wire.metadata(params),
            "mode": mode,
            "payment_intent": None,
            "payment_method_types": ["card"],
            "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
            "setup_intent": None,
            "status": "open",
            "success_url": _web_address(params, "success_url", needed=True),
            "ui_mode": "hosted_page",
            "url": None,
            PRIVATE: {"description": purchase.description, **_intent_data(params, mode)},
        },
    )
    if mode == "setup":
        data = session[PRIVATE]["intent"]
        intent = setups.create(world, customer, data["metadata"])
        world.update(session, setup_intent=intent["id"])
    return session


class Purchase(NamedTuple):
    amount: int | None
    currency: str
    description: str


def _purchase(params: JsonObject) -> Purchase:
    lines = [_line(item) for item in wire.mapping(params, "line_items").values()]
    if not lines:
        raise missing_param("line_items")
    currencies = {line.currency for line in lines}
    if len(currencies) > 1:
        raise invalid_param("All line items need one currency.", "line_items")
    total = sum(line.amount or 0 for line in lines)
    purchase = Purchase(total, currencies.pop(), ", ".join(line.description for line in lines))
    Terms(total, purchase.currency, None, None, {}).check()
    return purchase


def _line(item: JsonObject) -> Purchase:
    price = wire.mapping(item, "price_data")
    amount = wire.integer(price, "unit_amount")
    quantity = wire.integer(item, "quantity")
    if amount is None or quantity is None or quantity < 1:
        raise missing_param("line_items[0][price_data][unit_amount]")
    name = wire.required(wire.mapping(price, "product_data"), "name")
    return Purchase(amount * quantity, wire.required(price, "currency").lower(), name)


def _saving(params: JsonObject) -> Purchase:
    if params.get("line_items"):
        raise invalid_param("`line_items` cannot be used in `setup` mode.", "line_items")
    currency = wire.text(params, "currency")
    if currency is None and not params.get("payment_method_types"):
        raise missing_param("currency")
    payments.check_currency(currency or "usd")
    description = wire.mapping(params, "setup_intent_data").get("description")
    return Purchase(None, (currency or "usd").lower(), str(description or "Save a card"))


def _intent_data(params: JsonObject, mode: str) -> JsonObject:
    data = wire.mapping(params, f"{mode}_intent_data")
    usage = wire.text(data, "setup_future_usage")
    return {"intent": {"metadata": wire.metadata(data), "setup_future_usage": usage}}


def _expiry(world: World, params: JsonObject) -> int:
    wanted = wire.integer(params, "expires_at")
    if wanted is None:
        return world.now + _DAY_S
    if not world.now + _SHORTEST_S - 5 <= wanted <= world.now + _DAY_S + 5:
        raise ApiError(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.",
            param="expires_at",
        )
    return wanted


def _web_address(params: JsonObject, name: str, *, needed: bool = False) -> str | None:
    address = wire.required(params, name) if needed else wire.text(params, name)
    if address is not None and urlsplit(address).scheme not in ("http", "https"):
        raise ApiError("Not a valid URL", code="url_invalid", param=name)
    return address


# what a person does on the hosted page


def submit(world: World, session: JsonObject, card: Card) -> None:
    """Use a card; afterwards the session is complete or its intent waits for the person."""
    _require_open(session)
    if session["mode"] == "setup":
        setups.submit(world, world.get("setup_intent", session["setup_intent"]), card)
    else:
        method = customers.new_method(world, card)
        payments.confirm(world, _payment(world, session), method["id"], off_session=False)
    _finish(world, session)


def submit_later(world: World, session: JsonObject, card: Card) -> None:
    """Complete a payment whose outcome comes later: the session is complete and unpaid."""
    _require_open(session)
    if session["mode"] != "payment":
        raise ApiError("Only a payment can come later.")
    payments.begin(world, _payment(world, session), customers.new_method(world, card))
    world.update(session, status="complete")
    world.emit("checkout.session.completed", session)


def settle(world: World, session: JsonObject, *, taken: bool) -> None:
    """The outcome of a payment that came later."""
    intent = intent_of(world, session)
    try:
        payments.finish(world, intent, taken=taken)
    except CardError:
        world.emit("checkout.session.async_payment_failed", session)
        return
    world.update(session, payment_status="paid")
    world.emit("checkout.session.async_payment_succeeded", session)


def authenticate(world: World, session: JsonObject, *, confirmed: bool) -> None:
    """Answer the bank's question; afterwards the session is complete, or open once more."""
    _require_open(session)
    if not waits_for_person(world, session):
        raise ApiError("This session does not wait for a confirmation.")
    module = setups if session["mode"] == "setup" else payments
    module.authenticate(world, intent_of(world, session), confirmed=confirmed)
    _finish(world, session)


def intent_of(world: World, session: JsonObject) -> JsonObject:
    kind = "setup_intent" if session["mode"] == "setup" else "payment_intent"
    return world.get(kind, session[kind])


def waits_for_person(world: World, session: JsonObject) -> bool:
    if session["status"] != "open" or not (session["setup_intent"] or session["payment_intent"]):
        return False
    return bool(intent_of(world, session)["status"] == "requires_action")


def _payment(world: World, session: JsonObject) -> JsonObject:
    """The session's payment intent, made when a card is first used."""
    if session["payment_intent"] is not None:
        return world.get("payment_intent", session["payment_intent"])
    data = session[PRIVATE]["intent"]
    terms = Terms(
        session["amount_total"],
        session["currency"],
        session["customer"],
        None,
        data["metadata"],
        setup_future_usage=data["setup_future_usage"],
    )
    intent = payments.create(world, terms)
    world.update(session, payment_intent=intent["id"])
    return intent


def _finish(world: World, session: JsonObject) -> None:
    if waits_for_person(world, session):
        return
    world.update(
        session,
        status="complete",
        payment_status="no_payment_required" if session["mode"] == "setup" else "paid",
    )
    world.emit("checkout.session.completed", session)


def _require_open(session: JsonObject) -> None:
    if session["status"] != "open":
        raise ApiError(f"This Checkout Session is {session['status']}.")


def expire(world: World, session: JsonObject) -> JsonObject:
    if session["status"] != "open":
        raise ApiError(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {session['status']}."
        )
    world.update(session, status="expired")
    world.emit("checkout.session.expired", session)
    return session


def expire_overdue(world: World) -> int:
    """Expire every open session whose time is over on the clock; answer how many."""
    overdue = [one for one in world.store.open_sessions() if one["expires_at"] <= time.time()]
    for session in overdue:
        expire(world, session)
    return len(overdue)


def return_url(session: JsonObject) -> str:
    """Where a completed session sends the person."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])
