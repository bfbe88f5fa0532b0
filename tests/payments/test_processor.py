"""The adapter's contract, kept against the simulator through the unmodified library."""

from __future__ import annotations

import logging
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.payments import adapter
from chalicelib.payments.adapter import LIVE_API, StripeProcessor
from chalicelib.payments.processor import (
    Charge,
    Checkout,
    CheckoutState,
    Misconfigured,
    ProcessorRefused,
    ProcessorUnavailable,
    Purchase,
)
from chalicelib.payments.rules import Card
from infra.local.processor import CHECKOUT, WORKER, Handle, serve
from tests.infra.processor.conftest import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECKOUT_KEY, WORKER_KEY = "rk_test_checkout_0001", "rk_test_worker_0001"
BACK = "http://localhost:9/orders/ord_1"


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Handle]:
    handle = serve(tmp_path, keys={CHECKOUT_KEY: CHECKOUT, WORKER_KEY: WORKER})
    yield handle
    handle.stop()


def processor(handle: Handle, key: str = CHECKOUT_KEY, origin: str = "") -> StripeProcessor:
    return StripeProcessor(key, api_base=handle.url, origin=origin or handle.url, stage="local")


def open_setup(found: StripeProcessor, order: str = "ord_1", **more: Any) -> Checkout:
    customer = found.create_customer("acc_1", "key_1")
    arguments: dict[str, Any] = {
        "order_id": order,
        "customer": customer,
        "currency": "USD",
        "success_url": BACK,
        "cancel_url": f"{BACK}?canceled=1",
    }
    return found.open_card_setup(**arguments | more)


class TestCustomers:
    def test_a_customer_is_made_once_a_key_and_knows_only_the_reference(
        self, simulator: Handle
    ) -> None:
        found = processor(simulator)
        first, second = (found.create_customer("acc_1", "key_1") for _ in range(2))
        assert first == second
        events = ask_events(simulator)
        assert [one["type"] for one in events] == ["customer.created"]
        kept = events[0]["data"]["object"]
        assert kept["metadata"] == {"account": "acc_1"}
        assert {kept[name] for name in ("email", "name", "phone", "address")} == {None}


def ask_events(handle: Handle) -> list[Any]:
    answer = ask(f"{handle.url}/v1/events", headers={"Authorization": f"Bearer {WORKER_KEY}"})
    return list(answer.json["data"])


class TestCardSetup:
    def test_one_order_has_one_page_however_often_it_is_asked_for(self, simulator: Handle) -> None:
        found = processor(simulator)
        assert open_setup(found) == open_setup(found)
        assert open_setup(found, order="ord_2") != open_setup(found)

    def test_the_state_follows_the_person(self, simulator: Handle) -> None:
        found = processor(simulator)
        checkout = open_setup(found)
        before = found.read_checkout(checkout.session_id)
        assert (before.status, before.order_id, before.url) == ("open", "ord_1", checkout.url)
        assert (before.setup_intent, before.card) == (None, None)
        simulator.complete(checkout.session_id)
        after = found.read_checkout(checkout.session_id)
        assert (after.status, after.payment_status) == ("complete", "no_payment_required")
        assert after.card == Card("visa", "4242", 12, 2034)
        assert after.customer == before.customer
        assert str(after.setup_intent).startswith("seti_")
        assert str(after.payment_method).startswith("pm_")
        assert after.url is None

    @pytest.mark.parametrize("card", ["declined", "expired", "insufficient-funds"])
    def test_a_declined_card_leaves_the_checkout_open_and_without_a_card(
        self, simulator: Handle, card: str
    ) -> None:
        found = processor(simulator)
        checkout = open_setup(found)
        simulator.complete(checkout.session_id, card)
        state = found.read_checkout(checkout.session_id)
        assert (state.status, state.setup_intent, state.card) == ("open", None, None)

    def test_a_card_that_waits_for_the_bank_is_no_card_yet(self, simulator: Handle) -> None:
        found = processor(simulator)
        checkout = open_setup(found)
        form = {"number": "4000000000003220", "expiry": "12/34", "cvc": "123"}
        assert ask(checkout.url, form=form).status == 303
        state = found.read_checkout(checkout.session_id)
        assert (state.status, state.setup_intent, state.card) == ("open", None, None)

    @pytest.mark.promise("PS-48")
    def test_a_page_on_another_origin_is_refused(self, simulator: Handle) -> None:
        elsewhere = processor(simulator, origin="https://checkout.stripe.com")
        with pytest.raises(ProcessorRefused):
            open_setup(elsewhere)
        known = processor(simulator)
        session = open_setup(known).session_id
        with pytest.raises(ProcessorRefused):
            elsewhere.read_checkout(session)

    def test_the_worker_reads_a_checkout_and_opens_none(self, simulator: Handle) -> None:
        session = open_setup(processor(simulator)).session_id
        worker = processor(simulator, WORKER_KEY)
        assert worker.read_checkout(session).status == "open"
        with pytest.raises(ProcessorRefused):
            open_setup(worker, order="ord_2")


