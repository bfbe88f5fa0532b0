"""Money that was taken, and what refunds and disputes make of it. No I/O.

| the payment is | new launches | renewals | books |
|---|---|---|---|
| taken | yes | yes | processor +, sales - |
| refunded in part | yes | yes | refunds +, processor - |
| refunded whole | no: the license ends | none | refunds +, processor - |
| inquired about | yes | yes | nothing |
| disputed, until it is decided | no | wait | disputed +, processor - |
| won | yes | yes | processor +, disputed - |
| lost | no: the license ends | none | losses +, disputed - |

Of several disputes each is in the books as it stands, and the license follows the gravest.
What runs is never stopped by a dispute: a lease runs to its end. What stands here follows from the
payment as the processor has it, not from the events about it: their order and number change
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.billing.rules import DISPUTED, LOSSES, PROCESSOR, REFUNDS, SALES, UNMATCHED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.payments.processor import DisputeState, PaymentState

INQUIRY, OPEN, LOST = "inquiry", "open", "lost"
HELD, OVER = "held", "over"
DISPUTES = {
    "warning_needs_response": INQUIRY,
    "warning_under_review": INQUIRY,
    "needs_response": OPEN,
    "under_review": OPEN,
    "lost": LOST,
}
GRAVITY = ("", INQUIRY, OPEN, LOST)


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment and the license that it is the ground of; None: it fits none.

    Amounts are minor units. `period` counts a subscription's periods from 0. `dispute` is the
    gravest there is; `disputed` is what banks still decide on, `lost` what they took for good.
    """

    id: str
    account_id: str
    order_id: str
    license_id: str | None
    application_id: str
    application_name: str
    vendor_id: str
    amount: int
    currency: str
    taken_at: int
    period: int | None = None
    refunded: int = 0
    dispute: str = ""
    disputed: int = 0
    lost: int = 0
    version: int = 1

    @property
    def about(self) -> dict[str, str]:
        """Whose money it is and what for, in the books."""
        known = {
            "payment": self.id, "account": self.account_id, "order": self.order_id,
            "license": self.license_id or "", "application": self.application_id,
            "vendor": self.vendor_id,
        }  # fmt: skip
        return {name: value for name, value in known.items() if value}


def position(payment: Payment) -> dict[str, int]:
    """What the books hold of a payment; it sums to zero."""
    return {
        PROCESSOR: payment.amount - payment.refunded - payment.disputed - payment.lost,
        SALES if payment.license_id else UNMATCHED: -payment.amount,
        REFUNDS: payment.refunded,
        DISPUTED: payment.disputed,
        LOSSES: payment.lost,
    }


def standing(payment: Payment) -> str:
    """What it does to its license: nothing, HELD, or OVER."""
    if payment.refunded >= payment.amount or payment.dispute == LOST:
        return OVER
    return HELD if payment.dispute == OPEN else ""


def settled(payment: Payment, state: PaymentState, disputes: Sequence[DisputeState]) -> Payment:
    """The payment as the processor has it now, with what each of its disputes makes of it."""
    found = [(DISPUTES.get(one.status, ""), one.amount) for one in disputes]
    return replace(
        payment,
        refunded=state.refunded,
        dispute=max((kind for kind, _ in found), key=GRAVITY.index, default=""),
        disputed=sum(amount for kind, amount in found if kind == OPEN),
        lost=sum(amount for kind, amount in found if kind == LOST),
        version=payment.version + 1,
    )
