"""Disputes and inquiries: what a cardholder's bank asks back, and how it ends."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.local.processor.errors import ApiError, JsonObject
from infra.local.processor.world import World

_INQUIRY_DAYS = 7
_NEXT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "warning_needs_response": frozenset(
            {"warning_under_review", "warning_closed", "needs_response"}
        ),
        "warning_under_review": frozenset({"warning_closed", "needs_response"}),
        "needs_response": frozenset({"under_review", "won", "lost"}),
        "under_review": frozenset({"won", "lost"}),
    }
)
_CLOSED = frozenset({"warning_closed", "won", "lost"})
REASONS = frozenset(
    {
        "bank_cannot_process",
        "credit_not_processed",
        "customer_initiated",
        "duplicate",
        "fraudulent",
        "general",
        "product_not_received",
        "product_unacceptable",
        "subscription_canceled",
        "unrecognized",
    }
)


def create(world: World, charge: JsonObject, reason: str, status: str) -> JsonObject:
    """Open a dispute, or an inquiry, over all of a charge that was paid."""
    _check_opening(charge, reason, status)
    inquiry = status.startswith("warning_")
    dispute = world.create(
        "dp",
        "dispute",
        {
            "amount": charge["amount_captured"],
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "evidence": {},
            "evidence_details": {
                "due_by": world.now + _INQUIRY_DAYS * 86_400,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "status": status,
        },
    )
    world.update(charge, disputed=True)
    world.emit("charge.dispute.created", dispute)
    if not inquiry:
        world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _check_opening(charge: JsonObject, reason: str, status: str) -> None:
    if reason not in REASONS:
        raise ApiError(f"Unknown reason: {reason}", param="reason")
    if status not in ("needs_response", "warning_needs_response"):
        raise ApiError("A dispute opens as needs_response or warning_needs_response.")
    if not charge["paid"] or charge["disputed"]:
        raise ApiError(f"Charge {charge['id']} cannot be disputed.", param="charge")


def move(world: World, dispute: JsonObject, status: str) -> JsonObject:
    """Take a dispute to its next status; a closed one stays closed."""
    if status not in _NEXT.get(dispute["status"], frozenset()):
        raise ApiError(
            f"A dispute that is {dispute['status']} cannot become {status}.", param="status"
        )
    previous = {"status": dispute["status"]}
    escalated = status == "needs_response"
    refundable = dispute["is_charge_refundable"] and not escalated
    world.update(dispute, status=status, is_charge_refundable=refundable or status == "won")
    closed = status in _CLOSED
    world.emit(f"charge.dispute.{'closed' if closed else 'updated'}", dispute, previous)
    if escalated:
        world.emit("charge.dispute.funds_withdrawn", dispute)
    if status == "won":
        world.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def respond(world: World, dispute: JsonObject, evidence: JsonObject, *, send: bool) -> JsonObject:
    """Keep evidence, and with `send` hand it to the bank."""
    details = dispute["evidence_details"] | {"has_evidence": True}
    if send:
        details["submission_count"] += 1
    world.update(dispute, evidence=dispute["evidence"] | evidence, evidence_details=details)
    if not send:
        return dispute
    inquiry = dispute["status"].startswith("warning_")
    return move(world, dispute, "warning_under_review" if inquiry else "under_review")
