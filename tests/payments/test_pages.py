"""What a person sees of orders and subscriptions, and what each click does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import State
from chalicelib.core.clock import DAY, HOUR, to_datetime
from chalicelib.edge.cookies import SESSION
from tests.browser import Browser
from tests.payments.conftest import OWNER, STRANGER, add_account, buy, sign_contract, subscribed
from tests.payments.test_renewals import now_of
from tests.payments.test_settling import told

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Plan
    from chalicelib.payments.periods import Subscription
    from tests.browser import Answer
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

HERE = "/account/subscriptions"


def browser_of(account_id: str) -> Browser:
    account = wiring.accounts().account(account_id)
    assert account is not None
    token, writes = wiring.sessions().start(account, wiring.now())
    wiring.account_store().transact(*writes)
    return Browser(cookies={SESSION.name: token})


@pytest.fixture
def of(crew: Plan, processor: FakeProcessor) -> Subscription:
    return subscribed(processor, crew, seats=3)


@pytest.fixture
def owner(plan: Plan) -> Browser:
    return browser_of(OWNER)


def date(instant: int) -> str:
    moment = to_datetime(instant)
    return f"{moment.day} {moment:%B %Y}"


class TestSubscriptions:
    def test_without_one_the_page_says_so(self, owner: Browser) -> None:
        assert "You have no subscription." in owner.get(HERE).words

    def test_it_says_what_is_charged_when_and_to_which_card(
        self, owner: Browser, of: Subscription
    ) -> None:
        words = owner.get(HERE).words
        assert "Halyard, Crew" in words
        assert "27.00 USD a month" in words
        assert f"Next charge {date(of.period_end)}" in words
        assert "Visa ending in 4242" in words

    def test_two_clicks_cancel_it_and_the_first_changes_nothing(
        self, owner: Browser, of: Subscription
    ) -> None:
        place = f"{HERE}/{of.license_id}/cancel"
        page = owner.get(place)
        assert f"It runs until {date(of.period_end)}" in page.words
        assert "all its 3 seats" in page.words
        assert "Nothing more is charged." in page.words
        assert now_of(of) == of
        shown = re.findall(r'name="shown" value="(\d+)"', page.text)
        answer = owner.post(place, {"shown": shown[0]}, page=place)
        assert (answer.status, answer.location) == (303, f"{HERE}?done=canceled")
        words = owner.get(answer.location).words
        assert "Canceled: it runs until" in words
        assert "Next charge" not in words

    def test_it_can_be_kept_until_its_end_and_not_after(
        self, owner: Browser, of: Subscription, clock: FakeClock
    ) -> None:
        wiring.subscriptions().cancel(OWNER, of.license_id, of.version)
        answer = owner.post(f"{HERE}/{of.license_id}/keep", {}, page=HERE)
        assert answer.location == f"{HERE}?done=kept"
        assert now_of(of).state == "active"
        wiring.subscriptions().cancel(OWNER, of.license_id, now_of(of).version)
        clock.now = of.period_end
        late = browser_of(OWNER)
        answer = late.post(f"{HERE}/{of.license_id}/keep", {}, page=HERE)
        assert answer.status == 409
        assert "It has ended and cannot be taken up again." in answer.words

    def test_an_effect_that_is_not_what_was_shown_is_shown_anew(
        self, owner: Browser, of: Subscription
    ) -> None:
        place = f"{HERE}/{of.license_id}/cancel"
        answer = owner.post(place, {"shown": str(of.version + 1)}, page=place)
        assert answer.status == 409
        assert "The subscription changed after this page was shown." in answer.words
        assert "It runs until" in answer.words
        assert now_of(of) == of

    def test_a_form_of_another_browser_cancels_nothing(
        self, owner: Browser, of: Subscription
    ) -> None:
        place = f"{HERE}/{of.license_id}/cancel"
        forged = f"csrf=forged&shown={of.version}".encode()
        assert owner.post_raw(place, forged).status in {403, 409, 422}
        assert now_of(of) == of

    @pytest.mark.guarantee("G7")
    def test_another_persons_is_answered_like_one_that_does_not_exist(
        self, owner: Browser, of: Subscription
    ) -> None:
        stranger = browser_of(STRANGER)
        for path in (f"{HERE}/{of.license_id}/cancel", f"{HERE}/lic_none/cancel"):
            assert stranger.get(path).status == 404
        for verb, fields in (("cancel", {"shown": "1"}), ("keep", {}), ("card", {"attempt": "a"})):
            answers = [
                stranger.post(f"{HERE}/{name}/{verb}", fields, page="/account/setup/password")
                for name in (of.license_id, "lic_none")
            ]
            assert [answer.status for answer in answers] == [404, 404]
        assert now_of(of) == of

    def test_a_refused_card_is_told_with_what_to_do(
        self, owner: Browser, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "expired_card"
        clock.now = of.period_end
        wiring.renewals().sweep()
        words = browser_of(OWNER).get(HERE).words
        assert "The card was refused. Use another one by" in words
        assert "Use another card" in words

    def test_another_card_pays_what_is_due(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "expired_card"
        clock.now = of.period_end
        wiring.renewals().sweep()
        browser = browser_of(OWNER)
        answer = browser.post(f"{HERE}/{of.license_id}/card", {"attempt": "a"}, page=HERE)
        session = answer.location.rpartition("/")[2]
        order = session.removeprefix("cs_")
        processor.complete(session)
        processor.decline = ""
        assert "Your card was replaced" in browser.get(f"/orders/{order}").words
        clock.advance(HOUR)
        wiring.renewals().sweep()
        assert (now_of(of).state, now_of(of).period) == ("active", 1)
        assert len(wiring.licenses().of_account(OWNER)) == 1

    def test_five_other_cards_a_day_and_eight_tries_a_period(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "expired_card"
        clock.now = of.period_end
        wiring.renewals().sweep()
        browser = browser_of(OWNER)

        def give(attempt: str) -> Answer:
            path = f"{HERE}/{of.license_id}/card"
            answer = browser.post(path, {"attempt": attempt}, page=HERE)
            if answer.status == 303:
                session = answer.location.rpartition("/")[2]
                processor.complete(session)
                browser.get(f"/orders/{session.removeprefix('cs_')}")
                wiring.renewals().sweep()
            return answer

        assert [give(f"try{n}").status for n in range(6)] == [303] * 5 + [429]
        assert "five times a day" in give("try6").words
        again = browser.post(f"{HERE}/{of.license_id}/card", {"attempt": "try0"}, page=HERE)
        assert again.status == 303, "the same click again is the same order"
        assert len(processor.asked) == 6
        clock.advance(DAY)
        assert [give(f"next{n}").status for n in range(3)] == [303, 303, 429]
        assert (now_of(of).tries, len(processor.asked)) == (8, 8)
        clock.advance(8 * DAY)
        wiring.renewals().sweep()
        assert (now_of(of).state, len(processor.asked)) == ("ended", 8)

    def test_another_card_of_one_that_is_paid_is_charged_from_the_next_period_on(
        self, owner: Browser, of: Subscription, processor: FakeProcessor
    ) -> None:
        for _ in range(2):
            answer = owner.post(f"{HERE}/{of.license_id}/card", {"attempt": "a"}, page=HERE)
        processor.complete(answer.location.rpartition("/")[2])
        order = answer.location.rpartition("cs_")[2]
        assert "Your card was replaced" in owner.get(f"/orders/{order}").words
        assert now_of(of) == of
        assert [one.card_for for one in wiring.orders().all(OWNER)].count(of.license_id) == 1


class TestOrders:
    @pytest.mark.promise("PS-40")
    def test_without_a_contract_in_force_checkout_answers_503_and_says_why(
        self, owner: Browser, plan: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        sign_contract(clock.now)
        answer = owner.post("/apps/halyard/orders", {"plan": plan.id}, page="/orders")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "3600")
        assert "contract with the card processor" in answer.words
        assert (processor.customers, processor.checkouts) == ({}, {})

    @pytest.mark.promise("PS-15")
    def test_an_unconfirmed_account_is_led_to_no_card_page(
        self, plan: Plan, processor: FakeProcessor
    ) -> None:
        add_account("acc_new", State.UNCONFIRMED)
        browser = browser_of("acc_new")
        answer = browser.post("/apps/halyard/orders", {"plan": plan.id}, page="/login")
        assert (answer.status, answer.location.partition("?")[0]) == (303, "/login")
        assert wiring.orders().all("acc_new") == []
        assert processor.checkouts == {}

    def test_a_subscription_that_was_paid(self, owner: Browser, of: Subscription) -> None:
        words = owner.get(f"/orders/{of.order_id}").words
        for said in (
            "Halyard is ready", f"paid until {date(of.period_end)}", "Seats 3",
            "9.00 USD a month for each seat", "Charged 27.00 USD", "Visa ending in 4242",
        ):  # fmt: skip
            assert said in words

    def test_a_pass_that_was_paid(
        self, owner: Browser, day_pass: Plan, processor: FakeProcessor
    ) -> None:
        order = buy(processor, day_pass)
        words = owner.get(f"/orders/{order.id}").words
        assert "Your pass is paid. Nothing more will be charged." in words
        assert "Charged 5.00 USD" in words

    def test_a_trial_that_has_begun(
        self, owner: Browser, trial: Plan, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = buy(processor, trial)
        words = owner.get(f"/orders/{order.id}").words
        assert "Nothing was charged, and nothing will be" in words
        assert f"Ends {date(clock.now + 14 * DAY)}" in words

    @pytest.mark.parametrize(
        ("paid", "said"),
        [
            ({"received": 1}, "Do not pay again"),
            ({"status": "canceled", "received": 0}, "Order again, with the same or another card"),
        ],
    )
    def test_one_that_was_refused_says_what_to_do(
        self,
        paid: dict[str, object],
        said: str,
        owner: Browser,
        day_pass: Plan,
        processor: FakeProcessor,
    ) -> None:
        order = wiring.orders().place(OWNER, "halyard", day_pass.id, "a")
        wiring.orders().card_page(order, "https://cetrus.test/x")
        processor.complete(f"cs_{order.id}", **paid)
        words = owner.get(f"/orders/{order.id}").words
        assert "This order was refused" in words
        assert said in words
        assert "Refused" in owner.get("/orders").words

    def test_what_was_given_back_stands_with_its_payment(
        self, owner: Browser, of: Subscription, processor: FakeProcessor
    ) -> None:
        processor.refund(f"pi_{of.order_id}", 700, "r1")
        told("charge.refunded", f"pi_{of.order_id}")
        assert "7.00 USD given back" in owner.get(f"/orders/{of.order_id}").words

    def test_an_order_form_leads_to_the_processors_page(
        self, owner: Browser, crew: Plan, processor: FakeProcessor, tables: Tables
    ) -> None:
        fields = {"plan": crew.id, "attempt": "a", "seats": "2"}
        answer = owner.post("/apps/halyard/orders", fields, page="/account/setup/password")
        assert answer.status == 303
        assert answer.location.startswith("https://checkout.processor.test/cs_")
        words = owner.get(f"/orders/{answer.location.rpartition('cs_')[2]}").words
        assert "To pay 18.00 USD" in words
        assert "If you have just paid, load this page again" in words
