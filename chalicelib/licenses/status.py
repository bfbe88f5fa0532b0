"""How a license stands, in a person's words: for the customer's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.catalog.rules import SUBSCRIPTION
from chalicelib.core.spans import length, spoken
from chalicelib.licenses import rules
from chalicelib.licenses.screens import moment

if TYPE_CHECKING:
    from chalicelib.licenses.values import Head, Room

BARRED = {
    rules.REVOKED: "Ended for good",
    rules.SUSPENDED: "Suspended by the vendor",
    rules.PAYMENT_DUE: "A payment is due",
}


def state_of(head: Head, room: Room | None, now: int) -> str:
    """`Active until 9 December 2026, 14:12 UTC`, `Used up`, `Ended on …`."""
    if head.standing in BARRED:
        return BARRED[head.standing]
    if head.holds:
        return "Waits until a disputed payment is decided"
    if head.ends_at is not None and now >= head.ends_at:
        return f"Ended on {moment(head.ends_at)}"
    if head.prepaid and room and rules.used_up(room, head.terms.rate):
        return "Used up"
    # What is paid of a subscription is its own page's to say: it lasts a little longer than that.
    if head.ends_at is None or head.terms.kind == SUBSCRIPTION:
        return "Active"
    return f"Active until {moment(head.ends_at)}"


def left_of(head: Head, room: Room | None, now: int) -> str:
    """What a pass has left, or had when it ended; nothing for any other plan.

    What runs now still counts as left, until it ends.
    """
    if not head.prepaid or room is None:
        return ""
    left = spoken(rules.affordable(room.cap - room.spent, head.terms.rate))
    over = head.standing == rules.REVOKED or (head.ends_at is not None and now >= head.ends_at)
    whole = length(head.terms.prepaid_ms or 0)
    return f"{left} of {whole} were not used" if over else f"{left} of {whole} left"
