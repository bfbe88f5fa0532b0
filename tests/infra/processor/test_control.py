"""The controls, the guards against other sites, and what outlives a restart."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import stripe

from infra.local.processor import Handle
from infra.local.processor.control import CONTROLS
from tests.infra.processor.conftest import (
    SECRETS,
    Shop,
    ask,
    charge,
    client,
    form,
    open_setup,
    saved_card,
)


class TestOverview:
    def test_every_control_is_listed_for_programs_and_for_people(self, processor: Handle) -> None:
        listed = ask(f"{processor.url}/_sim/", headers={"Accept": "application/json"}).json
        page = ask(f"{processor.url}/_sim/", headers={"Accept": "text/html"})
        assert "text/html" in page.headers["Content-Type"]
        assert len(listed["controls"]) == len(CONTROLS)
        for one in listed["controls"]:
            assert f"{one['method']} {one['path']}" in page.text
            assert one["does"]
            assert one["answers"]

    def test_open_sessions_are_listed_with_their_pages(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        session = open_setup(api)
        assert ask(f"{processor.url}/_sim/sessions").json["sessions"][0]["url"] == session.url
        page = ask(f"{processor.url}/_sim/", headers={"Accept": "text/html"}).text
        assert f'href="/c/pay/{session.id}"' in page

    def test_an_unknown_control_is_404(self, processor: Handle) -> None:
        assert ask(f"{processor.url}/_sim/earthquake").status == 404


class TestComplete:
    def test_it_answers_where_the_browser_would_have_gone(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        session = open_setup(api)
        answer = ask(
            f"{processor.url}/_sim/complete",
            body={"session": session.id, "card": "4242424242424242"},
        ).json
        assert answer["completed"] is True
        assert answer["redirect"] == f"http://localhost:9/orders/o1?checkout={session.id}"

    def test_it_answers_the_decline_and_keeps_the_session_open(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        session = open_setup(api)
        answer = ask(
            f"{processor.url}/_sim/complete",
            body={"session": session.id, "card": "4000000000009995"},
        ).json
        assert (answer["completed"], answer["redirect"]) == (False, None)
        assert answer["decline"]["decline_code"] == "insufficient_funds"
        assert api.v1.checkout.sessions.retrieve(session.id).status == "open"

    def test_the_banks_question_can_be_refused(
        self, processor: Handle, api: stripe.StripeClient
    ) -> None:
        session = open_setup(api)
        body = {"session": session.id, "card": "authenticates-always", "confirm": False}
        answer = ask(f"{processor.url}/_sim/complete", body=body).json
        assert answer["decline"]["code"] == "setup_intent_authentication_failure"

    @pytest.mark.parametrize("card", ["4111111111111111", "anything"])
    def test_only_test_cards_are_taken(
        self, processor: Handle, api: stripe.StripeClient, card: str
    ) -> None:
        session = open_setup(api)
        body = {"session": session.id, "card": card}
        answer = ask(f"{processor.url}/_sim/complete", body=body)
        assert answer.status == 400
        assert card not in answer.text


class TestOtherSites:
    @pytest.mark.parametrize("path", ["/_sim/", "/v1/customers", "/c/pay/cs_test_1"])
    def test_a_foreign_host_name_gets_nothing(self, processor: Handle, path: str) -> None:
        answer = ask(processor.url + path, headers={"Host": "evil.example"})
        assert answer.status == 421

    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://localhost:9"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_a_write_from_another_site_is_refused(
        self, processor: Handle, api: stripe.StripeClient, headers: dict[str, str]
    ) -> None:
        session = open_setup(api)
        answer = ask(session.url, form=form("4242424242424242"), headers=headers)
        assert answer.status == 403
        answer = ask(f"{processor.url}/_sim/reset", body={}, headers=headers)
        assert answer.status == 403
        assert api.v1.checkout.sessions.retrieve(session.id).status == "open"

    def test_a_write_from_its_own_page_is_taken(self, api: stripe.StripeClient) -> None:
        session = open_setup(api)
        own = {"Origin": session.url.partition("/c/")[0], "Sec-Fetch-Site": "same-origin"}
        answer = ask(session.url, form=form("4242424242424242"), headers=own)
        assert answer.status == 303

    @pytest.mark.parametrize("body", ["[]", "{", "\xff"])
    def test_a_body_that_is_no_json_object_is_400(self, processor: Handle, body: str) -> None:
        answer = ask(f"{processor.url}/_sim/hostility", raw=body.encode("latin-1"))
        assert answer.status == 400


class TestState:
    def test_a_restart_keeps_objects_replies_and_secrets(
        self, start: Callable[..., Handle], shop: Shop
    ) -> None:
        first = start()
        first.set_endpoint(shop.url, SECRETS)
        api = client(first)
        customer, method = saved_card(first, api)
        made = charge(api, customer, method, idempotency_key="i1:1")
        waiting = open_setup(api)
        api.v1.customers.create({}, {"idempotency_key": "k"})
        first.stop()
        second = start()
        api = client(second)
        assert charge(api, customer, method, idempotency_key="i1:1").id == made.id
        assert api.v1.checkout.sessions.retrieve(waiting.id).url == (
            f"{second.url}/c/pay/{waiting.id}"
        )
        assert second.complete(waiting.id)["completed"]
        listed = ask(f"{second.url}/_sim/webhooks").json["endpoints"][0]
        assert listed["secrets"] == list(SECRETS)

    def test_ids_never_repeat_after_a_restart_or_a_reset(
        self, start: Callable[..., Handle]
    ) -> None:
        first = start()
        ids = {client(first).v1.customers.create({}).id}
        ask(f"{first.url}/_sim/reset", body={})
        ids.add(client(first).v1.customers.create({}).id)
        first.stop()
        ids.add(client(start()).v1.customers.create({}).id)
        assert len(ids) == 3

    def test_a_reset_forgets_all_but_the_endpoints(
        self, processor: Handle, shop: Shop, api: stripe.StripeClient
    ) -> None:
        processor.set_endpoint(shop.url, SECRETS)
        session = open_setup(api)
        ask(f"{processor.url}/_sim/hostility", body={"drop": 1})
        ask(f"{processor.url}/_sim/reset", body={})
        assert api.v1.events.list().data == []
        assert ask(session.url).status == 404
        api.v1.customers.create({})
        for _ in range(100):
            if "customer.created" in shop.types()[-1:]:
                break
            time.sleep(0.05)
        assert shop.types()[-1] == "customer.created"


NUMBERS = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009995",
    "4000000000000069",
    "4000002500003155",
    "4000000000000341",
    "4000000000000259",
)


class TestCardNumbers:
    def test_no_card_number_reaches_a_file_an_object_or_a_page(
        self, processor: Handle, api: stripe.StripeClient, tmp_path: Path, shop: Shop
    ) -> None:
        processor.set_endpoint(shop.url, SECRETS)
        for number in NUMBERS:
            session = open_setup(api)
            ask(session.url, form=form(number))
            ask(session.url + "/confirm", form={"answer": "confirm"})
            other = open_setup(api)
            processor.complete(other.id, number)
        refused = ask(open_setup(api).url, form=form("4111 1111 1111 1111", cvc="987"))
        assert "4111" not in refused.text
        assert "987" not in refused.text
        processor.flush()
        kept = b"".join(path.read_bytes() for path in (tmp_path / "processor").iterdir())
        sent = b"".join(one.body for one in shop.received)
        listed = ask(f"{processor.url}/_sim/deliveries").text.encode()
        for number in (*NUMBERS, "4111111111111111"):
            spaced = " ".join(number[at : at + 4] for at in range(0, 16, 4))
            for text in (number.encode(), spaced.encode()):
                assert text not in kept
                assert text not in sent
                assert text not in listed
        assert b"last4" in kept
