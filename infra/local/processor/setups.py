"""Setup intents: the saving of a card for later charges."""

from infra.local.processor import customers
from infra.local.processor.cards import (
    AUTHENTICATION_FAILED_MESSAGE,
    BEHAVIORS,
    Card,
)
from infra.local.processor.errors import CardError, JsonObject
from infra.local.processor.world import PRIVATE, World


def create(
    world: World, customer: str | None, metadata: dict[str, str], usage: str = "off_session"
) -> JsonObject:
    intent = world.create(
        "seti",
        "setup_intent",
        {
            "application": None,
            "cancellation_reason": None,
            "client_secret": None,
            "customer": customer,
            "description": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "metadata": metadata,
            "next_action": None,
            "payment_method": None,
            "payment_method_types": ["card"],
            "status": "requires_payment_method",
            "usage": usage,
        },
    )
    world.emit("setup_intent.created", intent)
    return intent


def submit(world: World, intent: JsonObject, card: Card) -> None:
    """Save the card, or leave the intent waiting for the person to confirm."""
    behavior = BEHAVIORS[card.behavior]
    declined = behavior.decline("setup")
    method = customers.new_method(world, card)
    if declined is not None:
        _fail(world, intent, method, declined.error())
    if behavior.authenticates != "never":
        world.update(
            intent,
            status="requires_action",
            payment_method=method["id"],
            next_action={"type": "redirect_to_url"},
        )
        world.emit("setup_intent.requires_action", intent)
        return
    _succeed(world, intent, method)


def authenticate(world: World, intent: JsonObject, *, confirmed: bool) -> None:
    """Finish what the person was asked to confirm."""
    method = world.get("payment_method", intent["payment_method"])
    if confirmed:
        _succeed(world, intent, method)
        return
    code = "setup_intent_authentication_failure"
    _fail(world, intent, method, CardError(AUTHENTICATION_FAILED_MESSAGE, code))


def _succeed(world: World, intent: JsonObject, method: JsonObject) -> None:
    if intent["customer"] is not None:
        customers.attach(world, method, intent["customer"])
    world.update(
        intent,
        status="succeeded",
        payment_method=method["id"],
        next_action=None,
        last_setup_error=None,
    )
    world.emit("setup_intent.succeeded", intent)


def _fail(world: World, intent: JsonObject, method: JsonObject, error: CardError) -> None:
    method[PRIVATE]["detached"] = True
    world.update(method)
    world.update(
        intent,
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error={**error.error, "payment_method": world.public(method)},
    )
    world.emit("setup_intent.setup_failed", intent)
    error.error["setup_intent"] = world.public(intent)
    raise error


def cancel(world: World, intent: JsonObject) -> JsonObject:
    world.update(intent, status="canceled", cancellation_reason="abandoned", next_action=None)
    world.emit("setup_intent.canceled", intent)
    return intent
