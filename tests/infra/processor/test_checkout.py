"""Checkout by the unmodified library on one side and the hosted page on the other."""

import pytest
import stripe
import time_machine

from infra.local.processor import Handle
from tests.infra.processor.conftest import (
    CANCEL_URL,
    ask,
    charge,
    form,
    open_payment,
    open_setup,
    saved_card,
)

GOOD = "4242 4242 4242 4242"


class TestWords:
    """What the page promises is what the session says, and no more."""

    def test_saving_a_card_promises_no_charge_and_announces_none(
        self, api: stripe.StripeClient
    ) -> None:
        text = ask(open_setup(api).url).text
        assert "Nothing is charged now." in text
        assert "merchant&#x27;s own page" in text or "merchant's own page" in text
        assert "may charge" not in text

    def test_a_payment_that_saves_no_card_is_charged_once(self, api: stripe.StripeClient) -> None:
        assert "charged once, and the card is not saved" in ask(open_payment(api).url).text

    def test_a_payment_that_saves_the_card_says_that_it_may_be_charged_again(
        self, api: stripe.StripeClient
    ) -> None:
        intent = {"setup_future_usage": "off_session"}
        text = ask(open_payment(api, payment_intent_data=intent).url).text
        assert "The card is saved" in text
        assert "charged once" not in text


