"""Every API operation: how it is called, what it needs, what it does."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from infra.local.processor import (
    checkout,
    customers,
    disputes,
    listing,
    payments,
    refunds,
    setups,
    wire,
)
from infra.local.processor.errors import NOT_FOUND, ApiError, JsonObject, missing_param
from infra.local.processor.payments import Terms
from infra.local.processor.world import World

Run = Callable[[World, JsonObject, str], JsonObject]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path. `run` gets the world, the parameters and the id in the path."""

    method: str
    path: str
    permission: str
    run: Run

    def match(self, method: str, path: str) -> str | None:
        """The id in the path, empty when it has none; None for another operation."""
        if method != self.method:
            return None
        pattern = re.escape(self.path).replace(r"\{id\}", r"(?P<id>\w+)")
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict().get("id", "")


def find(method: str, path: str) -> tuple[Operation, str]:
    for operation in OPERATIONS:
        object_id = operation.match(method, path)
        if object_id is not None:
            return operation, object_id
    raise ApiError(f"Unrecognized request URL ({method}: {path}).", NOT_FOUND)


def _retrieve(kind: str) -> Run:
    return lambda world, _params, object_id: world.get(kind, object_id)


def _list(kind: str, path: str, *filters: str) -> Run:
    def run(world: World, params: JsonObject, _object_id: str) -> JsonObject:
        return listing.page(listing.of_kind(world, kind, params, *filters), params, path)

    return run


def _readable(kind: str, path: str, *filters: str) -> tuple[Operation, Operation]:
    """The two reads that every resource has."""
    permission = path.removeprefix("/v1/").replace("/", "_") + ".read"
    return (
        Operation("GET", f"{path}/{{id}}", permission, _retrieve(kind)),
        Operation("GET", path, permission, _list(kind, path, *filters)),
    )


def _create_customer(world: World, params: JsonObject, _object_id: str) -> JsonObject:
    return customers.create(world, params)


def _update_customer(world: World, params: JsonObject, object_id: str) -> JsonObject:
    return customers.update(world, customers.living(world, object_id), params)


def _delete_customer(world: World, _params: JsonObject, object_id: str) -> JsonObject:
    return customers.delete(world, customers.living(world, object_id))


def _create_session(world: World, params: JsonObject, _object_id: str) -> JsonObject:
    return checkout.create(world, params)


def _expire_session(world: World, _params: JsonObject, object_id: str) -> JsonObject:
    return checkout.expire(world, world.get("checkout.session", object_id))


def _create_setup(world: World, params: JsonObject, _object_id: str) -> JsonObject:
    customer = wire.text(params, "customer")
    if customer is not None:
        customers.living(world, customer)
    usage = wire.text(params, "usage") or "off_session"
    return setups.create(world, customer, wire.metadata(params), usage)


def _cancel_setup(world: World, _params: JsonObject, object_id: str) -> JsonObject:
    intent = world.get("setup_intent", object_id)
    if intent["status"] in ("succeeded", "canceled"):
        raise ApiError(
            f"You cannot cancel this SetupIntent because it has a status of {intent['status']}.",
            code="setup_intent_unexpected_state",
        )
    return setups.cancel(world, intent)


def _create_payment(world: World, params: JsonObject, _object_id: str) -> JsonObject:
    amount = wire.integer(params, "amount")
    if amount is None:
        raise missing_param("amount")
    terms = Terms(
        amount,
        wire.required(params, "currency").lower(),
        wire.text(params, "customer"),
        wire.text(params, "payment_method"),
        wire.metadata(params),
        wire.text(params, "description"),
        wire.text(params, "capture_method") or "automatic",
        wire.text(params, "setup_future_usage"),
    )
    if not wire.boolean(params, "confirm"):
        return payments.create(world, terms)
    return _confirm(world, params, payments.create(world, terms))


def _confirm_payment(world: World, params: JsonObject, object_id: str) -> JsonObject:
    return _confirm(world, params, world.get("payment_intent", object_id))


def _confirm(world: World, params: JsonObject, intent: JsonObject) -> JsonObject:
    method = wire.text(params, "payment_method") or intent["payment_method"]
    if method is None:
        raise missing_param("payment_method")
    off_session = wire.boolean(params, "off_session")
    return payments.confirm(world, intent, method, off_session=off_session)


def _capture_payment(world: World, params: JsonObject, object_id: str) -> JsonObject:
    intent = world.get("payment_intent", object_id)
    return payments.capture(world, intent, wire.integer(params, "amount_to_capture"))


def _cancel_payment(world: World, params: JsonObject, object_id: str) -> JsonObject:
    intent = world.get("payment_intent", object_id)
    return payments.cancel(world, intent, wire.text(params, "cancellation_reason"))


_CLAUSE = re.compile(
    r"""(?:metadata\["?'?(\w+)'?"?\]|(status|customer|currency)):['"]([^'"]*)['"]"""
)


