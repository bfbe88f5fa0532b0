"""Deliveries: signatures, order, retries, and every kind of hostility with its seed."""

import base64
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe
import time_machine

from infra.local.processor import Handle
from infra.local.processor.hostility import MEANINGS
from tests.infra.processor.conftest import (
    SECRETS,
    Shop,
    ask,
    charge,
    client,
    open_setup,
    saved_card,
)

DAY_MS = 86_400_000


@pytest.fixture
def delivering(processor: Handle, shop: Shop) -> Handle:
    processor.set_endpoint(shop.url, SECRETS)
    return processor


def hostile(handle: Handle, **troubles: Any) -> int:
    answer = ask(f"{handle.url}/_sim/hostility", body=troubles)
    assert answer.status == 200, answer.text
    return int(answer.json["hostility"]["seed"])


def wait_until(fact: Callable[[], bool]) -> None:
    for _ in range(200):
        if fact():
            return
        time.sleep(0.02)
    raise AssertionError("it never came about")


def new_customers(api: stripe.StripeClient, count: int) -> list[str]:
    return [api.v1.customers.create({"description": str(n)}).id for n in range(count)]


def objects(shop: Shop) -> list[str]:
    return [one.event["data"]["object"]["id"] for one in shop.received]


class TestSignatures:
    def test_every_live_secret_verifies_every_delivery(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        session = open_setup(api)
        delivering.complete(session.id)
        delivering.flush()
        assert "checkout.session.completed" in shop.types()
        for one in shop.received:
            for secret in SECRETS:
                event = stripe.Webhook.construct_event(one.body, one.signature, secret)
                assert event.id.startswith("evt_")
            with pytest.raises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(one.body, one.signature, "whsec_other")

    def test_rotation_signs_with_both_until_the_overlap_ends(
        self, start: Callable[..., Handle], shop: Shop
    ) -> None:
        heard: list[Any] = []
        handle = start(on_secrets=heard.append)
        handle.set_endpoint(shop.url, ["whsec_first"])
        with time_machine.travel(time.time(), tick=True) as clock:
            answer = ask(f"{handle.url}/_sim/webhooks/rotate", body={"secret": "whsec_second"})
            assert answer.json["endpoints"][0]["secrets"] == ["whsec_second", "whsec_first"]
            assert {
                one["value"]: one["not_after"] > time.time() * 1000 + 2 * DAY_MS for one in heard[0]
            } == {
                "whsec_second": True,
                "whsec_first": False,
            }
            new_customers(client(handle), 1)
            handle.flush()
            clock.shift(86_401)
            new_customers(client(handle), 1)
            handle.flush()
        before, after = shop.received
        assert (before.signature.count("v1="), after.signature.count("v1=")) == (2, 1)
        listed = ask(f"{handle.url}/_sim/webhooks").json["endpoints"][0]["secrets"]
        assert set(listed) <= {"whsec_second", "whsec_first"}

    def test_the_bytes_are_the_same_at_every_delivery(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        new_customers(api, 1)
        delivering.flush()
        event = shop.received[0].event["id"]
        ask(f"{delivering.url}/_sim/deliver", body={"event": event, "times": 2})
        assert len({one.body for one in shop.received}) == 1
        assert len(shop.received) == 3


class TestDelivery:
    def test_events_arrive_in_their_order(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        made = new_customers(api, 8)
        delivering.flush()
        wait_until(lambda: delivering.pending() == 0)
        assert objects(shop) == made

    def test_a_refused_delivery_is_tried_again_with_growing_gaps_on_the_clock(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        shop.statuses = itertools.chain([500, 302, 404], itertools.repeat(200))
        with time_machine.travel(time.time(), tick=True) as clock:
            new_customers(api, 1)
            delivering.flush()
            for arrived, gap in ((1, 60), (2, 300), (3, 1_800)):
                assert len(shop.received) == arrived
                assert delivering.pending() == 0
                due = delivering.next_due()
                assert due is not None
                assert gap - 5 < due - time.time() <= gap
                clock.shift(gap + 1)
                delivering.flush()
                wait_until(lambda: delivering.pending() == 0)
            assert delivering.next_due() is None
        assert len(shop.received) == 4
        assert shop.received[3].timestamp > shop.received[0].timestamp

    def test_a_delivery_is_given_up_after_three_days(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        shop.statuses = itertools.repeat(500)
        with time_machine.travel(time.time(), tick=True) as clock:
            new_customers(api, 1)
            for _ in range(10):
                delivering.flush()
                wait_until(lambda: delivering.pending() == 0)
                clock.shift(86_401)
            delivering.flush()
        assert len(shop.received) == 10
        assert delivering.next_due() is None

    def test_nothing_is_sent_before_an_endpoint_is_set_and_all_of_it_after(
        self, start: Callable[..., Handle], shop: Shop
    ) -> None:
        first = start()
        first.set_endpoint("http://127.0.0.1:9/closed", SECRETS)
        made = new_customers(client(first), 2)
        wait_until(lambda: first.pending() == 0)
        first.stop()
        with time_machine.travel(time.time() + 61, tick=True):
            second = start()
            assert second.pending() == 0
            second.set_endpoint(shop.url, SECRETS)
            second.flush()
            wait_until(lambda: second.pending() == 0)
            assert objects(shop) == made

    def test_the_list_of_deliveries_has_the_exact_bytes(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        new_customers(api, 1)
        delivering.flush()
        wait_until(lambda: delivering.pending() == 0)
        (listed,) = ask(f"{delivering.url}/_sim/deliveries").json["deliveries"]
        assert base64.b64decode(listed["body_base64"]) == shop.received[0].body
        assert listed["body"].encode() == shop.received[0].body
        assert listed["headers"]["Stripe-Signature"] == shop.received[0].signature
        assert (listed["status"], listed["attempt"], listed["url"]) == (200, 1, shop.url)
        assert listed["event"] == shop.received[0].event["id"]


class TestForging:
    def test_a_forged_body_is_sent_with_the_secret_and_time_asked_for(
        self, delivering: Handle, shop: Shop
    ) -> None:
        then = int(time.time()) - 301
        answer = ask(
            f"{delivering.url}/_sim/deliver",
            body={"body": '{"id": "evt_forged"}', "timestamp": then, "secret": "whsec_wrong"},
        )
        assert answer.json["deliveries"][0]["status"] == 200
        (forged,) = shop.received
        assert (forged.body, forged.timestamp) == (b'{"id": "evt_forged"}', then)
        event = stripe.WebhookSignature.verify_header(
            forged.body, forged.signature, "whsec_wrong", tolerance=None
        )
        assert event is True

    def test_a_signature_can_be_left_out_or_made_up(self, delivering: Handle, shop: Shop) -> None:
        for signature in ("", "t=1,v1=00"):
            ask(f"{delivering.url}/_sim/deliver", body={"body": "{}", "signature": signature})
        assert [one.signature for one in shop.received] == ["", "t=1,v1=00"]

    def test_an_unknown_event_is_404(self, delivering: Handle) -> None:
        answer = ask(f"{delivering.url}/_sim/deliver", body={"event": "evt_unknown"})
        assert answer.status == 404


class TestHostility:
    def test_duplicate_delivers_twice(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        hostile(delivering, duplicate=True)
        (made,) = new_customers(api, 1)
        delivering.flush()
        wait_until(lambda: delivering.pending() == 0)
        assert objects(shop) == [made, made]
        assert shop.received[0].body == shop.received[1].body

    def test_drop_delivers_nothing_but_the_event_is_listed(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        hostile(delivering, drop=1)
        new_customers(api, 2)
        delivering.flush()
        assert shop.received == []
        assert len(api.v1.events.list().data) == 2
        listed = ask(f"{delivering.url}/_sim/deliveries").json["deliveries"]
        assert [one["outcome"] for one in listed] == ["dropped", "dropped"]

    def test_delay_holds_back_until_the_clock_says_so(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        hostile(delivering, delay_s=600)
        with time_machine.travel(time.time(), tick=True) as clock:
            new_customers(api, 1)
            delivering.flush()
            assert (shop.received, delivering.pending()) == ([], 0)
            clock.shift(601)
            delivering.flush()
            wait_until(lambda: delivering.pending() == 0)
            assert len(shop.received) == 1

    def test_flush_by_control_delivers_what_is_held_back(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        hostile(delivering, delay_s=600)
        made = new_customers(api, 2)
        sent = ask(f"{delivering.url}/_sim/flush", body={}).json
        assert [one["status"] for one in sent["deliveries"]] == [200, 200]
        assert objects(shop) == made

    def test_reorder_turns_the_order_round(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        session = open_setup(api)
        delivering.flush()
        wait_until(lambda: delivering.pending() == 0)
        before = len(shop.received)
        hostile(delivering, reorder=True)
        delivering.complete(session.id)
        delivering.flush()
        wait_until(lambda: delivering.pending() == 0)
        assert shop.types()[before:] == [
            "checkout.session.completed",
            "setup_intent.succeeded",
            "payment_method.attached",
        ]

    def test_retry_ignores_a_good_answer_once(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        hostile(delivering, retry=1)
        (made,) = new_customers(api, 1)
        for _ in range(3):
            ask(f"{delivering.url}/_sim/flush", body={})
        assert objects(shop) == [made, made]
        assert delivering.next_due() is None

    @pytest.mark.parametrize(("trouble", "skew"), [("stale", -900), ("future", 900)])
    def test_a_wrong_time_is_signed_first_and_the_right_one_at_the_next_attempt(
        self,
        delivering: Handle,
        shop: Shop,
        api: stripe.StripeClient,
        trouble: str,
        skew: int,
    ) -> None:
        hostile(delivering, **{trouble: 1})
        shop.statuses = itertools.chain([400], itertools.repeat(200))
        new_customers(api, 1)
        for _ in range(2):
            ask(f"{delivering.url}/_sim/flush", body={})
        first, second = shop.received
        assert abs(first.timestamp - time.time() - skew) < 30
        assert abs(second.timestamp - time.time()) < 30

    def test_fail_after_commit_answers_500_and_has_charged(
        self, delivering: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(delivering, api)
        hostile(delivering, fail_after_commit=1)
        with pytest.raises(stripe.APIError):
            charge(api, customer, method, idempotency_key="i1:1")
        assert [one.status for one in api.v1.payment_intents.list().data] == ["succeeded"]
        assert charge(api, customer, method, idempotency_key="i1:1").status == "succeeded"
        assert len(api.v1.charges.list().data) == 1

    def test_lose_response_hangs_up_and_has_charged(
        self, delivering: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(delivering, api)
        hostile(delivering, lose_response=1)
        with pytest.raises(stripe.APIConnectionError):
            charge(api, customer, method, idempotency_key="i1:1")
        assert charge(api, customer, method, idempotency_key="i1:1").status == "succeeded"
        assert len(api.v1.charges.list().data) == 1

    def test_the_librarys_own_retry_finds_the_first_answer(
        self, delivering: Handle, api: stripe.StripeClient
    ) -> None:
        customer, method = saved_card(delivering, api)
        hostile(delivering, lose_response=1)
        charge(client(delivering, retries=2), customer, method)
        assert len(api.v1.charges.list().data) == 1

    def test_a_seed_replays_the_same_troubles(
        self, delivering: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        def story(**troubles: Any) -> tuple[int, list[int]]:
            seed = hostile(delivering, **troubles)
            before = len(shop.received)
            made = new_customers(api, 24)
            delivering.flush()
            wait_until(lambda: delivering.pending() == 0)
            return seed, [made.index(one) for one in objects(shop)[before:]]

        seed, first = story(duplicate=0.3, drop=0.3)
        again, second = story(duplicate=0.3, drop=0.3, seed=seed)
        assert (again, second) == (seed, first)
        assert first != list(range(24))
        _, other = story(duplicate=0.3, drop=0.3, seed=seed + 1)
        assert other != first

    @pytest.mark.parametrize(
        "wrong", [{"drop": 2}, {"drop": "often"}, {"earthquake": 1}, {"seed": "x"}]
    )
    def test_what_it_does_not_know_is_refused(
        self, delivering: Handle, wrong: dict[str, Any]
    ) -> None:
        assert ask(f"{delivering.url}/_sim/hostility", body=wrong).status == 400

    def test_it_is_off_unless_set_and_can_be_turned_off(self, delivering: Handle) -> None:
        url = f"{delivering.url}/_sim/hostility"
        calm = ask(url).json["hostility"]
        assert set(calm) == set(MEANINGS)
        assert not any(calm.values())
        hostile(delivering, drop=1)
        assert ask(url, method="DELETE").json["hostility"] == calm
        assert json.loads(ask(url).text)["hostility"] == calm
