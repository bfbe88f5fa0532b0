"""Never two charges for one period, and never a period without its charge or its end."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, MINUTE, months_after
from chalicelib.licenses.member_store import Invitation
from chalicelib.mail.letters import Letterhead, compose
from chalicelib.mail.templates import TEMPLATES
from chalicelib.payments.periods import GRACE
from chalicelib.payments.processor import PaymentState
from chalicelib.payments.renewals import LATER
from chalicelib.payments.subscription_store import SubscriptionStore
from chalicelib.privacy.sinks import Recipient
from tests.crash import Killed, recorded
from tests.payments.conftest import (
    CARD,
    OWNER,
    books,
    buy,
    interleaved,
    mails,
    subscribed,
)
from tests.payments.test_fulfillment import kinds

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Plan
    from chalicelib.licenses.member_store import MemberStore
    from chalicelib.payments.periods import Subscription
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor


def now_of(of: Subscription) -> Subscription:
    return wiring.subscriptions().of(OWNER, of.license_id)


def ends_at(of: Subscription) -> int:
    head = wiring.licenses().head(of.license_id)
    assert head is not None
    assert head.ends_at is not None
    return head.ends_at


def assert_renewed_once(of: Subscription, tables: Tables, processor: FakeProcessor) -> None:
    after = now_of(of)
    assert (after.state, after.period, after.charging) == ("active", 1, None)
    assert after.period_start == of.period_end
    assert after.period_end == months_after(of.anchor, 2)
    assert ends_at(of) == after.period_end + GRACE
    assert len(processor.charged) == 1
    assert books(tables) == {"processor": 5_400, "sales": -5_400}
    assert mails(tables) == ["download_ready", "receipt", "receipt"]
    assert (kinds(tables)["payment"], kinds(tables)["effect"]) == (2, 2)


def put_member(store: MemberStore, of: Subscription, account: str, role: str, at: int) -> None:
    """As if the account had accepted an invitation at this instant."""
    invitation = Invitation(
        f"inv_{account}", of.license_id, OWNER, "app", "App", "vnd", "pln", "Plan", role,
        f"sub_{account}", "claim", at, at + DAY, state="accepted", member=account,
    )  # fmt: skip
    store.transact(store.put_invitation(invitation))


MOST_CALLS = 18  # of a renewal, with what is written before the processor is told


@pytest.fixture
def of(crew: Plan, processor: FakeProcessor) -> Subscription:
    return subscribed(processor, crew, seats=3)


class TestVendorsEnd:
    def test_no_period_is_charged_that_the_license_would_not_last(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        wiring.licenses().end_at(of.license_id, of.period_end + 20 * DAY)
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert (processor.asked, ends_at(of)) == ([], of.period_end + 20 * DAY)
        clock.now = of.period_end + GRACE
        wiring.renewals().sweep()
        assert (now_of(of).state, ends_at(of), processor.asked) == ("ended", clock.now, [])

    def test_it_is_set_while_a_charge_is_on_its_way_and_stays(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        processor.silent = True
        wiring.renewals().sweep()
        processor.silent, ends = False, of.period_end + 20 * DAY
        wiring.licenses().end_at(of.license_id, ends)
        clock.advance(LATER)
        wiring.renewals().sweep()
        assert (now_of(of).period, ends_at(of), len(processor.asked)) == (1, ends, 1)

    def test_a_license_without_an_end_is_renewed_and_keeps_none(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        wiring.licenses().end_at(of.license_id, None)
        clock.now = of.period_end
        wiring.renewals().sweep()
        head = wiring.licenses().head(of.license_id)
        assert head
        assert (now_of(of).period, head.ends_at) == (1, None)


class TestPaid:
    @pytest.mark.guarantee("G5")
    def test_a_period_that_ends_is_followed_by_one_that_is_paid(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        assert wiring.renewals().sweep() == {"done": 1, "failed": 0}
        assert_renewed_once(of, tables, processor)
        (charge,) = processor.asked
        assert (charge.amount, charge.currency, charge.key) == (
            2_700, "USD", f"{of.license_id}:1:1",
        )  # fmt: skip

    def test_members_who_see_the_bills_get_the_receipt_as_well(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        store = wiring.member_store()
        for number, role in enumerate(("billing", "user", "both", *["billing"] * 5)):
            put_member(store, of, f"acc_{number}", role, clock.now + number)
        clock.now = of.period_end
        wiring.renewals().sweep()
        found = [item for item in tables.items("accounts") if item["type"] == "message"]
        told = [item["account"] for item in found if item["template"] == "receipt"]
        assert told == [OWNER, OWNER]
        copies = [item for item in found if item["template"] == "receipt_copy"]
        assert sorted(item["account"] for item in copies) == [
            "acc_0", "acc_2", "acc_3", "acc_4", "acc_5",
        ]  # fmt: skip

    @pytest.mark.guarantee("G5")
    def test_the_copy_of_a_receipt_names_no_card_and_leads_to_the_members_own_page(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        put_member(wiring.member_store(), of, "acc_0", "billing", clock.now)
        clock.now = of.period_end
        wiring.renewals().sweep()
        (copy,) = (i for i in tables.items("accounts") if i.get("template") == "receipt_copy")
        message = wiring.outbox().store.message(copy["pk"].partition("#")[2])
        assert message is not None
        head = Letterhead("Cetrus <mail@cetrus.test>", "cetrus.test", "https://cetrus.test")
        kim = Recipient("kim@example.com", "Kim", "Kim Lee", "kim")
        raw = compose(head, message, TEMPLATES["receipt_copy"], kim, "").raw
        mail = message_from_bytes(raw, policy=policy.default)
        for part in mail.iter_parts():
            text = str(part.get_content())
            assert CARD.last4 not in text.replace(of.license_id, "").replace(of.order_id, "")
            assert CARD.brand not in text.lower()
            assert "27.00 USD" in text
            assert f"https://cetrus.test/account/shared/{of.license_id}" in text
            assert "/account/subscriptions" not in text
            assert "/orders/" not in text
            assert "placed this order" not in text
        told = " ".join(str(value) for value in message.arguments.values())
        assert CARD.last4 not in told.replace(of.license_id, "").replace(of.order_id, "")

    def test_a_card_that_paid_for_a_pass_is_not_charged_for_it(
        self,
        of: Subscription,
        day_pass: Plan,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        buy(processor, day_pass)
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert [charge.method for charge in processor.asked] == [f"pm_cs_{of.order_id}"]

    def test_those_that_fail_are_looked_at_behind_the_others(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        processor.silent = True
        wiring.renewals().sweep()
        assert list(wiring.subscription_store().due(clock.now)) == []
        assert now_of(of).charging == 1
        processor.silent = False
        clock.advance(LATER)
        assert wiring.renewals().sweep() == {"done": 1, "failed": 0}
        assert now_of(of).period == 1

    def test_before_its_time_nothing_is_charged(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end - 1
        wiring.renewals().sweep()
        wiring.renewals().renew(OWNER, of.license_id)
        assert processor.asked == []
        assert now_of(of) == of

    def test_run_again_and_again_it_charges_once(
        self,
        both_engines: str,
        of: Subscription,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        clock.now = of.period_end
        for _ in range(3):
            wiring.renewals().sweep()
            clock.advance(15 * MINUTE)
        assert_renewed_once(of, tables, processor)

    def test_after_three_days_of_outage_it_charges_once_and_the_period_begins_where_it_should(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end + 3 * DAY
        assert ends_at(of) > clock.now  # nobody was stopped meanwhile
        wiring.renewals().sweep()
        assert_renewed_once(of, tables, processor)

    def test_a_time_in_which_it_did_not_run_is_charged_to_nobody(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end + GRACE
        wiring.renewals().sweep()
        assert (processor.asked, now_of(of).state) == ([], "ended")
        assert "subscription_ended" in mails(tables)

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("seed", range(10))
    def test_two_sweeps_at_the_same_time_charge_once(
        self,
        seed: int,
        of: Subscription,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        clock.now = of.period_end
        renew = wiring.renewals().renew
        interleaved(
            seed,
            lambda: renew(OWNER, of.license_id),
            lambda: renew(OWNER, of.license_id),
            lambda: renew(OWNER, of.license_id),
        )
        wiring.renewals().sweep()
        assert_renewed_once(of, tables, processor)

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("death", range(MOST_CALLS))
    def test_killed_at_any_call_it_charges_once_in_the_end(
        self,
        death: int,
        after: bool,
        of: Subscription,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        clock.now = of.period_end
        try:
            with recorded(death, after=after) as calls:
                wiring.renewals().sweep()
        except Killed:
            pass
        else:
            assert len(calls) <= death, "it survived a death that it met"
        clock.advance(2 * DAY)
        processor.keys.clear()  # the processor has forgotten the key by now
        wiring.renewals().sweep()
        assert_renewed_once(of, tables, processor)

    @pytest.mark.guarantee("G12")
    def test_the_deaths_tried_reach_past_the_last_call(
        self, of: Subscription, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        with recorded() as calls:
            wiring.renewals().sweep()
        assert len(calls) <= MOST_CALLS

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("later", [15 * MINUTE, 2 * DAY], ids=["soon", "days later"])
    def test_an_answer_that_is_lost_after_the_charge_is_found_and_not_charged_again(
        self,
        later: int,
        of: Subscription,
        tables: Tables,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        clock.now = of.period_end
        processor.lose_answers = True
        assert wiring.renewals().sweep() == {"done": 0, "failed": 1}
        assert now_of(of).charging == 1
        processor.lose_answers = False
        if later > DAY:
            processor.keys.clear()
        clock.advance(later)
        wiring.renewals().sweep()
        assert len(processor.asked) == 1
        assert_renewed_once(of, tables, processor)

    def test_while_the_processor_is_silent_nothing_is_decided(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        processor.silent = True
        for _ in range(3):
            wiring.renewals().sweep()
            clock.advance(HOUR)
        assert (now_of(of).state, now_of(of).charging) == ("active", 1)
        processor.silent = False
        wiring.renewals().sweep()
        assert_renewed_once(of, tables, processor)

    def test_a_payment_that_an_earlier_try_made_after_all_counts(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        processor.decline = "insufficient_funds"
        wiring.renewals().sweep()
        (made,) = (name for name in processor.payments if name.endswith(":1:1"))
        found = processor.payments[made]
        processor.payments[made] = replace(found, status="succeeded", received=found.amount)
        clock.now = of.period_end + 3 * DAY
        wiring.renewals().sweep()
        assert len(processor.asked) == 1
        assert (now_of(of).state, now_of(of).period) == ("active", 1)

    def test_a_payment_that_is_on_its_way_is_waited_for(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        facts = {"subscription": of.license_id, "period": "1", "try": "1", "customer": "cus_0"}
        slow = PaymentState("pi_slow", "processing", 2_700, 0, "USD", metadata=facts)
        processor.payments["pi_slow"] = slow
        wiring.renewals().sweep()
        assert (now_of(of).charging, processor.asked) == (1, [])
        processor.payments["pi_slow"] = replace(slow, status="succeeded", received=2_700)
        clock.advance(HOUR)
        wiring.renewals().sweep()
        assert_renewed_once(of, tables, processor)

    @pytest.mark.parametrize("differently", [{"received": 2_699}, {"currency": "EUR"}])
    def test_another_amount_or_currency_extends_nothing(
        self,
        differently: dict[str, Any],
        of: Subscription,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        clock.now = of.period_end
        facts = {"subscription": of.license_id, "period": "1", "try": "1", "customer": "cus_0"}
        paid = PaymentState("pi_odd", "succeeded", 2_700, 2_700, "USD", metadata=facts)
        processor.payments["pi_odd"] = replace(paid, **differently)
        assert wiring.renewals().sweep() == {"done": 0, "failed": 1}
        assert (now_of(of).period, ends_at(of)) == (0, of.period_end + GRACE)

    def test_one_that_fails_stops_no_other(
        self, of: Subscription, processor: FakeProcessor, tables: Tables, clock: FakeClock
    ) -> None:
        broken = {**now_item(tables, of), "pk": "ACCOUNT#acc_0", "account_id": "acc_0"}
        broken |= {"charging": 1, "gsi1sk": "0" * 13}
        tables.accounts.apply(tables.accounts.put(broken))
        clock.now = of.period_end
        assert wiring.renewals().sweep() == {"done": 1, "failed": 1}

    @pytest.mark.guarantee("G12")
    def test_a_row_that_cannot_be_read_goes_behind_the_others_and_stops_none(
        self, of: Subscription, processor: FakeProcessor, tables: Tables, clock: FakeClock
    ) -> None:
        broken = {**now_item(tables, of), "pk": "ACCOUNT#acc_0", "account_id": "acc_0"}
        del broken["period"], broken["plan_name"]
        tables.accounts.apply(tables.accounts.put({**broken, "gsi1sk": "0" * 13}))
        clock.now = of.period_end
        first, _ = wiring.subscription_store().due(clock.now)
        assert first == ("acc_0", of.license_id)
        assert wiring.renewals().sweep() == {"done": 1, "failed": 1}
        assert now_of(of).period == 1
        assert list(wiring.subscription_store().due(clock.now)) == []
        assert list(wiring.subscription_store().due(clock.now + LATER)) == [first]

    def test_one_that_cannot_even_be_moved_stops_no_other(
        self,
        of: Subscription,
        processor: FakeProcessor,
        tables: Tables,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        tables.accounts.apply(
            tables.accounts.put(
                {**now_item(tables, of), "pk": "ACCOUNT#acc_0", "account_id": "acc_0",
                 "charging": 1, "gsi1sk": "0" * 13}
            )
        )  # fmt: skip
        monkeypatch.setattr(SubscriptionStore, "look_later", Mock(side_effect=OSError))
        clock.now = of.period_end
        assert wiring.renewals().sweep() == {"done": 1, "failed": 1}


def now_item(tables: Tables, of: Subscription) -> dict[str, object]:
    item = tables.accounts.get(f"ACCOUNT#{OWNER}", f"SUBSCRIPTION#{of.license_id}")
    assert item is not None
    return item


class TestRefused:
    def test_a_card_that_is_declined_is_tried_on_four_days_and_then_it_ends(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "insufficient_funds"
        tried: list[int] = []
        clock.now = of.period_end
        for _ in range(10 * 24):
            before = len(processor.asked)
            wiring.renewals().sweep()
            if len(processor.asked) > before:
                tried.append((clock.now - of.period_end) // DAY)
            clock.advance(HOUR)
        assert tried == [0, 3, 5, 7]
        assert (now_of(of).state, now_of(of).due) == ("ended", None)
        assert ends_at(of) <= of.period_end + GRACE
        assert mails(tables).count("payment_failed") == 4
        assert mails(tables).count("subscription_ended") == 1
        assert books(tables) == {"processor": 2_700, "sales": -2_700}

    def test_while_it_is_tried_the_license_goes_on(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "insufficient_funds"
        clock.now = of.period_end + 6 * DAY
        wiring.renewals().sweep()
        assert now_of(of).state == "past_due"
        assert wiring.licenses().usable(of.license_id)

    def test_a_card_that_works_again_pays_the_period_from_its_beginning(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "insufficient_funds"
        clock.now = of.period_end
        wiring.renewals().sweep()
        processor.decline = ""
        clock.advance(3 * DAY)
        wiring.renewals().sweep()
        after = now_of(of)
        assert (after.state, after.period_start) == ("active", of.period_end)
        assert [charge.key[-4:] for charge in processor.asked] == [":1:1", ":1:2"]
        assert books(tables) == {"processor": 5_400, "sales": -5_400}

    @pytest.mark.parametrize("code", ["expired_card", "stolen_card", "authentication_required"])
    def test_a_hard_decline_is_not_tried_again(
        self, code: str, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = code
        clock.now = of.period_end
        for _ in range(9 * 4):
            wiring.renewals().sweep()
            clock.advance(6 * HOUR)
        assert len(processor.asked) == 1
        assert now_of(of).state == "ended"

    def test_without_a_card_nobody_is_asked(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        tables.accounts.apply(tables.accounts.delete(f"ACCOUNT#{OWNER}", "CARD"))
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert (processor.asked, now_of(of).refused) == ([], "no_card")
        assert mails(tables).count("payment_failed") == 1


class TestNotCharged:
    def test_what_was_revoked_is_ended_and_not_charged(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        wiring.licenses().revoke(of.license_id)
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert (processor.asked, now_of(of).state) == ([], "ended")

    def test_while_it_is_suspended_nothing_is_charged(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        wiring.licenses().suspend(of.license_id)
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert (processor.asked, now_of(of).state) == ([], "active")
        wiring.licenses().reinstate(of.license_id)
        clock.advance(DAY)
        wiring.renewals().sweep()
        assert_renewed_once(of, tables, processor)

    def test_an_account_with_many_periods_pays_each_once(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        for _ in range(5):
            clock.now = now_of(of).period_end
            wiring.renewals().sweep()
        assert now_of(of).period_end == months_after(of.anchor, 6)
        assert [charge.key for charge in processor.asked] == [
            f"{of.license_id}:{period}:1" for period in range(1, 6)
        ]
        assert books(tables) == {"processor": 2_700 * 6, "sales": -2_700 * 6}