class TestSavingACard:
    def test_a_session_starts_open_with_its_page_and_setup_intent(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        session = open_setup(api)
        assert session.status == "open"
        assert session.payment_status == "no_payment_required"
        assert session.url == f"{processor.url}/c/pay/{session.id}"
        assert session.setup_intent.startswith("seti_")
        assert session.expires_at == session.created + 86_400

    def test_a_good_card_leads_back_to_the_merchant(self, api: stripe.StripeClient) -> None:
        session = open_setup(api)
        answer = ask(session.url, form=form(GOOD))
        assert answer.status == 303
        assert answer.headers["Location"] == f"http://localhost:9/orders/o1?checkout={session.id}"
        done = api.v1.checkout.sessions.retrieve(
            session.id, {"expand": ["setup_intent.payment_method"]}
        ).to_dict()
        assert (done["status"], done["url"]) == ("complete", None)
        intent = done["setup_intent"]
        assert (intent["status"], intent["usage"]) == ("succeeded", "off_session")
        card = intent["payment_method"]["card"]
        assert (card["brand"], card["last4"], card["exp_month"]) == ("visa", "4242", 12)
        assert card["exp_year"] == 2034
        assert intent["payment_method"]["customer"] == session.customer

    @pytest.mark.parametrize(
        ("number", "message"),
        [
            ("4000000000000002", "Your card was declined."),
            ("4000000000009995", "Your card has insufficient funds."),
            ("4000000000000069", "Your card has expired."),
        ],
    )
    def test_a_declined_card_stays_on_the_page_with_402_and_the_reason(
        self, api: stripe.StripeClient, number: str, message: str
    ) -> None:
        session = open_setup(api)
        answer = ask(session.url, form=form(number))
        assert answer.status == 402
        assert message in answer.text
        assert 'role="alert"' in answer.text
        assert "<title>Error: Save a card" in answer.text
        assert api.v1.checkout.sessions.retrieve(session.id).status == "open"
        intent = api.v1.setup_intents.retrieve(session.setup_intent)
        assert intent.status == "requires_payment_method"
        assert intent.last_setup_error is not None
        assert ask(session.url, form=form(GOOD)).status == 303

    def test_submitting_twice_leads_to_the_same_place_once(self, api: stripe.StripeClient) -> None:
        session = open_setup(api)
        first, second = (ask(session.url, form=form(GOOD)) for _ in range(2))
        assert first.headers["Location"] == second.headers["Location"]
        completed = api.v1.events.list({"type": "checkout.session.completed"})
        assert len(completed.data) == 1

    def test_a_card_that_asks_leads_to_the_bank_first(self, api: stripe.StripeClient) -> None:
        session = open_setup(api)
        answer = ask(session.url, form=form("4000002500003155"))
        assert (answer.status, answer.headers["Location"]) == (
            303,
            f"/c/pay/{session.id}/confirm",
        )
        assert "Confirm that it is you" in ask(session.url + "/confirm").text
        assert api.v1.setup_intents.retrieve(session.setup_intent).status == "requires_action"
        done = ask(session.url + "/confirm", form={"answer": "confirm"})
        assert done.headers["Location"].startswith("http://localhost:9/orders/o1")

    def test_refusing_the_bank_leads_back_to_the_form(self, api: stripe.StripeClient) -> None:
        session = open_setup(api)
        ask(session.url, form=form("4000000000003220"))
        refused = ask(session.url + "/confirm", form={"answer": "refuse"})
        assert refused.status == 402
        assert "unable to authenticate" in refused.text
        assert ask(session.url, form=form(GOOD)).status == 303

    def test_a_card_that_authenticated_once_is_charged_later(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api, "authenticates-once")
        assert charge(api, customer, method).status == "succeeded"

    def test_a_card_that_always_authenticates_is_refused_later(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api, "authenticates-always")
        with pytest.raises(stripe.CardError) as refused:
            charge(api, customer, method)
        assert refused.value.code == "authentication_required"

    def test_a_card_may_be_saved_and_then_fail_to_be_charged(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(processor, api, "4000 0000 0000 0341")
        with pytest.raises(stripe.CardError) as refused:
            charge(api, customer, method)
        assert refused.value.error is not None
        assert refused.value.error.decline_code == "generic_decline"


class TestPaying:
    def test_a_payment_is_charged_once_and_reported(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        session = open_payment(api, payment_intent_data={"metadata": {"order": "o1"}})
        assert (session.amount_total, session.payment_status) == (5000, "unpaid")
        assert "Pay 50.00 USD" in ask(session.url).text
        assert processor.complete(session.id)["completed"]
        done = api.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
        intent = done.to_dict()["payment_intent"]
        assert done.payment_status == "paid"
        assert (intent["amount_received"], intent["metadata"]) == (5000, {"order": "o1"})

    def test_a_declined_payment_can_be_tried_again_on_the_same_intent(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        session = open_payment(api)
        declined = processor.complete(session.id, "insufficient-funds")
        assert declined["decline"]["decline_code"] == "insufficient_funds"
        processor.complete(session.id)
        intents = api.v1.payment_intents.list().data
        assert [one.status for one in intents] == ["succeeded"]

    def test_paying_with_a_card_that_asks(self, api: stripe.StripeClient) -> None:
        session = open_payment(api)
        ask(session.url, form=form("4000000000003220"))
        assert "paying 50.00 USD" in ask(session.url).text
        assert ask(session.url + "/confirm", form={"answer": "confirm"}).status == 303
        assert api.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


class TestExpiry:
    def test_a_session_expires_after_24_hours_on_the_clock(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        with time_machine.travel(0, tick=True) as clock:
            session = open_setup(api)
            clock.shift(86_401)
            expired = api.v1.checkout.sessions.retrieve(session.id)
            assert expired.status == "expired"
            assert expired.url is None
            page = ask(f"{processor.url}/c/pay/{session.id}")
            assert page.status == 410
            assert CANCEL_URL in page.text
            kinds = [one.type for one in api.v1.events.list().data]
            assert kinds[0] == "checkout.session.expired"

    def test_a_merchant_can_expire_a_session_once(self, api: stripe.StripeClient) -> None:
        session = open_setup(api)
        assert api.v1.checkout.sessions.expire(session.id).status == "expired"
        with pytest.raises(stripe.InvalidRequestError):
            api.v1.checkout.sessions.expire(session.id)

    @pytest.mark.parametrize("after", [60, 2 * 86_400])
    def test_a_lifetime_is_between_half_an_hour_and_a_day(
        self, api: stripe.StripeClient, after: int
    ) -> None:
        now = open_setup(api).created
        with pytest.raises(stripe.InvalidRequestError) as refused:
            open_setup(api, expires_at=now + after)
        assert refused.value.param == "expires_at"


class TestRefusedParameters:
    @pytest.mark.parametrize(
        ("params", "param"),
        [
            ({"mode": "subscription"}, "mode"),
            ({"success_url": "javascript:alert(1)"}, "success_url"),
            ({"currency": "zzz"}, "currency"),
            ({"customer": "cus_unknown"}, "customer"),
        ],
    )
    def test_a_wrong_parameter_is_named(
        self, api: stripe.StripeClient, params: dict[str, str], param: str
    ) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            open_setup(api, **params)
        assert (refused.value.http_status, refused.value.param) == (400, param)

    def test_card_numbers_are_not_taken_by_the_api(self, api: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.v1.payment_intents.create(
                {
                    "amount": 100,
                    "currency": "usd",
                    "payment_method_data": {"type": "card", "card": {"number": GOOD}},  # type: ignore[typeddict-unknown-key]  # what nobody should send
                }
            )
        assert "card numbers" in str(refused.value)
