"""Refunds: never more than was captured, never of a charge that was charged back."""

from infra.local.processor.errors import ApiError, JsonObject
from infra.local.processor.world import World


def create(
    world: World, charge: JsonObject, amount: int | None, reason: str | None, metadata: JsonObject
) -> JsonObject:
    """Give back `amount` minor units of a charge, or all that is left of it."""
    left = charge["amount"] - charge["amount_refunded"]
    taken = left if amount is None else amount
    _check(world, charge, taken, left)
    refund = world.create(
        "re",
        "refund",
        {
            "amount": taken,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": charge["currency"],
            "metadata": metadata,
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "status": "succeeded",
        },
    )
    previous = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    world.update(charge, amount_refunded=charge["amount_refunded"] + taken, refunded=taken == left)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge, previous)
    return refund


def _check(world: World, charge: JsonObject, taken: int, left: int) -> None:
    if charge["refunded"]:
        raise ApiError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    if not charge["captured"]:
        raise ApiError(f"Charge {charge['id']} has not been captured.", param="charge")
    if not _refundable(world, charge):
        raise ApiError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if taken <= 0:
        raise ApiError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if taken > left:
        raise ApiError(
            f"Refund amount ({taken} {charge['currency']}) is greater than unrefunded amount "
            f"on charge ({left} {charge['currency']})",
            param="amount",
        )


def _refundable(world: World, charge: JsonObject) -> bool:
    """An inquiry leaves a charge refundable, a dispute does not, unless it was won."""
    return all(
        dispute["is_charge_refundable"]
        for dispute in world.store.newest("dispute")
        if dispute["charge"] == charge["id"]
    )
