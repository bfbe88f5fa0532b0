"""What leaving would end, counted for the page that asks before it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.licenses.member_store import ACCEPTED
from chalicelib.payments import periods
from chalicelib.rights.rules import fiscal_end

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Effects:
    """`kept_until` is until when the fiscal minimum stays, for whoever paid."""

    licenses: int
    subscriptions: int
    colleagues: int
    shared: int
    kept_until: int | None


def effects(account_id: str) -> Effects:
    owned = wiring.licenses().of_account(account_id)
    running = [
        each for each in wiring.subscription_store().of_account(account_id)
        if each.state != periods.ENDED
    ]  # fmt: skip
    paid = [each.taken_at for each in wiring.taken().of_account(account_id)]
    return Effects(
        licenses=len(owned),
        subscriptions=len(running),
        colleagues=colleagues(each.license for each in owned),
        shared=len(wiring.member_store().memberships(account_id)),
        kept_until=fiscal_end(max(paid)) if paid else None,
    )


def colleagues(licenses: Iterable[str]) -> int:
    """How many different accounts are members of these."""
    store = wiring.member_store()
    return len(
        {
            each.member
            for license_id in licenses
            for each in store.invitations(license_id)
            if each.state == ACCEPTED
        }
    )
