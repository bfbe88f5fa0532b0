"""The mails about money: each written in the transaction that causes it, once a fact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.catalog.rules import METERED, TRIAL
from chalicelib.core.clock import to_datetime
from chalicelib.core.money import Money

if TYPE_CHECKING:
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.rules import Argument
    from chalicelib.payments.periods import Attempt, Subscription
    from chalicelib.payments.rules import Card, Order
    from chalicelib.payments.taken import Payment
    from chalicelib.storage.dynamo import Write

Mail = tuple[str, "Write"]
RENEWAL = "renewal"


def date_text(instant: int) -> str:
    """`25 November 2026`, as the other mails have it."""
    moment = to_datetime(instant)
    return f"{moment.day} {moment:%B %Y}"


def moment_text(instant: int) -> str:
    """`25 November 2026, 12:00 UTC`, as the pages have it."""
    return f"{date_text(instant)}, {to_datetime(instant):%H:%M} UTC"


def of_order(outbox: Outbox, order: Order, card: Card | None, now: int) -> Mail:
    """What was ordered and charged, what will be charged when, and how it ends."""
    plan, ends_at = order.plan, order.plan.ends_at(now)
    price = plan.hourly if plan.kind == METERED else str(Money(plan.terms.price, plan.currency))
    arguments: dict[str, Argument] = {
        "order": order.id,
        "application": order.application_name,
        "plan": plan.name,
        "kind": plan.kind,
        "price": "" if plan.kind == TRIAL else price,
        "seats": order.seats or 0,
        "charged": str(Money(order.amount, plan.currency)) if order.charges else "",
        "until": date_text(ends_at) if ends_at is not None else "",
        "at": moment_text(now),
        "card": card.text if card else "",
    }
    return outbox.message(
        "receipt", fact=(order.id,), account=order.account_id, arguments=arguments, due=now, now=now
    )


def of_renewal(
    outbox: Outbox, paid: Subscription, attempt: Attempt, now: int, copy_to: str | None = None
) -> Mail:
    """`paid` is the subscription with its new period; `copy_to` a member who sees its bills.

    A copy says what was paid, but not by which card, and leads to what its reader may see.
    """
    arguments: dict[str, Argument] = {
        "order": paid.order_id,
        "application": paid.application_name,
        "plan": paid.plan_name,
        "price": str(Money(paid.price, paid.currency)),
        "seats": paid.seats,
        "charged": str(Money(attempt.amount, attempt.currency)),
        "until": date_text(paid.period_end),
        "at": moment_text(now),
    }
    fact: tuple[str | int, ...] = (paid.license_id, paid.period)
    if copy_to:
        return outbox.message(
            "receipt_copy",
            fact=(*fact, copy_to),
            account=copy_to,
            arguments={**arguments, "license": paid.license_id},
            due=now,
            now=now,
        )
    return outbox.message(
        "receipt",
        fact=fact,
        account=paid.account_id,
        arguments={**arguments, "kind": RENEWAL, "card": attempt.card},
        due=now,
        now=now,
    )


def download_ready(outbox: Outbox, order: Order, now: int) -> Mail:
    return outbox.message(
        "download_ready",
        fact=(order.id,),
        account=order.account_id,
        arguments={"application": order.application_name},
        due=now,
        now=now,
    )


def payment_failed(outbox: Outbox, of: Subscription, attempt: Attempt, now: int) -> Mail:
    """`of` is the subscription after the failure: when the next try is, and the last day."""
    arguments = {
        "application": of.application_name,
        "amount": str(Money(attempt.amount, attempt.currency)),
        "card": attempt.card,
        "next": date_text(of.next_charge) if of.next_charge is not None else "",
        "until": date_text(of.last_instant),
    }
    return outbox.message(
        "payment_failed",
        fact=(of.license_id, attempt.period, attempt.number),
        account=of.account_id,
        arguments=arguments,
        due=now,
        now=now,
    )


def canceled(outbox: Outbox, of: Subscription, now: int) -> Mail:
    return outbox.message(
        "subscription_canceled",
        fact=(of.license_id, of.version),
        account=of.account_id,
        arguments={"application": of.application_name, "until": date_text(of.period_end)},
        due=now,
        now=now,
    )


def ended(outbox: Outbox, of: Subscription, now: int) -> Mail:
    """Once: a subscription that has ended stays so."""
    return outbox.message(
        "subscription_ended",
        fact=(of.license_id,),
        account=of.account_id,
        arguments={"application": of.application_name, "plan": of.plan_name},
        due=now,
        now=now,
    )


def refunded(outbox: Outbox, payment: Payment, amount: int, now: int) -> Mail:
    """`amount` of the payment was given back just now; the fact is this change of the payment.

    How much was given back in all would not do: what came back can be given again.
    """
    left = payment.amount - payment.refunded
    arguments = {
        "application": payment.application_name,
        "order": payment.order_id,
        "amount": str(Money(amount, payment.currency)),
        "left": str(Money(left, payment.currency)) if left else "",
    }
    return outbox.message(
        "refunded",
        fact=(payment.id, payment.version),
        account=payment.account_id,
        arguments=arguments,
        due=now,
        now=now,
    )
