"""Everything that we hold of a person, in one answer, with who saw it and what for (PS-70).

What is opened for it is in their ledger like any other look, under the page's own word. What is
sealed for others than these pages, such as an address for offers, is named and not opened.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import to_text
from chalicelib.core.errors import NotFound
from chalicelib.mail.wishes import suppression_of
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, use_under
from chalicelib.privacy.sinks import page
from chalicelib.rights.rules import Beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chalicelib.accounts.labels import Labels
    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.session_store import SessionStore
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.licenses.members import Members
    from chalicelib.licenses.service import Licenses
    from chalicelib.mail.wishes import WishStore
    from chalicelib.payments.rules import Order
    from chalicelib.payments.store import PaymentStore
    from chalicelib.payments.subscription_store import SubscriptionStore
    from chalicelib.payments.taken_store import TakenStore
    from chalicelib.privacy.rules import Row, Shown
    from chalicelib.privacy.service import Vault
    from chalicelib.usage.service import Usage

REASON = "page:/account/privacy/export"
PROFILE: tuple[Shown, ...] = (Purpose.ACCOUNT, Purpose.BILLING)
PEOPLE = 200  # of a license at most
ROWS = 2_000  # of the ledger that each further file holds, in the same blocks for ever
LONGEST = 2_000  # rows of any other section: one answer has to fit
PLAN_FACTS = ("id", "state", "application_name", "license_id", "amount", "seats")
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Export:
    accounts: AccountStore
    sessions: SessionStore
    vault: Vault
    licenses: Licenses
    members: Members
    labels: Labels
    usage: Usage
    payments: PaymentStore
    taken: TakenStore
    subscriptions: SubscriptionStore
    wishes: WishStore
    keyed: KeyedHash
    clock: Clock
    home: str

    def of(self, account_id: str) -> dict[str, Any]:
        """Sections by name: a table each, and every instant as text.

        It fits one answer however much there is: the newest uses, and where the rest is.
        """
        account = self.accounts.account(account_id)
        if account is None:
            raise PurposeDenied
        profile = self._profile(account.subject)
        owned = [each.license for each in self.licenses.of_account(account_id)]
        since = self._since(account.subject)
        history = list(self.vault.ledger.rows(account.subject, since))
        orders = list(self.payments.orders(account_id))
        sections = {
            "made_at": to_text(self.clock()),
            "account": self._account(account),
            "profile": profile,
            "grants": self._grants(account.subject),
            "uses": list(self._uses(account, history, orders)),
            "mails": list(mails(history)),
            "licenses": [self._license(each) for each in owned],
            "members": [row for each in owned for row in self._people(account_id, each)],
            "memberships": [dated(asdict(each)) for each in self.members.of_account(account_id)],
            "orders": list(map(told_order, orders)),
            "payments": [dated(asdict(each)) for each in self.taken.of_account(account_id)],
            "subscriptions": [
                dated(asdict(each)) for each in self.subscriptions.of_account(account_id)
            ],
            "usage": [asdict(row) for row in self.usage.of_account(account_id)],
            "computers": self._computers(account_id, owned),
            "sessions": list(self._sessions(account)),
            "notices": self._notices(account_id),
            "not_wanted": self._not_wanted(profile.get("email", "")),
            "further_files": self._further(since),
        }
        left_out = list(shorten(sections, self.home))
        return {**sections, "left_out": left_out}

    def block(self, account_id: str, last: int) -> dict[str, Any]:
        """A further file: uses and mails of the block of the ledger that ends with this row.

        NotFound where no file of theirs says that there is one.
        """
        account = self.accounts.account(account_id)
        if account is None or last < ROWS or last % ROWS or last >= self._since(account.subject):
            raise NotFound
        rows = islice(self.vault.ledger.rows(account.subject, last - ROWS + 1), ROWS)
        history, orders = list(rows), self.payments.orders(account_id)
        return {
            "made_at": to_text(self.clock()),
            "uses": list(self._uses(account, history, orders)),
            "mails": list(mails(history)),
        }

    def beside(self, account_id: str) -> Beside:
        """What whoever reads it is told beside: their zone, and the version in force."""
        return Beside(self.wishes.choices(account_id).zone or "", self.vault.in_force())

    def _since(self, subject: str) -> int:
        """The row that the first file begins with: one block, and what came since."""
        head = self.vault.ledger.head(subject)
        return max(0, (head.number if head else 0) // ROWS - 1) * ROWS + 1

    def _further(self, since: int) -> Rows:
        """Where the older uses are, the newest first."""
        at = f"{self.home}/account/privacy/export"
        return [
            {"rows": f"{last - ROWS + 1} to {last}", "json": f"{at}.json?rows={last}",
             "html": f"{at}.html?rows={last}"}
            for last in range(since - 1, 0, -ROWS)
        ]  # fmt: skip

    def _profile(self, subject: str) -> dict[str, str]:
        fields: dict[str, str] = {}
        for purpose in PROFILE:
            fields.update(page(self.vault.open(subject, purpose, REASON), subject))
        return fields

    def _account(self, account: Account) -> dict[str, Any]:
        return {
            "id": account.id, "state": str(account.state), "pseudonym": account.subject,
            "created_at": to_text(account.created_at),
            "confirmed_at": to_text(account.confirmed_at) if account.confirmed_at else "",
        }  # fmt: skip

    def _grants(self, subject: str) -> Rows:
        """What may be done with which fields, under which version of the policy."""
        rows = []
        for purpose, policy in self.vault.granted(subject).items():
            use = use_under(policy, purpose)
            sealed = sorted({name.partition(":")[0] for name in self.vault.noted(subject, purpose)})
            rows.append(
                {
                    "purpose": str(purpose), "policy": policy, "says": use.says,
                    "fields": sealed, "recipients": sorted(use.recipients), "kept": use.kept,
                }
            )  # fmt: skip
        return rows

    def _uses(
        self, account: Account, history: list[Row], orders: Iterable[Order]
    ) -> Iterator[dict[str, Any]]:
        """Rows of the ledger, this look among them, and the order that one was about."""
        known = self.vault.referred(account.subject, (order.id for order in orders))
        for row in history:
            yield {
                "number": row.number, "at": to_text(row.at), "event": str(row.entry.event),
                "purpose": str(row.entry.purpose or ""), "policy": row.entry.policy or "",
                "reason": row.entry.reason or "",
                "about": known.get((row.entry.reason or "").rpartition(":")[2], ""),
            }  # fmt: skip

    def _license(self, license_id: str) -> dict[str, Any]:
        head = self.licenses.head(license_id)
        if head is None:
            return {"license": license_id}
        return {
            "license": license_id, "application": head.application_name, "plan": head.plan_name,
            "standing": str(head.standing), "granted_at": to_text(head.granted_at),
            "ends_at": to_text(head.ends_at) if head.ends_at else "",
        }  # fmt: skip

    def _people(self, account_id: str, license_id: str) -> Rows:
        listed, _ = self.members.listed(account_id, license_id, 1, PEOPLE)
        return [
            {
                "license": license_id, "address": each.address, "role": each.role,
                "accepted": each.accepted, "since": to_text(each.since),
            }
            for each in listed
        ]  # fmt: skip

    def _computers(self, account_id: str, owned: list[str]) -> Rows:
        names = self.labels.of(account_id, REASON)
        return [
            {
                "license": license_id, "computer": each.id, "name": names.get(each.id, ""),
                "blocked": each.blocked,
            }
            for license_id in owned
            for each in self.licenses.store.view(license_id).computers.values()
        ]  # fmt: skip

    def _sessions(self, account: Account) -> Iterator[dict[str, Any]]:
        for _, hashed in self.sessions.sessions_of(account.id, None):
            found = self.sessions.session(hashed)
            if found:
                yield {
                    "started_at": to_text(found.created_at), "used_on": found.used_on,
                    "ends_at": to_text(found.ends_at),
                }  # fmt: skip

    def _notices(self, account_id: str) -> dict[str, Any]:
        chosen = self.wishes.choices(account_id)
        return {"time_zone": chosen.zone or "", "not_wanted": sorted(chosen.topics_off)}

    def _not_wanted(self, address: str) -> Rows:
        """What the address itself wants no more of, which we know by its keyed hash alone."""
        if not address:
            return []
        held = self.wishes.in_force(suppression_of(self.keyed, address))
        return [{"what": item["sk"], "since": to_text(item["at"])} for item in held]


def told_order(order: Order) -> dict[str, Any]:
    row = {name: getattr(order, name) for name in PLAN_FACTS}
    card, plan = order.card.text if order.card else "", order.plan
    more = {"plan": plan.name, "currency": plan.currency, "card": card}
    return {**row, **more, "at": to_text(order.created_at)}


def mails(history: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Each mail that was made ready for sending: its kind and its date."""
    for row in history:
        kind, _, rest = (row.entry.reason or "").partition(":")
        if row.entry.event is Event.OPENED and kind == "mail":
            yield {"at": to_text(row.at), "template": rest.partition(":")[0]}


def shorten(sections: dict[str, Any], home: str) -> Iterator[dict[str, Any]]:
    """Cut what is too long, usage to its newest days; how much is left out, and where it is."""
    for name, rows in list(sections.items()):
        if name in {"uses", "mails"} or not isinstance(rows, list) or len(rows) <= LONGEST:
            continue
        sections[name] = rows[-LONGEST:] if name == "usage" else rows[:LONGEST]
        where = "/account/usage" if name == "usage" else "/account"
        yield {"section": name, "rows": len(rows) - LONGEST, "where": f"{home}{where}"}


def dated(facts: dict[str, Any]) -> dict[str, Any]:
    """Instants as text, and nothing of how the row is kept."""
    return {
        name: to_text(value) if name.endswith("_at") and isinstance(value, int) else value
        for name, value in facts.items()
        if name != "version"
    }
