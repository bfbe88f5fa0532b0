"""A confirmed customer, an application with a plan, and a processor whose answers are set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import Account, State
from chalicelib.payments.processor import Checkout, CheckoutState
from chalicelib.payments.rules import Card, Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock, Tables

CARD = Card("visa", "4242", 12, 2030)
OWNER, STRANGER = "acc_owner", "acc_stranger"


@dataclass
class FakeProcessor:
    """Keeps checkouts; each answers as it stands when it is read."""

    checkouts: dict[str, CheckoutState] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def create_customer(self, account_ref: str, idempotency_key: str) -> str:
        return self.customers.setdefault(idempotency_key, f"cus_{len(self.customers)}")

    def open_card_setup(
        self,
        *,
        order_id: str,
        customer: str,
        currency: str,
        success_url: str,
        cancel_url: str,
        expires_at: int | None = None,
    ) -> Checkout:
        session = f"cs_{order_id}"
        url = f"https://checkout.processor.test/{session}"
        self.checkouts.setdefault(
            session,
            CheckoutState(
                session, "open", order_id, customer, None, None, "no_payment_required", None, url
            ),
        )
        return Checkout(session, url)

    def read_checkout(self, session_id: str) -> CheckoutState:
        return self.checkouts[session_id]

    def list_events(self, since: int) -> Iterator[Event]:
        return iter(self.events)

    def read_event(self, event_id: str) -> Event:
        return next(event for event in self.events if event.id == event_id)

    def complete(self, session_id: str) -> None:
        self.checkouts[session_id] = replace(
            self.checkouts[session_id],
            status="complete",
            setup_intent=f"seti_{session_id}",
            payment_method="pm_1",
            card=CARD,
            url=None,
        )

    def expire(self, session_id: str) -> None:
        self.checkouts[session_id] = replace(self.checkouts[session_id], status="expired", url=None)


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
    store = wiring.account_store()
    store.transact(store.put_account(account))


@pytest.fixture
def plan(processor: FakeProcessor) -> Plan:
    add_account(OWNER)
    add_account(STRANGER)
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