class TestEvents:
    def test_all_events_since_an_instant_are_listed_across_pages(
        self, simulator: Handle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "PAGE", 2)
        checkouts = processor(simulator)
        for number in range(3):
            session = open_setup(checkouts, order=f"ord_{number}").session_id
            simulator.complete(session)
        worker = processor(simulator, WORKER_KEY)
        events = list(worker.list_events(0))
        assert len(events) == len({event.id for event in events}) == 1 + 3 * 4
        done = [event for event in events if event.type == "checkout.session.completed"]
        assert [event.order_id for event in done] == ["ord_2", "ord_1", "ord_0"]
        assert all(event.object_id for event in events)

    def test_nothing_before_the_instant_or_from_the_end_on_is_listed(
        self, simulator: Handle
    ) -> None:
        open_setup(processor(simulator))
        worker = processor(simulator, WORKER_KEY)
        assert list(worker.list_events(4_000_000_000_000)) == []
        assert list(worker.list_events(0, 1_000_000_000_000)) == []
        assert list(worker.list_events(0, 4_000_000_000_000)) == list(worker.list_events(0))

    def test_the_checkout_key_may_not_list_events(self, simulator: Handle) -> None:
        with pytest.raises(ProcessorRefused):
            list(processor(simulator).list_events(0))


