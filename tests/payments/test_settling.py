"""Refunds and disputes, in any order and number of events: one end for license, money and mails."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.billing.rules import difference
from chalicelib.core.clock import HOUR, MINUTE
from chalicelib.licenses.verdicts import Code
from chalicelib.payments.processor import DisputeState, PaymentState
from chalicelib.payments.taken import Payment, position, settled, standing
from tests.crash import Killed, recorded
from tests.payments.conftest import OWNER, books, buy, mails, subscribed
from tests.payments.test_fulfillment import webhook
from tests.payments.test_renewals import ends_at, now_of

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Plan
    from chalicelib.payments.periods import Subscription
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor


@pytest.fixture
def of(crew: Plan, processor: FakeProcessor) -> Subscription:
    return subscribed(processor, crew, seats=3)


def payment_of(of: Subscription) -> str:
    return f"pi_{of.order_id}"


def told(kind: str, payment: str, event_id: str = "evt_1") -> None:
    """The processor's event about a payment, received and processed."""
    subject = {"id": f"ch_{payment}", "payment_intent": payment}
    webhook(json.dumps({"id": event_id, "type": kind, "data": {"object": subject}}).encode())
    wiring.payments().process(event_id)


def codes(of: Subscription) -> list[Code]:
    """What bars a launch of the license."""
    from chalicelib.licenses import rules

    head = wiring.licenses().head(of.license_id)
    assert head is not None
    return list(rules.right_barred(head, wiring.now()))


