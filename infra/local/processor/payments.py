"""Payment intents and charges: on session, off session, captured at once or later."""

from dataclasses import asdict, dataclass

from infra.local.processor import customers, disputes
from infra.local.processor.cards import (
    AUTHENTICATION_FAILED_MESSAGE,
    AUTHENTICATION_REQUIRED,
    BEHAVIORS,
    Behavior,
)
from infra.local.processor.errors import ApiError, CardError, JsonObject, invalid_param
from infra.local.processor.world import PRIVATE, World

_CURRENCIES = frozenset(
    {"usd", "eur", "gbp", "chf", "jpy", "cad", "aud", "sek", "nok", "dkk", "pln", "czk", "nzd"}
)
_MIN_AMOUNT = 50
_MAX_AMOUNT = 99_999_999


@dataclass(frozen=True, slots=True)
class Terms:
    """What a payment intent is made with; the amount is in minor units."""

    amount: int
    currency: str
    customer: str | None
    payment_method: str | None
    metadata: dict[str, str]
    description: str | None = None
    capture_method: str = "automatic"
    setup_future_usage: str | None = None

    def check(self) -> "Terms":
        check_currency(self.currency)
        if self.amount < _MIN_AMOUNT:
            raise ApiError(
                f"Amount must be at least {_MIN_AMOUNT} {self.currency}.",
                code="amount_too_small",
                param="amount",
            )
        if self.amount > _MAX_AMOUNT:
            raise ApiError(
                f"Amount must be no more than {_MAX_AMOUNT} {self.currency}.",
                code="amount_too_large",
                param="amount",
            )
        return self


def check_currency(currency: str) -> None:
    if currency.lower() not in _CURRENCIES:
        raise invalid_param(f"Invalid currency: {currency}.", "currency")


def create(world: World, terms: Terms) -> JsonObject:
    terms.check()
    if terms.customer is not None:
        customers.living(world, terms.customer)
    if terms.payment_method is not None:
        customers.chargeable(world, terms.payment_method, terms.customer)
    status = "requires_confirmation" if terms.payment_method else "requires_payment_method"
    intent = world.create(
        "pi",
        "payment_intent",
        {
            **asdict(terms),
            "amount_capturable": 0,
            "amount_received": 0,
            "canceled_at": None,
            "cancellation_reason": None,
            "client_secret": None,
            "confirmation_method": "automatic",
            "last_payment_error": None,
            "latest_charge": None,
            "next_action": None,
            "payment_method_types": ["card"],
            "status": status,
        },
    )
    world.emit("payment_intent.created", intent)
    return intent


def confirm(world: World, intent: JsonObject, method_id: str, *, off_session: bool) -> JsonObject:
    """Charge the card, or leave the intent waiting for the person, or raise the decline."""
    _require(
        intent, "confirm", "requires_confirmation", "requires_payment_method", "requires_action"
    )
    method = customers.chargeable(world, method_id, intent["customer"])
    behavior = BEHAVIORS[method[PRIVATE]["behavior"]]
    if behavior.authenticates == "always" and off_session:
        _fail(world, intent, method, AUTHENTICATION_REQUIRED.error())
    if behavior.authenticates != "never" and not off_session:
        world.update(
            intent,
            status="requires_action",
            payment_method=method_id,
            next_action={"type": "redirect_to_url"},
        )
        world.emit("payment_intent.requires_action", intent)
        return intent
    return _charge(world, intent, method, behavior)


def begin(world: World, intent: JsonObject, method: JsonObject) -> None:
    """A payment whose outcome comes later, as a bank debit's does."""
    _require(intent, "confirm", "requires_payment_method")
    world.update(intent, status="processing", payment_method=method["id"])
    world.emit("payment_intent.processing", intent)


def finish(world: World, intent: JsonObject, *, taken: bool) -> None:
    """The outcome of a payment that was begun; CardError where the bank refused it."""
    _require(intent, "confirm", "processing")
    method = world.get("payment_method", intent["payment_method"])
    if not taken:
        _fail(world, intent, method, CardError("The payment was refused.", "payment_failed"))
    _charge(world, intent, method, BEHAVIORS[method[PRIVATE]["behavior"]])


