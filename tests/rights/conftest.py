"""A person with everything that an account can have: sealed fields, licenses, payments, a key."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.fields import email_identity, login_identity
from chalicelib.accounts.passwords import Passwords
from chalicelib.accounts.rules import Account, State
from chalicelib.accounts.store import Claim
from chalicelib.payments.taken import Payment
from chalicelib.privacy.rules import Purpose
from chalicelib.rights import wiring as rights
from tests.payments.conftest import CENTURY, FakeProcessor, crew, day_pass, plan, processor, trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.catalog.rules import Plan
    from chalicelib.payments.rules import Order
    from tests.conftest import Tables

PASSWORD = "lemon wheel under rain"
PROFILE = {
    "account_name": "Canary Drawings",
    "login": "canary.mora",
    "email": "mora@canary.example",
    "name": "Mora Canary",
    "company": "Canary Drawings Ltd",
    "street": "4 Canary Lane",
    "city": "Canarymote",
    "postal_code": "CANARY7",
    "country": "IE",
    "phone": "+353 71 555 0177",
    "tax_id": "IE 7777777CA",
}
FISCAL = ("name", "company", "street", "city", "postal_code", "country", "tax_id")
MORA = "acc_mora"


def register(
    account_id: str = MORA, profile: Mapping[str, str] = PROFILE, verifier: str = ""
) -> Account:
    """A confirmed account as registration and its link make it, with a yes to offers."""
    keyed, now = wiring.keyed(), wiring.now()
    account = Account(
        id=account_id, state=State.ACTIVE, subject=f"sub_{account_id}",
        email_claim=keyed.of("email", email_identity(profile["email"])),
        login_claim=keyed.of("login", login_identity(profile["login"])),
        password=verifier or Passwords().hash(PASSWORD), created_at=now, confirmed_at=now,
    )  # fmt: skip
    store = wiring.account_store()
    store.transact(
        store.put_account(account),
        store.put_claim(Claim.EMAIL, account.email_claim, account_id),
        store.put_claim(Claim.LOGIN, account.login_claim, account_id),
        *wiring.vault().collect(
            account.subject, profile, now, "register",
            {Purpose.MARKETING: True, Purpose.PARTNER_MAIL: False},
        ),
    )  # fmt: skip
    return account


def buy(processor: FakeProcessor, plan: Plan, attempt: str = "a", who: str = MORA) -> Order:
    """Ordered, paid on the processor's page, and settled by the return."""
    seats = {"seats": 2} if plan.kind == "subscription" else {}
    order = wiring.orders().place(who, "halyard", plan.id, attempt, **seats)
    wiring.orders().card_page(order, "https://cetrus.test/orders/x")
    processor.complete(f"cs_{order.id}")
    return wiring.orders().settle(who, order.id)


def cheap_payer(name: str, plan: Plan) -> str:
    """A payer with a license, by few calls: for tests that make many."""
    profile = {**PROFILE, "login": name.replace("_", "."), "email": f"{name}@canary.example"}
    register(name, profile, verifier="none")
    now, license_id = wiring.now(), f"lic_{name}"
    payment = Payment(
        id=f"pi_{name}", account_id=name, order_id=f"ord_{name}", license_id=license_id,
        application_id=plan.application_id, application_name="Halyard", vendor_id=plan.vendor_id,
        amount=900, currency="USD", taken_at=now, period=0,
    )  # fmt: skip
    wiring.database().transact(
        *wiring.taken().take(payment),
        *wiring.licenses().grant(license_id, name, plan, now, "test"),
    )
    wiring.payment_store().keep_customer(name, f"cus_{name}")
    return name


def forget_all_but(tables: Tables, kept: set[tuple[str, str, str]]) -> None:
    """So that the engine of the tests does not slow down by what earlier tries left."""
    for name in ("accounts", "usage", "keys"):
        table = getattr(tables, name)
        for item in tables.items(name):
            if (name, item["pk"], item["sk"]) not in kept:
                table.apply(table.delete(item["pk"], item["sk"]))


def places(tables: Tables) -> set[tuple[str, str, str]]:
    names = ("accounts", "usage", "keys")
    return {(name, i["pk"], i["sk"]) for name in names for i in tables.items(name)}


def opens(subject: str) -> list[Purpose]:
    """The purposes for which anything of the subject can be opened."""
    from chalicelib.privacy.rules import PurposeDenied

    found = []
    for purpose in Purpose:
        try:
            wiring.vault().open(subject, purpose, "test")
        except PurposeDenied:
            continue
        found.append(purpose)
    return found


def tombstone(account: str) -> str | None:
    """The day on which it was erased, None where it was not."""
    item = wiring.accounts_table().get(f"ACCOUNT#{account}", "ERASED")
    return str(item["erased_on"]) if item else None


def sweep() -> dict[str, int]:
    return rights.rights_sweep().run(lambda: 60_000)


@pytest.fixture
def mora(plan: Plan) -> Account:
    return register()


__all__ = ["CENTURY", "crew", "day_pass", "mora", "plan", "processor", "trial"]


def payers(plan: Plan, tables: Tables) -> Callable[[], str]:
    """Makes another payer at each call, among nothing but what there is now."""
    numbers, kept = count(), places(tables)

    def another() -> str:
        forget_all_but(tables, kept)
        return cheap_payer(f"acc_{next(numbers)}", plan)

    return another