def _search_payments(world: World, params: JsonObject, _object_id: str) -> JsonObject:
    """Clauses joined by AND; what is younger than the search lag is not found yet."""
    query = wire.required(params, "query")
    clauses = [_CLAUSE.fullmatch(part.strip()) for part in query.split(" AND ")]
    found = listing.of_kind(world, "payment_intent", {})
    known_until = world.now - world.hostility.search_lag_s
    for clause in clauses:
        if clause is None:
            raise ApiError(f"We were unable to parse your search query: {query}", param="query")
        key, name, wanted = clause.groups()
        found = [one for one in found if (one["metadata"].get(key) if key else one[name]) == wanted]
    found = [one for one in found if one["created"] <= known_until]
    shown = listing.page(found, {"limit": params.get("limit")}, "/v1/payment_intents/search")
    return shown | {"object": "search_result", "next_page": None}


def _attach_method(world: World, params: JsonObject, object_id: str) -> JsonObject:
    method = world.get("payment_method", object_id)
    return customers.attach(world, method, wire.required(params, "customer"))


def _detach_method(world: World, _params: JsonObject, object_id: str) -> JsonObject:
    return customers.detach(world, world.get("payment_method", object_id))


def _customer_methods(world: World, params: JsonObject, object_id: str) -> JsonObject:
    methods = listing.of_kind(world, "payment_method", params | {"customer": object_id}, "customer")
    return listing.page(methods, params, f"/v1/customers/{object_id}/payment_methods")


def _create_refund(world: World, params: JsonObject, _object_id: str) -> JsonObject:
    charge_id = wire.text(params, "charge")
    if charge_id is None:
        intent_id = wire.required(params, "payment_intent")
        intent = world.get("payment_intent", intent_id, "payment_intent")
        charge_id = intent["latest_charge"]
    if charge_id is None:
        raise ApiError("This PaymentIntent does not have a successful charge to refund.")
    return refunds.create(
        world,
        world.get("charge", charge_id, "charge"),
        wire.integer(params, "amount"),
        wire.text(params, "reason"),
        wire.metadata(params),
    )


def _respond_dispute(world: World, params: JsonObject, object_id: str) -> JsonObject:
    evidence = wire.mapping(params, "evidence")
    dispute = world.get("dispute", object_id)
    send = wire.boolean(params, "submit") if "submit" in params else True
    return disputes.respond(world, dispute, evidence, send=send)


def _close_dispute(world: World, _params: JsonObject, object_id: str) -> JsonObject:
    return disputes.move(world, world.get("dispute", object_id), "lost")


def _list_events(world: World, params: JsonObject, _object_id: str) -> JsonObject:
    return listing.page(listing.events(world, params), params, "/v1/events")


OPERATIONS = (
    Operation("POST", "/v1/customers", "customers.write", _create_customer),
    Operation("POST", "/v1/customers/{id}", "customers.write", _update_customer),
    Operation("DELETE", "/v1/customers/{id}", "customers.write", _delete_customer),
    Operation(
        "GET", "/v1/customers/{id}/payment_methods", "payment_methods.read", _customer_methods
    ),
    Operation("POST", "/v1/checkout/sessions", "checkout_sessions.write", _create_session),
    Operation(
        "POST", "/v1/checkout/sessions/{id}/expire", "checkout_sessions.write", _expire_session
    ),
    Operation("POST", "/v1/setup_intents", "setup_intents.write", _create_setup),
    Operation("POST", "/v1/setup_intents/{id}/cancel", "setup_intents.write", _cancel_setup),
    Operation("POST", "/v1/payment_intents", "payment_intents.write", _create_payment),
    Operation("GET", "/v1/payment_intents/search", "payment_intents.read", _search_payments),
    Operation(
        "POST", "/v1/payment_intents/{id}/confirm", "payment_intents.write", _confirm_payment
    ),
    Operation(
        "POST", "/v1/payment_intents/{id}/capture", "payment_intents.write", _capture_payment
    ),
    Operation("POST", "/v1/payment_intents/{id}/cancel", "payment_intents.write", _cancel_payment),
    Operation("POST", "/v1/payment_methods/{id}/attach", "payment_methods.write", _attach_method),
    Operation("POST", "/v1/payment_methods/{id}/detach", "payment_methods.write", _detach_method),
    Operation("POST", "/v1/refunds", "refunds.write", _create_refund),
    Operation("POST", "/v1/disputes/{id}", "disputes.write", _respond_dispute),
    Operation("POST", "/v1/disputes/{id}/close", "disputes.write", _close_dispute),
    Operation("GET", "/v1/events", "events.read", _list_events),
    *_readable("customer", "/v1/customers", "email"),
    *_readable("checkout.session", "/v1/checkout/sessions", "customer", "payment_intent", "status"),
    *_readable("setup_intent", "/v1/setup_intents", "customer", "payment_method"),
    *_readable("payment_intent", "/v1/payment_intents", "customer"),
    *_readable("payment_method", "/v1/payment_methods", "customer", "type"),
    *_readable("charge", "/v1/charges", "customer", "payment_intent"),
    *_readable("refund", "/v1/refunds", "charge", "payment_intent"),
    *_readable("dispute", "/v1/disputes", "charge", "payment_intent"),
    *_readable("event", "/v1/events"),
)
