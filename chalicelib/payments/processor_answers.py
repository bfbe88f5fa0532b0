"""What the processor's answers mean: its objects as plain values in, ours out.

KeyError, TypeError, ValueError or AttributeError where an answer is not what we know.
"""

from __future__ import annotations

from typing import Any

from chalicelib.payments.processor import (
    SUCCEEDED,
    CheckoutState,
    DisputeState,
    PaymentState,
)
from chalicelib.payments.rules import Card, Event

STATUSES = frozenset({"open", "complete", "expired"})


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("not a text")
    return value


def checkout_state(found: dict[str, Any]) -> CheckoutState:
    if found["status"] not in STATUSES:
        raise ValueError("not a status that we know")
    paid = found["payment_intent"]
    intent = paid or found["setup_intent"] or {}
    method = intent.get("payment_method") or {}
    done = intent.get("status") == SUCCEEDED
    return CheckoutState(
        session_id=text(found["id"]),
        status=found["status"],
        order_id=found["client_reference_id"],
        customer=found["customer"],
        setup_intent=intent["id"] if done and not paid else None,
        payment_method=method["id"] if done else None,
        payment_status=text(found["payment_status"]),
        card=card_of(method["card"]) if done else None,
        url=found["url"],
        payment=payment_state(paid) if paid else None,
    )


def card_of(found: dict[str, Any]) -> Card:
    return Card(
        text(found["brand"]), text(found["last4"]), int(found["exp_month"]), int(found["exp_year"])
    )


def payment_state(found: dict[str, Any]) -> PaymentState:
    failure = found.get("last_payment_error") or {}
    charge = found.get("latest_charge")
    return PaymentState(
        id=text(found["id"]),
        status=text(found["status"]),
        amount=whole(found["amount"]),
        received=whole(found["amount_received"]),
        currency=text(found["currency"]).upper(),
        refunded=whole(charge["amount_refunded"]) if isinstance(charge, dict) else 0,
        code=failure.get("decline_code") or failure.get("code") or "",
        metadata=dict(found["metadata"]),
    )


def dispute_state(found: dict[str, Any]) -> DisputeState:
    return DisputeState(text(found["id"]), text(found["status"]), whole(found["amount"]))


def whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not an amount")
    return value


def read_event(found: dict[str, Any]) -> Event:
    """An event out of a list: its digest is empty, since its signed bytes were never seen."""
    subject = found["data"]["object"]
    return Event(
        text(found["id"]),
        text(found["type"]),
        str(subject.get("id") or ""),
        subject.get("client_reference_id"),
        sha256="",
        payment_id=subject.get("payment_intent"),
    )