def authenticate(world: World, intent: JsonObject, *, confirmed: bool) -> JsonObject:
    """Finish what the person was asked to confirm."""
    _require(intent, "confirm", "requires_action")
    method = world.get("payment_method", intent["payment_method"])
    if not confirmed:
        code = "payment_intent_authentication_failure"
        _fail(world, intent, method, CardError(AUTHENTICATION_FAILED_MESSAGE, code))
    return _charge(world, intent, method, BEHAVIORS[method[PRIVATE]["behavior"]])


def _charge(world: World, intent: JsonObject, method: JsonObject, behavior: Behavior) -> JsonObject:
    declined = behavior.decline("charge")
    if declined is not None:
        _fail(world, intent, method, declined.error())
    captured = intent["capture_method"] != "manual"
    charge = _new_charge(world, intent, method, captured=captured)
    if intent["setup_future_usage"] and intent["customer"]:
        customers.attach(world, method, intent["customer"])
    world.update(
        intent,
        status="succeeded" if captured else "requires_capture",
        amount_received=intent["amount"] if captured else 0,
        amount_capturable=0 if captured else intent["amount"],
        payment_method=method["id"],
        latest_charge=charge["id"],
        last_payment_error=None,
        next_action=None,
    )
    world.emit("charge.succeeded", charge)
    changed = "succeeded" if captured else "amount_capturable_updated"
    world.emit(f"payment_intent.{changed}", intent)
    if behavior.dispute is not None:
        disputes.create(world, charge, "fraudulent", behavior.dispute)
    return intent


def _new_charge(
    world: World,
    intent: JsonObject,
    method: JsonObject,
    *,
    captured: bool,
    error: CardError | None = None,
) -> JsonObject:
    return world.create(
        "ch",
        "charge",
        {
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if captured and error is None else 0,
            "amount_refunded": 0,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "captured": captured and error is None,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_code": error.error["code"] if error else None,
            "failure_message": error.error["message"] if error else None,
            "metadata": intent["metadata"],
            "paid": error is None,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"type": "card", "card": method["card"]},
            "receipt_url": None,
            "refunded": False,
            "status": "failed" if error else "succeeded",
        },
    )


def _fail(world: World, intent: JsonObject, method: JsonObject, error: CardError) -> None:
    charge = _new_charge(world, intent, method, captured=False, error=error)
    error.error["charge"] = charge["id"]
    world.update(
        intent,
        status="requires_payment_method",
        payment_method=None,
        latest_charge=charge["id"],
        next_action=None,
        last_payment_error={**error.error, "payment_method": world.public(method)},
    )
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)
    error.error["payment_intent"] = world.public(intent)
    raise error


def capture(world: World, intent: JsonObject, amount: int | None) -> JsonObject:
    """Take what was authorized, or a part of it; the rest is released."""
    _require(intent, "capture", "requires_capture")
    taken = intent["amount_capturable"] if amount is None else amount
    if not 0 < taken <= intent["amount_capturable"]:
        raise ApiError(
            "The amount to capture is greater than the amount capturable.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = world.get("charge", intent["latest_charge"])
    released = charge["amount"] - taken
    world.update(charge, captured=True, amount_captured=taken, amount_refunded=released)
    world.update(intent, status="succeeded", amount_received=taken, amount_capturable=0)
    world.emit("charge.captured", charge)
    world.emit("payment_intent.succeeded", intent)
    return intent


def cancel(world: World, intent: JsonObject, reason: str | None) -> JsonObject:
    _require(
        intent,
        "cancel",
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "requires_capture",
    )
    world.update(
        intent,
        status="canceled",
        canceled_at=world.now,
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
    )
    world.emit("payment_intent.canceled", intent)
    return intent


def _require(intent: JsonObject, verb: str, *statuses: str) -> None:
    if intent["status"] not in statuses:
        raise ApiError(
            f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
            payment_intent={"id": intent["id"], "status": intent["status"]},
        )
