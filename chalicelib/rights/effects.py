"""What leaving would end, counted for the page that asks before it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.licenses.member_store import ACCEPTED
from chalicelib.payments import periods
from chalicelib.rights.rules import fiscal_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.licenses.member_store import MemberStore
    from chalicelib.licenses.service import Licenses
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.payments.taken_store import TakenStore


@dataclass(frozen=True, slots=True)
class Effects:
    """`kept_until` is until when the fiscal minimum stays, for whoever paid."""

    licenses: int
    subscriptions: int
    colleagues: int
    shared: int
    kept_until: int | None


@dataclass(frozen=True, slots=True)
class Counting:
    """Counts and changes nothing."""

    licenses: Licenses
    subscriptions: SubscriptionStore
    taken: TakenStore
    members: MemberStore

    def effects(self, account_id: str) -> Effects:
        owned = self.licenses.of_account(account_id)
        running = [
            each for each in self.subscriptions.of_account(account_id)
            if each.state != periods.ENDED
        ]  # fmt: skip
        paid = [each.taken_at for each in self.taken.of_account(account_id)]
        return Effects(
            licenses=len(owned),
            subscriptions=len(running),
            colleagues=self.colleagues(each.license for each in owned),
            shared=len(self.members.memberships(account_id)),
            kept_until=fiscal_end(max(paid)) if paid else None,
        )

    def colleagues(self, licenses: Iterable[str]) -> int:
        """How many different accounts are members of these."""
        return len(
            {
                each.member
                for license_id in licenses
                for each in self.members.invitations(license_id)
                if each.state == ACCEPTED
            }
        )
