"""The billing clerk's commands: giving money back, and what the books hold.

A refund is asked of the processor alone. Its event brings it into the books, to the license and to
the customer, on the same way as one that is made in the processor's dashboard.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from chalicelib import wiring
from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.core.ids import derived_id
from chalicelib.core.money import Money

Json = dict[str, Any]


def refund(payment_id: str, amount: str) -> Json:
    """Give back `amount`, such as 7.00, or all that is left where it is empty.

    Repeated before its event has come, it is the same refund. Each change of the payment in our
    books makes it another: so what came back, or failed, can be given again.
    """
    owner = wiring.taken().owner(payment_id)
    payment = wiring.taken().payment(owner, payment_id) if owner else None
    if payment is None:
        raise NotFound("No such payment.")
    left = payment.amount - payment.refunded
    given = minor(amount, payment.currency) if amount else left
    if not 0 < given <= left:
        said = f"More than nothing, and at most {Money(left, payment.currency)}."
        raise InvalidInput(errors={"amount": said})
    key = derived_id("key", "refund", payment_id, payment.version, given)
    wiring.telling(wiring.processor("processor-worker-key")).refund(
        payment.account_id, payment_id, given, key
    )
    return {
        "payment": payment_id,
        "order": payment.order_id,
        "given_back": str(Money(given, payment.currency)),
        "left": str(Money(left - given, payment.currency)),
    }


def minor(amount: str, currency: str) -> int:
    try:
        exact = Fraction(amount) * Money.units(currency)
    except (ValueError, ZeroDivisionError):  # it reads 1/0 as well
        raise InvalidInput(errors={"amount": "An amount such as 7.00."}) from None
    if exact.denominator != 1:
        raise InvalidInput(errors={"amount": "An amount such as 7.00."})
    return exact.numerator


def books(month: str) -> Json:
    """What each account of the books moved in a calendar month (UTC), in minor units."""
    found = wiring.books().balances(month)
    return {
        "month": month,
        "balances": found,
        "sums": {currency: sum(held.values()) for currency, held in found.items()},
    }
