"""The one way to tell the card processor anything about somebody: the ledger's row comes first.

Nothing else calls what a `Biller` has beyond a `Processor` (PS-05).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.privacy.disclosures import PROCESSOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.payments.processor import Biller, Charge, Checkout, PaymentState, Purchase
    from chalicelib.privacy.disclosures import Disclosures


class Telling:
    """`subject_of` answers the pseudonym of an account, or None where it is nobody's any more."""

    def __init__(
        self, biller: Biller, disclosures: Disclosures, subject_of: Callable[[str], str | None]
    ) -> None:
        self._biller, self._disclosures, self._subject_of = biller, disclosures, subject_of

    def new_customer(self, account_id: str, key: str) -> str:
        self._share(account_id, "customer", key)
        return self._biller.create_customer(account_id, key)

    def card_page(
        self, account_id: str, order_id: str, customer: str, currency: str, back: str, away: str
    ) -> Checkout:
        """Where the customer saves a card for this order."""
        self._share(account_id, "card_page", order_id)
        return self._biller.open_card_setup(
            order_id=order_id, customer=customer, currency=currency, success_url=back,
            cancel_url=away,
        )  # fmt: skip

    def payment_page(
        self, account_id: str, order_id: str, customer: str, purchase: Purchase, back: str,
        away: str,
    ) -> Checkout:  # fmt: skip
        """Where the customer pays for this order."""
        self._share(account_id, "payment_page", order_id)
        return self._biller.open_payment(
            order_id=order_id, customer=customer, purchase=purchase, success_url=back,
            cancel_url=away,
        )  # fmt: skip

    def charge(self, account_id: str, charge: Charge) -> PaymentState:
        self._share(account_id, "charge", charge.key)
        return self._biller.charge(charge)

    def refund(self, account_id: str, payment_id: str, amount: int, key: str) -> None:
        """Also where the account was left or erased meanwhile: the money is theirs all the same."""
        self._disclosures.share_owed(self._subject_of(account_id), PROCESSOR, "refund", key)
        self._biller.refund(payment_id, amount, key)

    def _share(self, account_id: str, act: str, reference: str) -> None:
        subject = self._subject_of(account_id) or ""
        self._disclosures.share(subject, PROCESSOR, act, reference)
