"""What other features may know of an account's payments; it needs no key of the processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.cards import card_text
from chalicelib.payments.periods import ACTIVE

if TYPE_CHECKING:
    from chalicelib.payments.store import PaymentStore
    from chalicelib.payments.subscription_store import SubscriptionStore


@dataclass(frozen=True, slots=True)
class CardOnFile:
    """The card that bills go to; `id` tells it from the one before."""

    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int

    @property
    def text(self) -> str:
        return card_text(self.brand, self.last4)


@dataclass(frozen=True, slots=True)
class Charge:
    """A subscription that will be charged at `next_charge`: `price` is of all its seats."""

    license: str
    seats: int
    price: int
    next_charge: int


class OnFile:
    def __init__(self, payments: PaymentStore, subscriptions: SubscriptionStore) -> None:
        self.payments, self.subscriptions = payments, subscriptions

    def card(self, account_id: str) -> CardOnFile | None:
        item = self.payments.card_in_use(account_id)
        if item is None:
            return None
        facts = (item[name] for name in ("brand", "last4", "exp_month", "exp_year"))
        return CardOnFile(item["method"] or item["order_id"], *facts)

    def charges(self, account_id: str) -> list[Charge]:
        """Of those that are paid so far and will be renewed."""
        return [
            Charge(found.license_id, found.seats, found.amount, found.next_charge)
            for found in self.subscriptions.of_account(account_id)
            if found.state == ACTIVE and found.next_charge is not None
        ]