class TestTroubles:
    @pytest.mark.parametrize("trouble", ["lose_response", "fail_after_commit"])
    def test_a_lost_answer_is_asked_for_again_and_nothing_is_doubled(
        self, simulator: Handle, trouble: str
    ) -> None:
        found = processor(simulator)
        ask(f"{simulator.url}/_sim/hostility", body={trouble: 1})
        checkout = open_setup(found)
        sessions = ask(f"{simulator.url}/_sim/sessions").json["sessions"]
        assert [one["id"] for one in sessions] == [checkout.session_id]

    def test_nobody_there_is_unavailable(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        found = StripeProcessor(CHECKOUT_KEY, api_base=url, origin=url, stage="test")
        with pytest.raises(ProcessorUnavailable) as refused:
            found.create_customer("acc_1", "key_1")
        assert refused.value.status == 503

    def test_no_answer_in_time_is_unavailable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(adapter, "TIMEOUT_S", (0.2, 0.2))
        monkeypatch.setattr(adapter, "RETRIES", 0)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            found = StripeProcessor(CHECKOUT_KEY, api_base=url, origin=url, stage="test")
            with pytest.raises(ProcessorUnavailable):
                found.read_checkout("cs_test_1")

    def test_a_key_reused_for_another_request_is_refused(self, simulator: Handle) -> None:
        found = processor(simulator)
        found.create_customer("acc_1", "key_1")
        with pytest.raises(ProcessorRefused) as refused:
            found.create_customer("acc_2", "key_1")
        assert refused.value.status == 502

    def test_a_wrong_key_is_refused(self, simulator: Handle) -> None:
        with pytest.raises(ProcessorRefused):
            processor(simulator, "rk_test_unknown_0001").create_customer("acc_1", "key_1")

    def test_an_unknown_checkout_is_refused(self, simulator: Handle) -> None:
        with pytest.raises(ProcessorRefused):
            processor(simulator).read_checkout("cs_test_unknown")

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"id": "cs_1", "status": "melted"},
            {"id": "cs_1", "status": "open", "setup_intent": "seti_1"},
        ],
    )
    def test_an_answer_that_is_not_understood_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
    ) -> None:
        found = StripeProcessor("k", api_base=LIVE_API, origin="https://x.test", stage="prod")
        monkeypatch.setattr(found, "_ask", lambda _call: answer)
        with pytest.raises(ProcessorRefused):
            found.read_checkout("cs_1")

    def test_no_key_message_or_parameter_is_logged(
        self,
        simulator: Handle,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            found = processor(simulator)
            found.create_customer("acc_secret", "key_1")
            with pytest.raises(ProcessorRefused) as refused:
                found.create_customer("acc_other", "key_1")
        extras = repr([vars(record) for record in caplog.records])
        said = caplog.text + extras + "".join(capsys.readouterr()) + str(refused.value)
        assert "processor.refused" in said
        for private in ("acc_secret", "acc_other", CHECKOUT_KEY, "Keys for idempotent"):
            assert private not in said


SEATS = Purchase("Halyard, Crew", 900, 3, "USD", save_card=True)


def open_payment(found: StripeProcessor, order: str = "ord_1") -> Checkout:
    customer = found.create_customer("acc_1", "key_1")
    return found.open_payment(
        order_id=order, customer=customer, purchase=SEATS, success_url=BACK, cancel_url=BACK
    )


def charge(paid: CheckoutState, key: str = "lic_1:1:1", amount: int = 2700) -> Charge:
    return Charge(
        key, paid.customer or "", paid.payment_method or "", amount, "USD", "Halyard, Crew",
        {"subscription": "lic_1", "period": "1"},
    )  # fmt: skip


class TestPayments:
    def test_the_page_asks_for_the_price_times_the_seats(self, simulator: Handle) -> None:
        found = processor(simulator)
        opened = open_payment(found)
        assert open_payment(found) == opened
        assert found.read_checkout(opened.session_id).payment is None
        simulator.complete(opened.session_id)
        state = found.read_checkout(opened.session_id)
        assert (state.status, state.payment_status, state.setup_intent) == (
            "complete",
            "paid",
            None,
        )
        assert state.payment is not None
        assert (state.payment.received, state.payment.currency) == (2700, "USD")
        assert state.payment.metadata == {"order": "ord_1"}
        assert (state.card and state.card.last4) == "4242"

    def test_a_declined_card_leaves_the_page_open_with_the_reason(self, simulator: Handle) -> None:
        found = processor(simulator)
        opened = open_payment(found)
        simulator.complete(opened.session_id, "insufficient-funds")
        state = found.read_checkout(opened.session_id)
        assert (state.status, state.payment_status, state.card) == ("open", "unpaid", None)
        assert state.payment is not None
        assert (state.payment.received, state.payment.code) == (0, "insufficient_funds")

    @pytest.mark.parametrize("taken", [True, False])
    def test_a_payment_that_comes_later_is_on_its_way_until_it_is_decided(
        self, taken: bool, simulator: Handle
    ) -> None:
        found = processor(simulator)
        opened = open_payment(found)
        ask(f"{simulator.url}/_sim/complete", body={"session": opened.session_id, "later": True})
        state = found.read_checkout(opened.session_id)
        assert (state.status, state.payment_status, state.card) == ("complete", "unpaid", None)
        assert (state.payment and state.payment.status) == "processing"
        ask(f"{simulator.url}/_sim/sessions/{opened.session_id}", body={"taken": taken})
        after = found.read_checkout(opened.session_id).payment
        assert after is not None
        assert (after.status, after.received) == (
            ("succeeded", 2700) if taken else ("requires_payment_method", 0)
        )
        told = [one["type"] for one in ask_events(simulator)]
        assert f"checkout.session.async_payment_{'succeeded' if taken else 'failed'}" in told

    def test_a_page_that_is_closed_takes_no_card(self, simulator: Handle) -> None:
        found = processor(simulator)
        opened = open_payment(found)
        assert found.close_checkout(opened.session_id).status == "expired"
        assert found.close_checkout(opened.session_id).status == "expired"

    def test_a_page_that_was_paid_stays_paid(self, simulator: Handle) -> None:
        found = processor(simulator)
        opened = open_payment(found)
        simulator.complete(opened.session_id)
        assert found.close_checkout(opened.session_id).status == "complete"

    def test_a_saved_card_is_charged_once_a_key(self, simulator: Handle) -> None:
        paid = paid_checkout(simulator)
        worker = processor(simulator, WORKER_KEY)
        first, second = worker.charge(charge(paid)), worker.charge(charge(paid))
        assert first == second
        assert (first.status, first.received) == ("succeeded", 2700)
        assert len(payments(simulator)) == 2

    def test_a_decline_is_an_answer_with_its_code(self, simulator: Handle) -> None:
        paid = paid_checkout(simulator, "authenticates-always")
        state = processor(simulator, WORKER_KEY).charge(charge(paid))
        assert (state.status, state.received) == ("requires_payment_method", 0)
        assert state.code == "authentication_required"

    def test_a_card_that_is_gone_cannot_be_charged(self, simulator: Handle) -> None:
        paid = paid_checkout(simulator)
        ask(
            f"{simulator.url}/v1/payment_methods/{paid.payment_method}/detach",
            raw=b"",
            headers={"Authorization": f"Bearer {WORKER_KEY}"},
        )
        state = processor(simulator, WORKER_KEY).charge(charge(paid))
        assert (state.id, state.code) == ("", "payment_method_unexpected_state")

    def test_a_payment_is_found_by_its_facts(self, simulator: Handle) -> None:
        paid = paid_checkout(simulator)
        worker = processor(simulator, WORKER_KEY)
        made = worker.charge(charge(paid))
        find = worker.find_payments
        assert find(charge(paid).customer, 0, {"subscription": "lic_1", "period": "1"}) == [made]
        assert find(charge(paid).customer, 0, {"subscription": "lic_1", "period": "2"}) == []

    def test_a_payment_is_found_on_a_later_page(
        self, simulator: Handle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "PAGE", 2)
        paid = paid_checkout(simulator)
        worker = processor(simulator, WORKER_KEY)
        made = worker.charge(charge(paid))
        for number in range(4):
            other = replace(charge(paid, key=f"other:{number}"), metadata={})
            worker.charge(other)
        assert worker.find_payments(charge(paid).customer, 0, {"period": "1"}) == [made]

    def test_refunds_and_disputes_are_read_with_their_amounts(self, simulator: Handle) -> None:
        paid = paid_checkout(simulator, "disputed")
        worker = processor(simulator, WORKER_KEY)
        assert paid.payment is not None
        (dispute,) = worker.list_disputes(paid.payment.id)
        assert (dispute.status, dispute.amount) == ("needs_response", 2700)
        other = worker.charge(charge(paid_checkout(simulator, order="ord_2")))
        worker.refund(other.id, 700, "refund_1")
        worker.refund(other.id, 700, "refund_1")
        assert worker.read_payment(other.id).refunded == 700
        assert worker.list_disputes(other.id) == []

    def test_the_checkout_key_charges_and_refunds_nobody(self, simulator: Handle) -> None:
        paid = paid_checkout(simulator)
        found = processor(simulator)
        with pytest.raises(ProcessorRefused):
            found.charge(charge(paid))
        with pytest.raises(ProcessorRefused):
            found.refund(paid.payment.id if paid.payment else "", 1, "refund_1")

    def test_a_lost_answer_is_asked_for_again_under_the_same_key(
        self, simulator: Handle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "RETRIES", 0)
        paid = paid_checkout(simulator)
        worker = processor(simulator, WORKER_KEY)
        ask(f"{simulator.url}/_sim/hostility", body={"lose_response": 1})
        with pytest.raises(ProcessorUnavailable):
            worker.charge(charge(paid))
        ask(f"{simulator.url}/_sim/hostility", method="DELETE")
        assert worker.charge(charge(paid)).status == "succeeded"
        assert len(payments(simulator)) == 2


def paid_checkout(handle: Handle, card: str = "succeeds", order: str = "ord_1") -> CheckoutState:
    found = processor(handle)
    opened = open_payment(found, order)
    handle.complete(opened.session_id, card)
    return found.read_checkout(opened.session_id)


def payments(handle: Handle) -> list[Any]:
    headers = {"Authorization": f"Bearer {WORKER_KEY}"}
    return list(ask(f"{handle.url}/v1/payment_intents?limit=100", headers=headers).json["data"])


@pytest.mark.promise("PS-48")
class TestAddress:
    @pytest.mark.parametrize(
        ("api_base", "origin"),
        [
            ("http://127.0.0.1:8001", "https://checkout.stripe.com"),
            ("https://api.stripe.com.evil.example", "https://checkout.stripe.com"),
            (LIVE_API, "http://checkout.stripe.com"),
        ],
    )
    def test_production_starts_with_the_processors_own_address_alone(
        self, api_base: str, origin: str
    ) -> None:
        with pytest.raises(Misconfigured):
            StripeProcessor("rk_live_1", api_base=api_base, origin=origin, stage="prod")

    def test_production_starts_with_the_right_one(self) -> None:
        StripeProcessor(
            "rk_live_1", api_base=LIVE_API, origin="https://checkout.stripe.com", stage="prod"
        )

    def test_the_library_is_not_loaded_before_the_first_call(self) -> None:
        import subprocess
        import sys

        code = (
            "import sys; from chalicelib.payments.adapter import StripeProcessor as P;"
            "P('k', api_base='http://x', origin='http://x', stage='test');"
            "sys.exit('stripe' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
