"""Customers and their saved cards."""

from infra.local.processor import wire
from infra.local.processor.cards import Card
from infra.local.processor.errors import ApiError, JsonObject
from infra.local.processor.world import PRIVATE, World

_TEXTS = ("email", "name", "phone", "description")


def create(world: World, params: JsonObject) -> JsonObject:
    customer = world.create(
        "cus",
        "customer",
        {
            **{name: wire.text(params, name) for name in _TEXTS},
            "address": wire.mapping(params, "address") or None,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "invoice_settings": {"default_payment_method": None},
            "metadata": wire.metadata(params),
            "shipping": None,
        },
    )
    world.emit("customer.created", customer)
    return customer


def update(world: World, customer: JsonObject, params: JsonObject) -> JsonObject:
    changed = {name: wire.text(params, name) for name in _TEXTS if name in params}
    changed["metadata"] = customer["metadata"] | wire.metadata(params)
    previous = {name: customer[name] for name in changed if customer[name] != changed[name]}
    world.update(customer, **changed)
    world.emit("customer.updated", customer, previous)
    return customer


def delete(world: World, customer: JsonObject) -> JsonObject:
    """Delete the customer's data; the id stays known, as deleted, and its cards come off."""
    for method in world.store.newest("payment_method"):
        if method["customer"] == customer["id"]:
            detach(world, method)
    world.emit("customer.deleted", customer)
    gone = {"id": customer["id"], "object": "customer", "deleted": True}
    world.store.put(gone | {"created": customer["created"]})
    return gone


def living(world: World, customer_id: str) -> JsonObject:
    """The customer that a parameter names; 400 when it is unknown or deleted."""
    customer = world.get("customer", customer_id, "customer")
    if customer.get("deleted"):
        raise ApiError(
            f"No such customer: '{customer_id}'", code="resource_missing", param="customer"
        )
    return customer


# payment methods


def new_method(world: World, card: Card) -> JsonObject:
    """A payment method for a card that was typed in, not yet attached to anyone."""
    return world.create(
        "pm",
        "payment_method",
        {
            "allow_redisplay": "limited",
            "billing_details": {"address": None, "email": None, "name": None, "phone": None},
            "card": card.public(),
            "customer": None,
            "metadata": {},
            "type": "card",
            PRIVATE: {"behavior": card.behavior, "detached": False},
        },
    )


def attach(world: World, method: JsonObject, customer_id: str) -> JsonObject:
    living(world, customer_id)
    if method[PRIVATE]["detached"]:
        raise _no_longer_usable()
    if method["customer"] not in (None, customer_id):
        raise ApiError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    if method["customer"] is None:
        world.update(method, customer=customer_id)
        world.emit("payment_method.attached", method)
    return method


def detach(world: World, method: JsonObject) -> JsonObject:
    """Take the card off its customer; it can never be used again."""
    if method["customer"] is None:
        raise ApiError(
            "The payment method you provided is not attached to a customer "
            "so detachment is impossible."
        )
    previous = {"customer": method["customer"]}
    method[PRIVATE]["detached"] = True
    world.update(method, customer=None)
    world.emit("payment_method.detached", method, previous)
    return method


def chargeable(world: World, method_id: str, customer_id: str | None) -> JsonObject:
    """The payment method, if this customer may be charged on it."""
    method = world.get("payment_method", method_id, "payment_method")
    if method[PRIVATE]["detached"]:
        raise _no_longer_usable()
    if method["customer"] is not None and method["customer"] != customer_id:
        raise ApiError(
            f"The customer does not have a payment method with the ID {method_id}. "
            "The payment method must be attached to the customer.",
            code="resource_missing",
            param="payment_method",
        )
    return method


def _no_longer_usable() -> ApiError:
    return ApiError(
        "This PaymentMethod was previously used without being attached to a Customer or was "
        "detached from a Customer, and may not be used again.",
        code="payment_method_unexpected_state",
        param="payment_method",
    )
