"""What the processor is told: under a contract, after the ledger, and nothing undeclared."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY
from chalicelib.payments import adapter
from chalicelib.payments.processor import ProcessorUnavailable
from chalicelib.privacy.disclosures import (
    SENT,
    NoContract,
    TooMuch,
    require_declared,
    told,
)
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, verify
from infra.operate import money
from tests.payments.conftest import OWNER, buy, interleaved, sign_contract, subscribed
from tests.payments.test_settling import payment_of
from tests.privacy.test_vault import first

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.catalog.rules import Plan
    from chalicelib.privacy.rules import Row
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

ROOT = Path(adapter.__file__).parents[1]
TELLING = {"create_customer", "open_card_setup", "open_payment", "charge", "refund"}


def shared() -> list[Row]:
    rows = list(wiring.disclosures().ledger.rows(f"sub_{OWNER}"))
    verify(rows)
    return [row for row in rows if row.entry.event is Event.SHARED]


def acts() -> list[str]:
    return [(row.entry.reason or "").split(":")[2] for row in shared()]


@pytest.mark.promise("PS-05")
class TestTheLedgerComesFirst:
    def test_each_thing_that_is_told_is_a_row_of_the_persons_ledger(
        self, crew: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        of = subscribed(processor, crew)
        assert acts() == ["customer", "payment_page"]
        clock.now = of.period_end
        wiring.renewals().sweep()
        money.refund(payment_of(of), "7.00")
        assert acts() == ["customer", "payment_page", "charge", "refund"]
        assert {row.entry.purpose for row in shared()[:3]} == {Purpose.BILLING}
        assert all(SENT[(row.entry.reason or "").split(":")[2]] for row in shared())

    def test_whatever_becomes_of_the_request_its_row_was_there_before(
        self, plan: Plan, processor: FakeProcessor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def look(*_: Any) -> str:
            assert acts() == ["customer"]
            raise ProcessorUnavailable

        monkeypatch.setattr(processor, "create_customer", look)
        order = wiring.orders().place(OWNER, "halyard", plan.id, "a")
        with pytest.raises(ProcessorUnavailable):
            wiring.orders().card_page(order, "https://cetrus.test/orders/x")

    def test_nobody_is_told_of_who_granted_no_billing(
        self, plan: Plan, processor: FakeProcessor
    ) -> None:
        grants = wiring.disclosures().grants
        grant = grants.grant(f"sub_{OWNER}", Purpose.BILLING)
        assert grant is not None
        grants.keys.apply(grants.end_grant(grant))
        order = wiring.orders().place(OWNER, "halyard", plan.id, "a")
        with pytest.raises(PurposeDenied):
            wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        assert (processor.customers, acts()) == ({}, [])

    def test_a_renewal_of_who_has_left_charges_nothing_and_ends_as_an_unpaid_one(
        self, crew: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        of, grants = subscribed(processor, crew), wiring.disclosures().grants
        grant = grants.grant(f"sub_{OWNER}", Purpose.BILLING)
        assert grant is not None
        grants.keys.apply(grants.end_grant(grant))
        for _ in range(12):
            clock.now += DAY
            clock.now = max(clock.now, of.period_end)
            assert wiring.renewals().sweep()["failed"] == 0
        assert processor.asked == []
        assert wiring.subscriptions().of(OWNER, of.license_id).state == "ended"

    def test_money_goes_back_to_who_has_gone(
        self, crew: Plan, processor: FakeProcessor, tables: Tables
    ) -> None:
        of = subscribed(processor, crew)
        tables.accounts.apply(tables.accounts.delete(f"ACCOUNT#{OWNER}", "ACCOUNT"))
        money.refund(payment_of(of), "7.00")
        assert processor.payments[payment_of(of)].refunded == 700
        (row,) = wiring.disclosures().ledger.rows("gone")
        assert (row.entry.event, row.entry.policy) == (Event.SHARED, None)


@pytest.mark.usefixtures("both_engines")
@pytest.mark.promise("PS-05")
class TestWhatComesBetween:
    """Somebody leaves between two calls of a request that tells of them."""

    SUBJECT = f"sub_{OWNER}"
    LEFT = (Event.DEACTIVATED, Event.ERASED)

    @pytest.fixture
    def leave(self) -> Callable[[str], None]:
        vault = wiring.vault()

        def leave(how: str) -> None:
            move = vault.hold if how == "hold" else lambda subject, _: vault.end(subject)
            vault.commit(lambda: move(self.SUBJECT, "test"))

        return leave

    def share(self) -> None:
        wiring.disclosures().share(self.SUBJECT, "processor", "customer", "key")

    def events(self) -> list[Event]:
        return [row.entry.event for row in wiring.vault().ledger.rows(self.SUBJECT)]

    @pytest.mark.promise("PS-70", "PS-73")
    @pytest.mark.parametrize("how", ["hold", "erase"])
    @pytest.mark.parametrize("reader", ["head", "grant"])
    def test_nobody_is_told_of_who_left_after_the_look_at_the_grant(
        self, plan: Plan, processor: FakeProcessor, leave: Callable[[str], None], reader: str,
        how: str, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        order, found = wiring.orders().place(OWNER, "halyard", plan.id, "a"), wiring.disclosures()
        first(
            monkeypatch, found.ledger if reader == "head" else found.grants, reader,
            lambda: leave(how),
        )  # fmt: skip
        with pytest.raises(PurposeDenied):
            wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        assert (processor.customers, acts()) == ({}, [])
        assert self.events()[-1] in self.LEFT

    def test_nobody_is_told_of_whose_key_went_without_a_word(
        self, plan: Plan, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = tables.keys.delete(f"SUBJECT#{self.SUBJECT}", "KEY#billing")
        first(monkeypatch, wiring.disclosures().grants, "grant", lambda: tables.keys.apply(gone))
        with pytest.raises(PurposeDenied):
            self.share()
        assert self.events() == []

    def test_another_row_meanwhile_keeps_nobody_from_paying(
        self, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first(monkeypatch, wiring.disclosures().grants, "grant", self.share)
        self.share()
        assert self.events() == [Event.SHARED, Event.SHARED]

    @pytest.mark.promise("PS-70", "PS-73")
    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("how", ["hold", "erase"])
    def test_in_whatever_order_the_calls_come_nothing_is_told_after_the_leaving(
        self, plan: Plan, leave: Callable[[str], None], how: str, seed: int
    ) -> None:
        told_of, _ = interleaved(seed, self.share, lambda: leave(how))
        assert told_of is None or isinstance(told_of, PurposeDenied)
        assert self.events()[-1] in self.LEFT
        assert (Event.SHARED in self.events()) is (told_of is None)


@pytest.mark.promise("PS-40")
class TestTheContract:
    def test_without_one_in_force_nothing_is_told_and_the_page_says_why(
        self, plan: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        sign_contract(clock.now + DAY)
        order = wiring.orders().place(OWNER, "halyard", plan.id, "a")
        clock.advance(DAY)
        with pytest.raises(NoContract, match="contract") as refusal:
            wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        assert (refusal.value.status, refusal.value.headers["Retry-After"]) == (503, "3600")
        assert (processor.customers, processor.checkouts, acts()) == ({}, {}, [])

    def test_a_new_one_opens_the_same_order(
        self, plan: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        sign_contract(clock.now)
        order = wiring.orders().place(OWNER, "halyard", plan.id, "a")
        with pytest.raises(NoContract):
            wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        sign_contract(clock.now + DAY)
        assert buy(processor, plan).id == order.id

    def test_a_renewal_waits_for_one(
        self, crew: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        of = subscribed(processor, crew)
        clock.now = of.period_end
        sign_contract(clock.now)
        assert wiring.renewals().sweep() == {"done": 0, "failed": 1}
        assert processor.asked == []
        sign_contract(clock.now + 30 * DAY)
        clock.advance(DAY)
        wiring.renewals().sweep()
        assert len(processor.charged) == 1


@pytest.mark.promise("PS-40")
class TestNothingElseIsTold:
    @pytest.mark.parametrize("act", sorted(SENT))
    def test_a_field_that_its_act_does_not_declare_is_not_sent(self, act: str) -> None:
        require_declared(act, {})
        with pytest.raises(TooMuch, match="email"):
            require_declared(act, {"email": "x"})
        with pytest.raises(TooMuch, match="name"):
            require_declared(act, {"metadata": {"name": "x"}})

    def test_no_act_declares_who_somebody_is(self) -> None:
        words = {word for names in SENT.values() for name in names for word in name.split(".")}
        assert not words & {"email", "phone", "address", "shipping", "receipt_email", "tax_id"}
        assert {name for names in SENT.values() for name in names if name.endswith("name")} == {
            "line_items.price_data.product_data.name"
        }

    def test_what_is_told_is_read_however_deep_it_is(self) -> None:
        assert told({"a": [{"b": {"c": 1}}, {"d": 2}], "e": 3}) == {"a.b.c", "a.d", "e"}

    def test_every_request_that_writes_is_held_to_its_declaration(self) -> None:
        """In the source of the adapter: whatever creates something says its act before."""
        tree = ast.parse(Path(adapter.__file__).read_text())
        for method in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            text = ast.unparse(method)
            if ".create(" in text:
                assert method.name in TELLING
                assert "require_declared(" in text.partition(".create(")[0], method.name


@pytest.mark.promise("PS-05")
def test_only_the_gateway_tells_the_processor_anything() -> None:
    found = {
        (str(path.relative_to(ROOT)), node.func.attr)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and node.func.attr in TELLING
        and not ast.unparse(node.func.value).endswith(("telling", "billing"))
    }  # fmt: skip
    assert {file for file, _ in found} == {"payments/telling.py"}
    assert {name for _, name in found} == TELLING