class TestRefunds:
    def test_a_part_given_back_leaves_the_license(
        self, of: Subscription, tables: Tables, processor: FakeProcessor
    ) -> None:
        processor.refund(payment_of(of), 700, "r1")
        told("charge.refunded", payment_of(of))
        assert (codes(of), now_of(of)) == ([], of)
        assert books(tables) == {"processor": 2_000, "sales": -2_700, "refunds": 700}
        assert mails(tables).count("refunded") == 1

    def test_all_given_back_ends_license_and_renewals(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.refund(payment_of(of), 2_700, "r1")
        told("charge.refunded", payment_of(of))
        assert codes(of) == [Code.EXPIRED]
        assert (now_of(of).state, now_of(of).due) == ("ended", None)
        assert books(tables) == {"sales": -2_700, "refunds": 2_700}
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert processor.asked == []

    def test_a_pass_that_is_given_back_ends(
        self, day_pass: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        order = buy(processor, day_pass)
        processor.refund(f"pi_{order.id}", 500, "r1")
        told("charge.refunded", f"pi_{order.id}")
        assert not wiring.licenses().usable(order.license_id or "")

    def test_an_earlier_period_given_back_is_money_alone(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        wiring.renewals().sweep()
        processor.refund(payment_of(of), 2_700, "r1")
        told("charge.refunded", payment_of(of))
        assert (codes(of), now_of(of).state) == ([], "active")
        assert books(tables)["refunds"] == 2_700

    def test_in_two_parts_it_is_told_twice_and_posted_once_each(
        self, of: Subscription, tables: Tables, processor: FakeProcessor
    ) -> None:
        for number, amount in enumerate((700, 2_000)):
            processor.refund(payment_of(of), amount, f"r{number}")
            for copy in ("a", "b"):
                told("charge.refunded", payment_of(of), f"evt_{number}{copy}")
        assert mails(tables).count("refunded") == 2
        assert books(tables) == {"sales": -2_700, "refunds": 2_700}
        assert codes(of) == [Code.EXPIRED]

    def test_a_refund_that_failed_is_posted_back(
        self, of: Subscription, tables: Tables, processor: FakeProcessor
    ) -> None:
        processor.refund(payment_of(of), 700, "r1")
        told("charge.refunded", payment_of(of))
        processor.refund(payment_of(of), -700, "r1 failed")
        told("refund.failed", payment_of(of), "evt_2")
        assert books(tables) == {"processor": 2_700, "sales": -2_700}

    def test_money_that_was_posted_for_nobody_is_posted_back_when_it_is_given_back(
        self, crew: Plan, tables: Tables, processor: FakeProcessor
    ) -> None:
        order = wiring.orders().place(OWNER, "halyard", crew.id, "a", seats=3)
        wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        processor.complete(f"cs_{order.id}", received=2_600)
        wiring.orders().settle(OWNER, order.id)
        processor.refund(f"pi_{order.id}", 2_600, "r1")
        told("charge.refunded", f"pi_{order.id}")
        assert books(tables) == {"unmatched": -2_600, "refunds": 2_600}
        assert mails(tables) == ["refunded"]

    def test_while_a_charge_is_on_its_way_the_refund_waits_for_it(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        processor.lose_answers = True
        wiring.renewals().sweep()
        processor.lose_answers = False
        processor.refund(payment_of(of), 2_700, "r1")
        told("charge.refunded", payment_of(of))
        assert now_of(of).charging == 1
        clock.advance(15 * MINUTE)
        wiring.renewals().sweep()
        wiring.payments().sweep()
        # By then the refund is of a period that is over, and the new one was paid.
        assert (now_of(of).state, now_of(of).period) == ("active", 1)
        assert books(tables) == {"processor": 2_700, "sales": -5_400, "refunds": 2_700}


class TestDisputes:
    def test_an_inquiry_changes_nothing(
        self, of: Subscription, tables: Tables, processor: FakeProcessor
    ) -> None:
        processor.dispute(payment_of(of), "warning_needs_response")
        told("charge.dispute.created", payment_of(of))
        assert (codes(of), now_of(of)) == ([], of)
        assert books(tables) == {"processor": 2_700, "sales": -2_700}

    def test_while_a_bank_decides_nothing_new_starts_and_nothing_is_charged(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.dispute(payment_of(of), "needs_response")
        told("charge.dispute.created", payment_of(of))
        assert codes(of) == [Code.PAYMENT_DUE]
        assert books(tables) == {"sales": -2_700, "disputed": 2_700}
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert (processor.asked, now_of(of).state) == ([], "active")

    def test_one_that_is_won_is_as_if_it_had_not_been(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        for number, status in enumerate(("needs_response", "under_review", "won")):
            processor.dispute(payment_of(of), status)
            told("charge.dispute.updated", payment_of(of), f"evt_{number}")
        assert codes(of) == []
        assert books(tables) == {"processor": 2_700, "sales": -2_700}
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert now_of(of).period == 1

    def test_one_that_is_lost_is_written_off_once_and_ends_the_license(
        self, both_engines: str, of: Subscription, tables: Tables, processor: FakeProcessor
    ) -> None:
        for number, status in enumerate(("needs_response", "lost", "lost")):
            processor.dispute(payment_of(of), status)
            told("charge.dispute.closed", payment_of(of), f"evt_{number}")
        assert codes(of) == [Code.EXPIRED]
        assert now_of(of).state == "ended"
        assert books(tables) == {"sales": -2_700, "losses": 2_700}
        assert mails(tables).count("subscription_ended") == 1

    def test_one_lost_and_one_open_are_each_in_the_books_until_both_are_decided(
        self, both_engines: str, of: Subscription, tables: Tables, processor: FakeProcessor
    ) -> None:
        taken = {"processor": 1_300, "sales": -2_700}
        for number, (second, left) in enumerate(
            [
                ("needs_response", {"processor": 900, "disputed": 400}),
                ("won", {}),
                ("under_review", {"processor": 900, "disputed": 400}),
                ("lost", {"processor": 900, "losses": 1_800}),
            ]
        ):
            processor.disputes[payment_of(of)] = [
                DisputeState("dp_1", "lost", 1_400), DisputeState("dp_2", second, 400),
            ]  # fmt: skip
            told("charge.dispute.updated", payment_of(of), f"evt_{number}")
            assert books(tables) == {**taken, "losses": 1_400, **left}
            assert codes(of) == [Code.EXPIRED]

    def test_two_payments_of_one_license_hold_it_each(
        self, both_engines: str, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        wiring.renewals().sweep()
        other = processor.charged[0]
        for number, payment in enumerate((payment_of(of), other)):
            processor.dispute(payment, "needs_response")
            told("charge.dispute.created", payment, f"evt_{number}")
        processor.dispute(other, "won")
        told("charge.dispute.closed", other, "evt_3")
        assert codes(of) == [Code.PAYMENT_DUE]
        processor.dispute(payment_of(of), "won")
        told("charge.dispute.closed", payment_of(of), "evt_4")
        assert codes(of) == []

    def test_a_suspension_and_a_dispute_do_not_lift_each_other(
        self, of: Subscription, processor: FakeProcessor
    ) -> None:
        wiring.licenses().suspend(of.license_id)
        processor.dispute(payment_of(of), "needs_response")
        told("charge.dispute.created", payment_of(of))
        assert codes(of) == [Code.SUSPENDED, Code.PAYMENT_DUE]
        wiring.licenses().reinstate(of.license_id)
        assert codes(of) == [Code.PAYMENT_DUE]
        processor.dispute(payment_of(of), "won")
        told("charge.dispute.closed", payment_of(of), "evt_2")
        assert codes(of) == []


HISTORY = {
    "part": lambda processor, payment: processor.refund(payment, 700, "r1"),
    "inquiry": lambda processor, payment: processor.dispute(payment, "warning_closed"),
    "opened": lambda processor, payment: processor.dispute(payment, "needs_response"),
    "lost": lambda processor, payment: processor.dispute(payment, "lost"),
}


class TestAnyOrder:
    @pytest.mark.guarantee("G5")
    @pytest.mark.parametrize("arrival", list(permutations(range(4))), ids=str)
    def test_events_in_any_order_end_the_same(
        self,
        arrival: tuple[int, ...],
        of: Subscription,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        """Some come after all has happened, some twice, one while it still goes on."""
        happen = list(HISTORY.values())
        for moment, event in enumerate(arrival):
            happen[moment](processor, payment_of(of))
            told("charge.dispute.updated", payment_of(of), f"evt_{event}")
            wiring.payments().process("evt_0")
        assert codes(of) == [Code.EXPIRED]
        assert ends_at(of) == clock.now
        assert now_of(of).state == "ended"
        assert books(tables) == {
            "processor": -700, "sales": -2_700, "refunds": 700, "losses": 2_700,
        }  # fmt: skip

    @pytest.mark.parametrize("told_of", ["all", "last"])
    @pytest.mark.parametrize("final", ["won", "lost"])
    def test_lost_events_change_nothing_in_the_end(
        self, told_of: str, final: str, of: Subscription, tables: Tables, processor: FakeProcessor
    ) -> None:
        for number, status in enumerate(("needs_response", "under_review", final)):
            processor.dispute(payment_of(of), status)
            if told_of == "all" or status == final:
                told("charge.dispute.updated", payment_of(of), f"evt_{number}")
        assert codes(of) == ([] if final == "won" else [Code.EXPIRED])
        lost = {"sales": -2_700, "losses": 2_700}
        assert books(tables) == (lost if final == "lost" else {"processor": 2_700, "sales": -2_700})

    def test_an_event_that_comes_before_its_payment_is_known_waits_for_it(
        self, crew: Plan, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        order = wiring.orders().place(OWNER, "halyard", crew.id, "a", seats=3)
        wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        processor.complete(f"cs_{order.id}")
        processor.dispute(f"pi_{order.id}", "needs_response")
        told("charge.dispute.created", f"pi_{order.id}")
        of = now_of_order(wiring.orders().settle(OWNER, order.id).license_id or "")
        assert codes(of) == []
        clock.advance(MINUTE)
        wiring.payments().sweep()
        assert codes(of) == [Code.PAYMENT_DUE]

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("death", range(13))
    def test_killed_at_any_call_the_sweep_settles_it(
        self,
        death: int,
        after: bool,
        of: Subscription,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        processor.refund(payment_of(of), 2_700, "r1")
        wiring.payments()
        try:
            with recorded(death, after=after) as calls:
                told("charge.refunded", payment_of(of))
        except Killed:
            pass
        else:
            assert len(calls) <= death, "it survived a death that it met"
        clock.advance(HOUR)
        if (wiring.payments().store.inbox("evt_1") or {}) == {}:
            told("charge.refunded", payment_of(of))  # it was not taken, so it is sent again
        wiring.payments().sweep()
        wiring.license_sweep().run()
        assert (codes(of), now_of(of).state) == ([Code.EXPIRED], "ended")
        assert books(tables) == {"sales": -2_700, "refunds": 2_700}
        assert mails(tables).count("refunded") == 1
        assert wiring.licenses().store.work(of.license_id) == []


def now_of_order(license_id: str) -> Subscription:
    return wiring.subscriptions().of(OWNER, license_id)


PAID = Payment(
    "pi_1", "acc_1", "ord_1", "lic_1", "app_1", "Halyard", "vnd_1", 2_700, "USD", taken_at=0
)
STATES = st.tuples(
    st.integers(0, 2_700),
    st.lists(
        st.sampled_from(
            ["warning_needs_response", "needs_response", "under_review", "won", "lost"]
        ),
        max_size=2,
    ),
)


class TestRules:
    @given(STATES)
    def test_every_position_sums_to_zero(self, state: tuple[int, list[str]]) -> None:
        assert sum(position(as_seen(PAID, state)).values()) == 0
        assert sum(position(replace(as_seen(PAID, state), license_id=None)).values()) == 0

    @given(st.lists(STATES, max_size=5), STATES)
    def test_what_stands_in_the_end_depends_on_the_last_look_alone(
        self, looks: list[tuple[int, list[str]]], last: tuple[int, list[str]]
    ) -> None:
        held: dict[str, int] = dict(position(PAID))
        of = PAID
        for look in [*looks, last]:
            after = as_seen(of, look)
            for account, amount in difference(position(after), position(of)).items():
                held[account] = held.get(account, 0) + amount
            of = after
        straight = as_seen(PAID, last)
        assert standing(of) == standing(straight)
        assert held == {**dict.fromkeys(held, 0), **position(straight)}

    @given(STATES)
    def test_the_books_hold_each_dispute_whatever_the_others_are(
        self, state: tuple[int, list[str]]
    ) -> None:
        refunded, disputes = state
        waits = [one for one in disputes if one in {"needs_response", "under_review"}]
        held = position(as_seen(PAID, state))
        assert held["disputed"] == 2_700 * len(waits)
        assert held["losses"] == 2_700 * disputes.count("lost")
        assert held["processor"] == 2_700 - refunded - held["disputed"] - held["losses"]

    @pytest.mark.parametrize(
        ("refunded", "disputes", "becomes"),
        [
            (0, [], ""),
            (2_699, [], ""),
            (2_700, [], "over"),
            (0, ["warning_under_review"], ""),
            (0, ["needs_response"], "held"),
            (0, ["under_review"], "held"),
            (0, ["won"], ""),
            (0, ["lost"], "over"),
            (0, ["won", "needs_response"], "held"),
            (0, ["needs_response", "lost"], "over"),
            (0, ["a status that came later"], ""),
        ],
    )
    def test_what_a_payment_does_to_its_license(
        self, refunded: int, disputes: list[str], becomes: str
    ) -> None:
        assert standing(as_seen(PAID, (refunded, disputes))) == becomes


def as_seen(of: Payment, state: tuple[int, list[str]]) -> Payment:
    refunded, disputes = state
    found = [DisputeState(f"dp_{n}", status, 2_700) for n, status in enumerate(disputes)]
    paid = PaymentState("pi_1", "succeeded", 2_700, 2_700, "USD", refunded=refunded)
    return settled(of, paid, found)
