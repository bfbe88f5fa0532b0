"""People who own licenses, as the features keep them, for whoever plans their mail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.rules import Account, State
from chalicelib.accounts.store import Claim
from chalicelib.catalog.rules import Artifact, Release
from chalicelib.catalog.store import CatalogStore
from chalicelib.core.clock import from_text
from chalicelib.core.ids import derived_id
from chalicelib.payments.periods import Subscription
from chalicelib.payments.subscription_store import SubscriptionStore
from chalicelib.usage.rules import Piece

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Application, Plan
    from tests.conftest import FakeClock, Tables

MONDAY = from_text("2026-11-23T00:00:00Z")


@dataclass
class Town:
    """Everything a planner asks; the clock is the test's."""

    tables: Tables
    clock: FakeClock
    application: Application
    plan: Plan

    def person(self, name: str = "kim", zone: str | None = None, state: str = "active") -> str:
        """A member with an address, and an account id of its own."""
        account, subject, now = f"acc_{name}", f"sub_{name}", self.clock.now
        email = f"{name}@example.com"
        claim = wiring.keyed().of("email", email_identity(email))
        made = Account(
            account, State.ACTIVE, subject, claim, f"login-{name}", "not a verifier", now,
            confirmed_at=now,
        )  # fmt: skip
        fields = {"account_name": name, "login": name, "email": email, "name": name}
        store = wiring.account_store()
        store.transact(
            store.put_account(replace(made, state=State(state))),
            store.put_claim(Claim.EMAIL, claim, account),
            *wiring.vault().collect(subject, fields, now, "test"),
        )
        if zone:
            wiring.notices().choose_zone(account, zone)
        return account

    def license(self, account: str, plan: Plan | None = None, named: str = "", **more: Any) -> str:
        """A license of the plan, from now on."""
        plan = plan or self.plan
        license_id = named or derived_id("lic", account, plan.id)
        writes = wiring.licenses().grant(license_id, account, plan, self.clock.now, "test", **more)
        self.tables.accounts.transact(*writes)
        return license_id

    def add_plan(self, kind: str, name: str, **facts: Any) -> Plan:
        return wiring.catalog().add_plan(
            self.application, kind=kind, name=name, currency="EUR", **facts
        )

    def use(self, license_id: str, day: str, milliseconds: int) -> None:
        """Usage of one day, as the sweep totals it."""
        head = wiring.licenses().head(license_id)
        assert head
        start = from_text(f"{day}T00:00:00Z")
        row = f"{start:013d}#lea_{day}#0"
        pk = f"LICENSE#{license_id}#{day[:7]}"
        piece = Piece(pk, row, day, "computer", milliseconds, start + milliseconds)
        store = wiring.usage().store
        store.add(license_id, head.application, head.vendor, [piece])

    def card(self, account: str, year: int, month: int, method: str = "pm_1") -> None:
        """The card that the account pays by."""
        item = {
            "pk": f"ACCOUNT#{account}", "sk": "CARD", "type": "card", "v": 1, "brand": "visa",
            "last4": "4242", "exp_month": month, "exp_year": year, "customer": "cus_1",
            "method": method, "order_id": "ord_1",
        }  # fmt: skip
        self.tables.accounts.apply(self.tables.accounts.put(item))

    def subscription(self, account: str, license_id: str, until: int, **more: Any) -> Subscription:
        """One that is paid until then."""
        made = Subscription(
            license_id, account, "ord_1", self.application.vendor_id, self.application.id,
            self.application.name, self.application.slug, "pln_1", "Crew", "EUR", 900, 3, 1,
            anchor=self.clock.now, period=0, period_start=self.clock.now, period_end=until,
            due=until, **more,
        )  # fmt: skip
        self.tables.accounts.apply(SubscriptionStore(self.tables.accounts).begin(made))
        return made

    def release(self, version: str, state: str = "published") -> None:
        """A version with one installer."""
        artifact = Artifact(
            f"art_{version}", self.application.id, version, "linux", "x.tar.gz", 1, "0" * 64, "k",
            "s", "c",
        )  # fmt: skip
        made = Release(
            f"rel_{version}", self.application.id, self.application.vendor_id, version, "",
            self.clock.now, state, (artifact,),
        )  # fmt: skip
        assert CatalogStore(self.tables.accounts).publish(made)

    def at(self, text: str) -> None:
        self.clock.now = from_text(text)

    def plan_mail(self) -> dict[str, int]:
        """One run of the planner, as a process of its own."""
        return wiring.mail_planner().run()

    def written(self, template: str | None = None) -> list[Any]:
        """The messages in the outbox, by their due time."""
        found = [item for item in self.tables.items("accounts") if item["type"] == "message"]
        wanted = [item for item in found if template in {None, item["template"]}]
        return sorted(wanted, key=lambda item: (item["due"], item["template"]))

    def said(self) -> list[str]:
        """What is in the outbox, as template and due time."""
        from chalicelib.core.clock import to_text

        return [f"{item['template']} {to_text(item['due'])[:16]}" for item in self.written()]
