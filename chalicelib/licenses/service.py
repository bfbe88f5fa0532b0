"""Licenses: granting them, and who has which. What runs on them is in launching and renewing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chalicelib.catalog.rules import TRIAL
from chalicelib.core.errors import NotFound
from chalicelib.licenses import license_keys, rules
from chalicelib.licenses.computers import Computers
from chalicelib.licenses.denials import Denials
from chalicelib.licenses.launching import Launching
from chalicelib.licenses.renewing import Renewing
from chalicelib.licenses.screens import Texts, no_texts
from chalicelib.licenses.standing import Standing
from chalicelib.licenses.values import Head
from chalicelib.storage.dynamo import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.catalog.rules import Plan
    from chalicelib.catalog.service import Catalog
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.licenses.rules import Ask
    from chalicelib.licenses.screens import ReadTexts
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Computer, Interval, Lease
    from chalicelib.licenses.verdicts import Verdict
    from chalicelib.storage.dynamo import Item, Table, Write


@dataclass(frozen=True, slots=True)
class Ownership:
    """What account and vendor know of a license: facts that never change."""

    license: str
    account: str
    vendor: str
    application: str
    application_name: str
    plan: str
    plan_name: str
    terms: int
    ground: str
    granted_at: int


class Licenses:
    """`keyed` is asked for only where it is needed: launches by token never read a secret.

    `read_texts` answers the approved texts that launches of an application show.
    """

    def __init__(
        self,
        store: LicenseStore,
        accounts: Table,
        catalog: Catalog,
        keyed: Callable[[], KeyedHash],
        clock: Clock,
        read_texts: ReadTexts = no_texts,
    ) -> None:
        self.store, self.accounts, self.catalog = store, accounts, catalog
        self.keyed, self.clock = keyed, clock
        self.renewing = Renewing(store, clock)
        self.launching = Launching(
            store, clock, catalog.release_fact, self.renewing.settle_expired,
            Texts(read_texts, clock),
        )  # fmt: skip
        self.computers = Computers(store, self.renewing)
        self.standing = Standing(store)
        self.denials = Denials(store.usage, clock)

    def person(self, account_id: str, application_id: str) -> str:
        """The account's pseudonym toward one application; two applications cannot compare them."""
        return f"per_{self.keyed().of('person', f'{application_id}|{account_id}')[:40]}"

    # granting

    def grant(
        self, license_id: str, account_id: str, plan: Plan, now: int, ground: str,
        *, cap: int | None = None, seats: int | None = None, grace: int = 0,
    ) -> list[Write]:  # fmt: skip
        """Writes for the transaction that records the ground; each refuses a second license.

        The plan says when it ends and what a pass holds; `cap`, in 10⁻⁶ minor units, limits what a
        metered one may spend. `seats` are those of a subscription, and `grace` the milliseconds
        that it lasts beyond what is paid, while its renewal is tried. A second trial of the same
        application is refused too: ask `had_trial` first.
        """
        application = self.catalog.application(plan.application_id)
        if application is None:
            raise NotFound
        count = rules.seats_of(plan, seats)
        room = cap if plan.wallet is None else plan.wallet
        head = Head(
            license=license_id, application=plan.application_id,
            application_name=application.name, slug=application.slug,
            vendor=plan.vendor_id, plan=plan.id, plan_name=plan.name, currency=plan.currency,
            account=account_id,
            people=frozenset({self.person(account_id, plan.application_id)}),
            standing=rules.ACTIVE, epoch=1, terms=plan.terms, granted_at=now,
            capped=room is not None, slots=frozenset(range(1, count + 1)) if count else None,
            ends_at=rules.end_of(plan, now, grace),
        )  # fmt: skip
        owned = Ownership(
            license_id, account_id, plan.vendor_id, plan.application_id, application.name, plan.id,
            plan.name, plan.terms.version, ground, now,
        )  # fmt: skip
        writes = [*self.store.new_license(head, room), *self._owned(owned)]
        return [*writes, self._trial(owned)] if plan.kind == TRIAL else writes

    def _trial(self, owned: Ownership) -> Write:
        """The mark of the one trial that an account has of an application."""
        item = {
            "pk": f"ACCOUNT#{owned.account}", "sk": f"TRIAL#{owned.application}", "type": "trial",
            "v": 1, "license": owned.license, "granted_at": owned.granted_at,
        }  # fmt: skip
        return self.accounts.put(item, ABSENT)

    def had_trial(self, account_id: str, application_id: str) -> bool:
        """One trial an account and application, whether it has ended or not."""
        found = self.accounts.get(f"ACCOUNT#{account_id}", f"TRIAL#{application_id}")
        return found is not None

    def extend(self, license_id: str, *, ends_from: int, ends_to: int) -> list[Write]:
        """Writes for the transaction of a renewal; refused unless it ends at `ends_from` now.

        What runs learns of it by itself: a lease that reaches its license's end looks again.
        """
        return [self.store.move_end(license_id, ends_from, ends_to)]

    def end_at(self, license_id: str, ends_at: int | None) -> Head:
        """Sets when the license ends, or None for never; an earlier end reaches what runs."""
        return self.standing.end_at(license_id, ends_at)

    def usable(self, license_id: str) -> bool:
        """May a launch still come to be, or is it ended, revoked or used up for good?

        A suspended license is usable: that may be lifted.
        """
        return rules.usable(self.store.view(license_id), self.clock())

    def _owned(self, owned: Ownership) -> Iterator[Write]:
        sk = f"LICENSE#{owned.license}"
        for pk, kind in (
            (f"ACCOUNT#{owned.account}", "ownership"),
            (f"VENDOR#{owned.vendor}", "vendor_license"),
        ):
            item = {"pk": pk, "sk": sk, "type": kind, "v": 1, **asdict(owned)}
            yield self.accounts.put(item, ABSENT)

    # who has which

    def of_account(self, account_id: str) -> list[Ownership]:
        found = self.accounts.query(f"ACCOUNT#{account_id}", prefix="LICENSE#")
        return sorted((ownership(item) for item in found), key=lambda owned: owned.granted_at)

    def runnable_by(self, account_id: str) -> list[Ownership]:
        """Those that the account may launch: its own, and those that it is a user of; one Query."""
        found = self.accounts.query(f"ACCOUNT#{account_id}", between=("LICENSE#", "MEMBER#~"))
        return sorted(filter(None, map(runnable, found)), key=lambda each: each.granted_at)

    def in_launch_order(self, account_id: str, application_id: str, limit: int) -> list[str]:
        """Up to `limit`, the newest, that the account may launch; what costs nothing more first.

        A launch takes the first that permits it: a subscription, a trial, a pass, and only then
        what is billed by its time; of the same kind the oldest.
        """
        owned = [o for o in self.runnable_by(account_id) if o.application == application_id]
        plans = self.catalog.plans(application_id) if len(owned) > 1 else []
        kinds = {plan.id: plan.kind for plan in plans}
        latest = owned[-limit:]
        return [o.license for o in sorted(latest, key=lambda o: rules.turn(kinds.get(o.plan)))]

    def owned(self, account_id: str, license_id: str) -> Ownership:
        """NotFound where the account has no such license, whether or not there is one."""
        return self._listed(f"ACCOUNT#{account_id}", license_id)

    def of_vendor(self, vendor_id: str, after: str | None, limit: int) -> list[Ownership]:
        """Up to `limit` licenses by id, from behind `after`."""
        low = f"LICENSE#{after}\0" if after else "LICENSE#"
        found = self.accounts.query(f"VENDOR#{vendor_id}", between=(low, "LICENSE#~"), limit=limit)
        return [ownership(item) for item, _ in zip(found, range(limit), strict=False)]

    def sold(self, vendor_id: str, license_id: str) -> Ownership:
        """NotFound where the vendor has no such license, whether or not there is one."""
        return self._listed(f"VENDOR#{vendor_id}", license_id)

    def _listed(self, pk: str, license_id: str) -> Ownership:
        item = self.accounts.get(pk, f"LICENSE#{license_id}")
        if item is None:
            raise NotFound
        return ownership(item)

    def head(self, license_id: str) -> Head | None:
        return self.store.head(license_id)

    # license keys

    def new_key(self, account_id: str, license_id: str) -> str:
        """A new key, told this once; the one before it stops working, and so does what it runs."""
        self.owned(account_id, license_id)
        key = license_keys.new_key(license_id)
        self.standing.set_key_hash(license_id, self.key_hash(key))
        return key

    def key_hash(self, key: str) -> str:
        return self.keyed().of("license-key", key)

    # what runs

    def check(self, ask: Ask) -> Verdict:
        return self.launching.check(ask)

    def launch(self, ask: Ask) -> Verdict:
        verdict = self.launching.launch(ask)
        self.denials.record(ask, verdict)
        return verdict

    def heartbeat(self, signed: Lease, seq: int, *, shown: bool) -> Verdict:
        return self.renewing.heartbeat(signed, seq, shown=shown)

    def end(self, signed: Lease) -> Verdict:
        return self.renewing.end(signed)

    # what the customer does to what runs

    def end_lease(self, account_id: str, license_id: str, lease_id: str) -> Interval | None:
        """Ends it now; None where no such lease is open under this license of the account's."""
        self.owned(account_id, license_id)
        return self.computers.end_lease(license_id, lease_id)

    def computer(self, account_id: str, license_id: str, computer: str) -> Computer:
        """NotFound where the account has no such license, or the license no such computer."""
        self.owned(account_id, license_id)
        return self.computers.known(license_id, computer)

    def block(self, account_id: str, license_id: str, computer: str) -> None:
        """Launches there are refused from now on, and what runs there ends now."""
        self.owned(account_id, license_id)
        self.computers.block(license_id, computer)

    def unblock(self, account_id: str, license_id: str, computer: str) -> None:
        self.owned(account_id, license_id)
        self.computers.unblock(license_id, computer)

    # what ran

    def intervals(self, license_id: str, month: str, since: int = 0) -> list[Item]:
        """The interval rows that started in a month, from `since` on."""
        return self.store.intervals(f"LICENSE#{license_id}#{month}", since)

    def launched_on(self, license_id: str, launch_id: str) -> str | None:
        """The computer of a launch."""
        found = self.store.launch(license_id, launch_id)
        return found.computer if found else None

    # what vendors and staff do

    def suspend(self, license_id: str) -> Head:
        return self.standing.suspend(license_id)

    def reinstate(self, license_id: str) -> Head:
        return self.standing.reinstate(license_id)

    def revoke(self, license_id: str) -> Head:
        return self.standing.revoke(license_id)

    def set_seats(self, license_id: str, seats: int) -> Head:
        return self.standing.set_seats(license_id, seats)


def ownership(item: Item) -> Ownership:
    return Ownership(**{name: item[name] for name in Ownership.__slots__})


def runnable(item: Item) -> Ownership | None:
    """The license that the row lets its account launch, or None for any other row.

    To a member its owner's account and the ground stay unknown, and it was granted on joining.
    """
    if item["type"] == "ownership":
        return ownership(item)
    if item["type"] != "membership" or item["member_state"] != "live" or item["role"] == "billing":
        return None
    facts = {name: item[name] for name in Ownership.__slots__ if name in item}
    return Ownership(
        **facts, account="", terms=0, ground="membership", granted_at=item["joined_at"]
    )
