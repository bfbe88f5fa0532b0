"""A confirmed customer, an application with a plan, and a processor whose answers are set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import Account, State
from chalicelib.billing.rules import balances
from chalicelib.billing.store import to_entry
from chalicelib.core.clock import DAY, HOUR
from chalicelib.payments.processor import (
    Charge,
    Checkout,
    CheckoutState,
    DisputeState,
    PaymentState,
    ProcessorUnavailable,
    Purchase,
)
from chalicelib.payments.rules import Card, Event
from chalicelib.privacy.disclosures import Contract
from chalicelib.privacy.rules import Purpose, policy_for
from chalicelib.privacy.store import Grant
from tests.interleaving import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from chalicelib.catalog.rules import Application, Plan
    from chalicelib.payments.periods import Subscription
    from chalicelib.payments.rules import Order
    from tests.conftest import FakeClock, Tables

CARD = Card("visa", "4242", 12, 2030)
OWNER, STRANGER = "acc_owner", "acc_stranger"
CENTURY = 4_102_444_800_000  # 2100-01-01


@dataclass
class FakeProcessor:
    """Keeps checkouts and payments; each answers as it stands when it is read.

    `cards` says what charging a saved card leads to: a code, or nothing. `asked` counts the calls
    that could charge somebody.
    """

    checkouts: dict[str, CheckoutState] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    payments: dict[str, PaymentState] = field(default_factory=dict)
    disputes: dict[str, list[DisputeState]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    asked: list[Charge] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    decline: str = ""
    silent: bool = False
    lose_answers: bool = False

    def create_customer(self, account_ref: str, idempotency_key: str) -> str:
        return self.customers.setdefault(idempotency_key, f"cus_{len(self.customers)}")

    def forget_customer(self, customer: str) -> None:
        if self.silent:
            raise ProcessorUnavailable
        self.forgotten.append(customer)

    def open_card_setup(
        self,
        *,
        order_id: str,
        customer: str,
        currency: str,
        success_url: str,
        cancel_url: str,
    ) -> Checkout:
        return self._open(order_id, customer, "no_payment_required", None)

    def open_payment(
        self,
        *,
        order_id: str,
        customer: str,
        purchase: Purchase,
        success_url: str,
        cancel_url: str,
    ) -> Checkout:
        amount = purchase.each * purchase.quantity
        waiting = PaymentState(
            f"pi_{order_id}", "requires_payment_method", amount, 0, purchase.currency
        )
        return self._open(order_id, customer, "unpaid", waiting)

    def _open(
        self, order_id: str, customer: str, status: str, payment: PaymentState | None
    ) -> Checkout:
        session = f"cs_{order_id}"
        url = f"https://checkout.processor.test/{session}"
        made = CheckoutState(
            session, "open", order_id, customer, None, None, status, None, url, payment
        )
        self.checkouts.setdefault(session, made)
        return Checkout(session, url)

    def read_checkout(self, session_id: str) -> CheckoutState:
        return self.checkouts[session_id]

    def close_checkout(self, session_id: str) -> CheckoutState:
        if self.checkouts[session_id].status == "open":
            self.expire(session_id)
        return self.checkouts[session_id]

    def charge(self, charge: Charge) -> PaymentState:
        if self.silent:
            raise ProcessorUnavailable
        self.asked.append(charge)
        if charge.key not in self.keys:
            self.keys[charge.key] = f"pi_{charge.key}"
            status = "requires_payment_method" if self.decline else "succeeded"
            received = 0 if self.decline else charge.amount
            self.payments[f"pi_{charge.key}"] = PaymentState(
                f"pi_{charge.key}", status, charge.amount, received, charge.currency,
                code=self.decline, metadata={**charge.metadata, "customer": charge.customer},
            )  # fmt: skip
        if self.lose_answers:
            raise ProcessorUnavailable
        return self.payments[self.keys[charge.key]]

    def find_payments(
        self, customer: str, since: int, metadata: Mapping[str, str]
    ) -> list[PaymentState]:
        if self.silent:
            raise ProcessorUnavailable
        wanted = {**metadata, "customer": customer}.items()
        return [one for one in self.payments.values() if wanted <= one.metadata.items()]

    def read_payment(self, payment_id: str) -> PaymentState:
        return self.payments[payment_id]

    def list_disputes(self, payment_id: str) -> list[DisputeState]:
        return self.disputes.get(payment_id, [])

    def refund(self, payment_id: str, amount: int, idempotency_key: str) -> None:
        if idempotency_key not in self.keys:
            self.keys[idempotency_key] = payment_id
            found = self.payments[payment_id]
            self.payments[payment_id] = replace(found, refunded=found.refunded + amount)

    def list_events(self, since: int, until: int | None = None) -> Iterator[Event]:
        return iter(self.events)

    # what people and banks do

    def complete(self, session_id: str, **differently: Any) -> None:
        """Somebody uses a good card; `differently` changes what was paid."""
        session = self.checkouts[session_id]
        done = replace(session, status="complete", card=CARD, url=None)
        done = replace(done, payment_method=f"pm_{session_id}")
        if session.payment is None:
            self.checkouts[session_id] = replace(done, setup_intent=f"seti_{session_id}")
            return
        paid = replace(session.payment, status="succeeded", received=session.payment.amount)
        paid = replace(paid, **differently)
        self.payments[paid.id] = paid
        self.checkouts[session_id] = replace(done, payment_status="paid", payment=paid)

    def expire(self, session_id: str) -> None:
        self.checkouts[session_id] = replace(self.checkouts[session_id], status="expired", url=None)

    def dispute(self, payment_id: str, status: str) -> None:
        amount = self.payments[payment_id].received
        self.disputes[payment_id] = [DisputeState(f"dp_{payment_id}", status, amount)]

    @property
    def charged(self) -> list[str]:
        """The payments without the person that went through."""
        found = (one for one in self.payments.values() if "subscription" in one.metadata)
        return [one.id for one in found if one.status == "succeeded"]


@pytest.fixture
def processor(tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeProcessor:
    made = FakeProcessor()
    monkeypatch.setattr(wiring, "processor", lambda key: made)
    return made


def add_account(account_id: str, state: State = State.ACTIVE) -> None:
    account = Account(
        id=account_id,
        state=state,
        subject=f"sub_{account_id}",
        email_claim=f"e-{account_id}",
        login_claim=f"l-{account_id}",
        password="none",
        created_at=wiring.now(),
    )
    store, grants = wiring.account_store(), wiring.disclosures().grants
    billing = Grant(account.subject, Purpose.BILLING, policy_for(Purpose.BILLING, 3).id, b"a key")
    store.transact(store.put_account(account), grants.put_grant(billing, wiring.now()))


def sign_contract(until: int) -> None:
    """What binds the processor, until then."""
    wiring.disclosures().sign(Contract("processor", "DPA-1", until))


@pytest.fixture
def plan(processor: FakeProcessor) -> Plan:
    add_account(OWNER)
    add_account(STRANGER)
    sign_contract(CENTURY)
    application = wiring.catalog().add_application(
        vendor_id="vnd_1",
        vendor_name="Harbor",
        slug="halyard",
        name="Halyard",
        summary="Tides",
        description="",
    )
    return wiring.catalog().add_plan(
        application, kind="metered", name="Metered", price="0.90", currency="USD"
    )


@pytest.fixture
def crew(plan: Plan) -> Plan:
    """A subscription: 9.00 USD a seat and month."""
    return wiring.catalog().add_plan(
        halyard(), kind="subscription", name="Crew", price="9.00", currency="USD", period_months=1
    )


@pytest.fixture
def day_pass(plan: Plan) -> Plan:
    """Ten hours for 5.00 USD."""
    return wiring.catalog().add_plan(
        halyard(), kind="pass", name="Ten hours", price="5.00", currency="USD",
        prepaid_ms=10 * HOUR,
    )  # fmt: skip


@pytest.fixture
def trial(plan: Plan) -> Plan:
    return wiring.catalog().add_plan(
        halyard(), kind="trial", name="Trial", currency="USD", valid_ms=14 * DAY
    )


def halyard() -> Application:
    return wiring.catalog().by_slug("halyard")


def buy(processor: FakeProcessor, plan: Plan, attempt: str = "a", **of: Any) -> Order:
    """Ordered, paid on the processor's page, and settled by the return."""
    order = wiring.orders().place(OWNER, "halyard", plan.id, attempt, **of)
    wiring.orders().card_page(order, "https://cetrus.test/orders/x")
    processor.complete(f"cs_{order.id}")
    return wiring.orders().settle(OWNER, order.id)


def subscribed(processor: FakeProcessor, crew: Plan, seats: int = 3) -> Subscription:
    order = buy(processor, crew, seats=seats)
    return wiring.subscriptions().of(OWNER, order.license_id or "")


def books(tables: Tables) -> dict[str, int]:
    """What the accounts of the books hold in USD; nothing is held in another currency."""
    entries = [to_entry(i) for i in tables.items("accounts") if i["type"] == "entry"]
    for one in entries:
        assert sum(one.postings.values()) == 0
    found = balances(entries)
    assert found.keys() <= {"USD"}
    return {name: amount for name, amount in found.get("USD", {}).items() if amount}


def mails(tables: Tables) -> list[str]:
    found = (item for item in tables.items("accounts") if item.get("type") == "message")
    return sorted(item["template"] for item in found)


def interleaved(seed: int, *tasks: Callable[[], object]) -> list[object]:
    """Run the tasks one database call at a time, in the order that the seed names."""
    turns, database = Turns(seed), wiring.database()
    real = database.client
    database.client = turns.client(real)
    try:
        return turns.run(*tasks)
    finally:
        database.client = real
