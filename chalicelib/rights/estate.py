"""What an account leaves behind its keys: licenses, people, mail, sessions and rows.

Each call deletes what it finds and finds the rest again: running it twice, or halfway and then
again, comes to the same. Rows of the books stay and name nobody: payments, orders without their
card, subscriptions that ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.errors import Unavailable
from chalicelib.payments import periods
from chalicelib.privacy.rules import PLAIN
from chalicelib.storage.dynamo import PRESENT, ConditionFailed

if TYPE_CHECKING:
    from chalicelib.accounts.guests import Guests
    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.session_store import SessionStore
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.members import Members
    from chalicelib.licenses.service import Licenses
    from chalicelib.mail.store import MailStore
    from chalicelib.mail.wishes import WishStore
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.storage.dynamo import Item

TRIES = 8
STAYS = ("ACCOUNT", "LEAVING", "ERASED", "CUSTOMER", "PAYMENT#", "SUBSCRIPTION#")
ABOUT = ("NOTICES", "AGENDA", "OPTIN", "CAP")  # partitions of their own, one an account
ORDER = "ORDER#"
CHARGED_WITH = ("ATTEMPT#", "CARD")  # what a charge that is on its way still needs
MAILED = "mail:"


@dataclass(frozen=True, slots=True)
class Estate:
    accounts: AccountStore
    sessions: SessionStore
    licenses: Licenses
    members: Members
    guests: Guests
    subscriptions: SubscriptionStore
    outbox: MailStore
    wishes: WishStore
    ledger: Ledger
    clock: Clock

    def clear(self, account: Account) -> None:
        """All that a request may delete; what waits for somebody outside is the sweep's."""
        for owned in self.licenses.of_account(account.id):
            self._end_license(account.id, owned.license)
        for joined in self.members.of_account(account.id):
            self.members.leave(account.id, joined.license)
        if change := self.guests.store.change(account.id):
            self.guests.end(change.subject)
        self._sent(account)
        self.wishes.part(account.id, self.clock())
        self._sessions(account.id)
        table = self.accounts.accounts
        for partition in ABOUT:
            for item in list(table.query(f"{partition}#{account.id}")):
                table.apply(table.delete(item["pk"], item["sk"]))
        self._rows(account.id)

    def charging(self, account_id: str) -> bool:
        """Whether a charge is on its way, which the renewals find out about."""
        return any(each.charging is not None for each in self.subscriptions.of_account(account_id))

    def end_subscriptions(self, account_id: str) -> bool:
        """False while a charge is on its way; one that failed meanwhile is not tried again."""
        for each in self.subscriptions.of_account(account_id):
            self._end_subscription(account_id, each.license_id)
        left = self.subscriptions.of_account(account_id)
        return all(each.state == periods.ENDED for each in left)

    def _end_license(self, account_id: str, license_id: str) -> None:
        """Revoked at once and for good, its people gone, and nothing is charged for it any more."""
        self._end_subscription(account_id, license_id)
        self.licenses.revoke(license_id)
        for each in self.members.store.invitations(license_id):
            self.members.end(account_id, license_id, each.id)

    def _end_subscription(self, account_id: str, license_id: str) -> None:
        for _ in range(TRIES):
            of = self.subscriptions.subscription(account_id, license_id)
            if of is None or of.state == periods.ENDED or of.charging is not None:
                return
            try:
                table = self.subscriptions.table
                table.apply(self.subscriptions.change(periods.ended(of)))
            except ConditionFailed:
                continue  # a renewal took it further
            return
        raise Unavailable

    def _sent(self, account: Account) -> None:
        """The outbox's rows of mail that was opened, as they are listed for the account.

        What still waits to be sent is not, and there may be as much of it as there are people: it
        ends with the mailer, who finds nobody when it is due, and the broom takes it then. Nor is
        mail of earlier releases: rows of the ledger from then name it as it is.
        """
        for message_id in list(self.outbox.of_account(account.id)):
            self.outbox.forget(account.id, message_id)
        for row in self.ledger.rows(account.subject):
            kind, _, message_id = (row.entry.reason or "").rpartition(":")
            if kind.startswith(MAILED) and PLAIN.fullmatch(message_id):
                self.outbox.forget(account.id, message_id)

    def _sessions(self, account_id: str) -> None:
        for name, hashed in list(self.sessions.sessions_of(account_id, None)):
            self.sessions.end_session(account_id, name, hashed)

    def _rows(self, account_id: str) -> None:
        """Every row of the account's partition goes, unless it is named here."""
        table, charging = self.accounts.accounts, self.charging(account_id)
        stays = (*STAYS, *CHARGED_WITH) if charging else STAYS
        for item in list(table.query(f"ACCOUNT#{account_id}")):
            if item["sk"].startswith(ORDER):
                self._without_card(item)
            elif not item["sk"].startswith(stays):
                table.apply(table.delete(item["pk"], item["sk"]))

    def _without_card(self, item: Item) -> None:
        if "card" in item:
            table = self.accounts.accounts
            table.apply(
                table.update(item["pk"], item["sk"], "REMOVE card", condition=PRESENT)
            )  # fmt: skip
