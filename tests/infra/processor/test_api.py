"""The API as the unmodified library meets it: charges, idempotency, refunds, events, keys."""

from collections.abc import Callable

import pytest
import stripe
import time_machine

from infra.local.processor import CHECKOUT, WORKER, Handle
from tests.infra.processor.conftest import (
    ask,
    charge,
    client,
    open_payment,
    open_setup,
    saved_card,
)


class TestCharges:
    def test_a_saved_card_is_charged_off_session(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        intent = charge(api, customer, method, metadata={"invoice_id": "i1"})
        assert (intent.status, intent.amount_received) == ("succeeded", 777)
        made = api.v1.charges.retrieve(intent.latest_charge)
        assert (made.paid, made.amount, made.payment_intent) == (True, 777, intent.id)

    def test_a_decline_raises_and_stays_as_a_fact(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api, "declined-when-charged")
        with pytest.raises(stripe.CardError) as declined:
            charge(api, customer, method)
        assert (declined.value.code, declined.value.http_status) == ("card_declined", 402)
        assert declined.value.error is not None
        intent = declined.value.error.payment_intent
        assert intent is not None
        kept = api.v1.payment_intents.retrieve(intent.id)
        assert kept.status == "requires_payment_method"
        kinds = [one.type for one in api.v1.events.list({"limit": 2}).data]
        assert kinds == ["payment_intent.payment_failed", "charge.failed"]

    def test_a_payment_is_found_by_its_metadata(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        wanted = charge(api, customer, method, metadata={"invoice_id": "i1"})
        charge(api, customer, method, metadata={"invoice_id": "i2"})
        found = api.v1.payment_intents.search(
            {"query": "metadata['invoice_id']:'i1' AND status:'succeeded'"}
        )
        assert [one.id for one in found.data] == [wanted.id]

    def test_search_lags_when_told_to(self, processor: Handle, api: stripe.StripeClient) -> None:
        customer, method = saved_card(processor, api)
        ask(f"{processor.url}/_sim/hostility", body={"search_lag_s": 60})
        charge(api, customer, method, metadata={"invoice_id": "i1"})
        query = "metadata['invoice_id']:'i1'"
        assert api.v1.payment_intents.search({"query": query}).data == []

    def test_another_customers_card_cannot_be_charged(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        _, method = saved_card(processor, api)
        other, _ = saved_card(processor, api)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            charge(api, other, method)
        assert refused.value.param == "payment_method"

    def test_a_detached_card_can_never_be_charged_again(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        api.v1.payment_methods.detach(method)
        for attempt in (
            lambda: charge(api, customer, method),
            lambda: api.v1.payment_methods.attach(method, {"customer": customer}),
        ):
            with pytest.raises(stripe.InvalidRequestError):
                attempt()

    def test_an_authorized_amount_is_captured_in_part(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        intent = charge(api, customer, method, capture_method="manual")
        assert (intent.status, intent.amount_capturable) == ("requires_capture", 777)
        done = api.v1.payment_intents.capture(intent.id, {"amount_to_capture": 500})
        assert (done.status, done.amount_received) == ("succeeded", 500)

    def test_a_deleted_customer_leaves_only_its_id(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        assert api.v1.customers.delete(customer).to_dict()["deleted"] is True
        assert set(api.v1.customers.retrieve(customer).to_dict()) <= {
            "id",
            "object",
            "deleted",
            "created",
        }
        with pytest.raises(stripe.InvalidRequestError):
            charge(api, customer, method)

    @pytest.mark.parametrize("amount", [0, 49, 100_000_000])
    def test_amounts_out_of_bounds_are_refused(
        self, processor: Handle, api: stripe.StripeClient, amount: int
    ) -> None:
        customer, method = saved_card(processor, api)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            charge(api, customer, method, amount=amount)
        assert refused.value.param == "amount"


class TestIdempotency:
    def test_the_same_call_gets_the_first_answer(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        first, second = (charge(api, customer, method, idempotency_key="i1:1") for _ in range(2))
        assert first.id == second.id
        assert second.last_response.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.last_response.headers
        assert len(api.v1.charges.list().data) == 1

    def test_other_parameters_under_the_key_are_an_error(self, api: stripe.StripeClient) -> None:
        api.v1.customers.create({"description": "a"}, {"idempotency_key": "k"})
        with pytest.raises(stripe.IdempotencyError) as refused:
            api.v1.customers.create({"description": "b"}, {"idempotency_key": "k"})
        assert refused.value.http_status == 400
        with pytest.raises(stripe.IdempotencyError):
            open_setup_under_key(api, "k")

    def test_a_decline_is_answered_again(self, processor: Handle, api: stripe.StripeClient) -> None:
        customer, method = saved_card(processor, api, "declined-when-charged")
        for _ in range(2):
            with pytest.raises(stripe.CardError):
                charge(api, customer, method, idempotency_key="i1:1")
        assert len(api.v1.payment_intents.list().data) == 1

    def test_refused_parameters_are_not_remembered(self, api: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            api.v1.refunds.create({"charge": "ch_unknown"}, {"idempotency_key": "k"})
        assert api.v1.customers.create({}, {"idempotency_key": "k"}).id

    def test_a_key_is_forgotten_after_24_hours_on_the_clock(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        with time_machine.travel(0, tick=True) as clock:
            customer, method = saved_card(processor, api)
            first = charge(api, customer, method, idempotency_key="i1:1")
            clock.shift(86_401)
            assert charge(api, customer, method, idempotency_key="i1:1").id != first.id


def open_setup_under_key(api: stripe.StripeClient, key: str) -> object:
    return api.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "usd", "success_url": "http://localhost:9/"},
        {"idempotency_key": key},
    )


class TestRefunds:
    def test_no_more_is_refunded_than_was_charged(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        intent = charge(api, customer, method)
        api.v1.refunds.create({"payment_intent": intent.id, "amount": 700})
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.v1.refunds.create({"payment_intent": intent.id, "amount": 78})
        assert refused.value.param == "amount"
        assert "(78 usd)" in str(refused.value)
        assert "(77 usd)" in str(refused.value)
        assert api.v1.refunds.create({"payment_intent": intent.id}).amount == 77
        with pytest.raises(stripe.InvalidRequestError) as again:
            api.v1.refunds.create({"payment_intent": intent.id})
        assert again.value.code == "charge_already_refunded"
        kept = api.v1.charges.retrieve(intent.latest_charge)
        assert (kept.amount_refunded, kept.refunded) == (777, True)

    def test_a_disputed_charge_is_not_refunded_but_an_inquiry_is(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api, "disputed")
        intent = charge(api, customer, method)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.v1.refunds.create({"payment_intent": intent.id})
        assert refused.value.code == "charge_disputed"
        customer, method = saved_card(processor, api, "inquired")
        inquired = charge(api, customer, method)
        assert api.v1.refunds.create({"payment_intent": inquired.id}).status == "succeeded"


class TestDisputes:
    def test_a_dispute_runs_from_opened_to_won(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api)
        intent = charge(api, customer, method)
        controls = f"{processor.url}/_sim/disputes"
        opened = ask(controls, body={"charge": intent.latest_charge, "reason": "duplicate"})
        dispute = opened.json["dispute"]["id"]
        assert api.v1.disputes.retrieve(dispute).status == "needs_response"
        assert api.v1.charges.retrieve(intent.latest_charge).disputed is True
        api.v1.disputes.update(dispute, {"evidence": {"product_description": "x"}, "submit": True})
        assert api.v1.disputes.retrieve(dispute).status == "under_review"
        assert ask(f"{controls}/{dispute}", body={"status": "won"}).status == 200
        assert ask(f"{controls}/{dispute}", body={"status": "lost"}).status == 400
        kinds = [one.type for one in api.v1.events.list({"type": "charge.dispute.*"}).data]
        assert kinds == [
            "charge.dispute.funds_reinstated",
            "charge.dispute.closed",
            "charge.dispute.updated",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.created",
        ]

    def test_an_inquiry_can_become_a_dispute(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api, "inquired")
        charge(api, customer, method)
        dispute = api.v1.disputes.list().data[0]
        assert (dispute.status, dispute.is_charge_refundable) == ("warning_needs_response", True)
        ask(f"{processor.url}/_sim/disputes/{dispute.id}", body={"status": "needs_response"})
        assert api.v1.disputes.retrieve(dispute.id).is_charge_refundable is False


class TestEvents:
    def test_events_page_both_ways_without_loss(self, api: stripe.StripeClient) -> None:
        for number in range(7):
            api.v1.customers.create({"description": str(number)})
        forward = [one.id for one in api.v1.events.list({"limit": 3}).auto_paging_iter()]
        assert len(set(forward)) == 7
        page = api.v1.events.list({"limit": 3})
        assert [one.id for one in page.data] == forward[:3]
        assert page.has_more
        back = api.v1.events.list({"limit": 2, "ending_before": forward[3]})
        assert [one.id for one in back.data] == forward[1:3]
        assert back.has_more
        last = api.v1.events.list({"limit": 3, "starting_after": forward[5]})
        assert ([one.id for one in last.data], last.has_more) == (forward[6:], False)

    def test_events_are_narrowed_by_type_and_time(self, api: stripe.StripeClient) -> None:
        with time_machine.travel(0, tick=True) as clock:
            api.v1.customers.create({})
            clock.shift(3_600)
            session = open_payment(api)
            api.v1.checkout.sessions.expire(session.id)
            since = api.v1.events.list({"created": {"gte": 3_600}})
            assert [one.type for one in since.data] == ["checkout.session.expired"]
            before = api.v1.events.list({"created": {"lt": 3_600}})
            assert [one.type for one in before.data] == ["customer.created"]
            typed = api.v1.events.list({"types": ["customer.created", "charge.failed"]})
            assert [one.type for one in typed.data] == ["customer.created"]

    def test_events_older_than_30_days_are_listed_no_more(self, api: stripe.StripeClient) -> None:
        with time_machine.travel(0, tick=True) as clock:
            api.v1.customers.create({})
            clock.shift(30 * 86_400 + 10)
            assert api.v1.events.list().data == []

    def test_an_event_names_its_request_and_keeps_its_snapshot(
        self, api: stripe.StripeClient
    ) -> None:
        made = api.v1.customers.create({"description": "a"}, {"idempotency_key": "k"})
        api.v1.customers.update(made.id, {"description": "b"})
        updated, created = api.v1.events.list().data
        first = api.v1.events.retrieve(created.id).to_dict()
        assert first["data"]["object"]["description"] == "a"
        assert first["request"]["idempotency_key"] == "k"
        assert updated.to_dict()["data"]["previous_attributes"]["description"] == "a"


class TestKeys:
    @pytest.fixture
    def guarded(self, start: Callable[..., Handle]) -> Handle:
        keys = {"rk_test_checkout_1234": CHECKOUT, "rk_test_worker_1234": WORKER}
        return start(keys=keys)

    def test_the_checkout_key_opens_and_reads_checkouts_and_charges_nobody(
        self, guarded: Handle
    ) -> None:
        api = client(guarded, "rk_test_checkout_1234")
        session = open_setup(api)
        guarded.complete(session.id)
        done = api.v1.checkout.sessions.retrieve(
            session.id, {"expand": ["setup_intent.payment_method"]}
        ).to_dict()
        method = done["setup_intent"]["payment_method"]["id"]
        for refused in (
            lambda: charge(api, done["customer"], method),
            lambda: api.v1.refunds.create({"charge": "ch_1"}),
            api.v1.events.list,
        ):
            with pytest.raises(stripe.PermissionError) as error:
                refused()
            assert error.value.http_status == 403
            assert "rk_test_checkout_1234" not in str(error.value)

    def test_the_worker_key_charges_refunds_and_reads_but_opens_no_checkout(
        self, guarded: Handle
    ) -> None:
        checkout = client(guarded, "rk_test_checkout_1234")
        worker = client(guarded, "rk_test_worker_1234")
        customer, method = saved_card(guarded, checkout)
        intent = charge(worker, customer, method)
        assert worker.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"
        assert worker.v1.events.list().data
        with pytest.raises(stripe.PermissionError):
            open_setup_under_key(worker, "k")
        # Who leaves is deleted there too; the processor has one right for making and ending one.
        assert worker.v1.customers.delete(customer).deleted

    def test_what_a_key_may_not_read_it_cannot_expand(self, start: Callable[..., Handle]) -> None:
        blind = CHECKOUT - {"payment_methods.read"}
        handle = start(keys={"rk_test_checkout_1234": CHECKOUT, "rk_test_blind_12345": blind})
        session = open_setup(client(handle, "rk_test_checkout_1234"))
        handle.complete(session.id)
        with pytest.raises(stripe.PermissionError):
            client(handle, "rk_test_blind_12345").v1.checkout.sessions.retrieve(
                session.id, {"expand": ["setup_intent.payment_method"]}
            )

    @pytest.mark.parametrize("key", ["sk_test_other", "rk_test_checkout_123", "x"])
    def test_an_unknown_key_is_401(self, guarded: Handle, key: str) -> None:
        with pytest.raises(stripe.AuthenticationError):
            client(guarded, key).v1.events.list()


class TestErrors:
    def test_a_refused_call_leaves_no_object_and_no_event(self, api: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError):
            api.v1.payment_intents.create({"amount": 500, "currency": "usd", "confirm": True})
        assert api.v1.payment_intents.list().data == []
        assert api.v1.events.list().data == []

    def test_an_unknown_object_is_404_with_its_code(self, api: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.v1.checkout.sessions.retrieve("cs_test_unknown")
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")

    def test_a_session_is_no_customer(self, api: stripe.StripeClient) -> None:
        session = open_payment(api)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.v1.customers.retrieve(session.id)
        assert refused.value.http_status == 404

    def test_every_answer_has_a_request_id(self, api: stripe.StripeClient) -> None:
        made = api.v1.customers.create({})
        assert made.last_response is not None
        assert str(made.last_response.request_id).startswith("req_")

    def test_an_unknown_path_is_404(self, processor: Handle) -> None:
        answer = ask(
            f"{processor.url}/v1/subscriptions",
            method="POST",
            body={},
            headers={"Authorization": "Bearer sk_test_1"},
        )
        assert answer.status == 404
        assert answer.json["error"]["type"] == "invalid_request_error"
