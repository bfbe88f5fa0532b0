"""Canceling does what was shown, and nothing more is charged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.errors import NotFound
from chalicelib.payments.periods import GRACE, EffectChanged, OverAlready
from tests.crash import at_every_call
from tests.payments.conftest import OWNER, STRANGER, interleaved, mails, subscribed
from tests.payments.test_renewals import ends_at, now_of

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Plan
    from chalicelib.payments.periods import Subscription
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor


@pytest.fixture
def of(crew: Plan, processor: FakeProcessor) -> Subscription:
    return subscribed(processor, crew, seats=3)


def cancel(of: Subscription) -> Subscription:
    return wiring.subscriptions().cancel(OWNER, of.license_id, now_of(of).version)


class TestCancel:
    def test_the_effect_is_shown_before_anything_is_done(self, of: Subscription) -> None:
        shown = wiring.subscriptions().effect(OWNER, of.license_id)
        assert (shown.until, shown.at_once, shown.charging) == (of.period_end, False, False)
        assert now_of(of) == of

    def test_it_runs_to_the_end_of_what_is_paid_and_nothing_more_is_charged(
        self, of: Subscription, tables: Tables, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        after = cancel(of)
        assert (after.state, after.next_charge) == ("canceling", None)
        assert ends_at(of) == of.period_end
        clock.now = of.period_end - 1
        wiring.renewals().sweep()
        assert wiring.licenses().usable(of.license_id)
        clock.advance(1)
        assert not wiring.licenses().usable(of.license_id)
        wiring.renewals().sweep()
        assert (now_of(of).state, processor.asked) == ("ended", [])
        assert mails(tables) == [
            "download_ready", "receipt", "subscription_canceled", "subscription_ended",
        ]  # fmt: skip

    def test_again_it_changes_nothing(self, of: Subscription, tables: Tables) -> None:
        assert cancel(of) == cancel(of)
        assert mails(tables).count("subscription_canceled") == 1

    def test_undone_it_is_renewed_as_if_nothing_had_been(
        self, both_engines: str, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        cancel(of)
        clock.now = of.period_end - MINUTE
        wiring.subscriptions().keep(OWNER, of.license_id)
        assert ends_at(of) == of.period_end + GRACE
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert (now_of(of).state, now_of(of).period) == ("active", 1)

    def test_canceled_and_kept_and_canceled_again_is_told_each_time(
        self, of: Subscription, tables: Tables
    ) -> None:
        cancel(of)
        wiring.subscriptions().keep(OWNER, of.license_id)
        cancel(of)
        assert mails(tables).count("subscription_canceled") == 2

    @pytest.mark.parametrize("swept", [False, True])
    def test_after_its_end_it_cannot_be_taken_up_again(
        self, swept: bool, of: Subscription, clock: FakeClock
    ) -> None:
        cancel(of)
        clock.now = of.period_end
        if swept:
            wiring.renewals().sweep()
        with pytest.raises(OverAlready):
            wiring.subscriptions().keep(OWNER, of.license_id)

    def test_what_was_shown_is_what_is_done_or_nothing(
        self, of: Subscription, clock: FakeClock
    ) -> None:
        shown = wiring.subscriptions().effect(OWNER, of.license_id).subscription.version
        clock.now = of.period_end
        wiring.renewals().sweep()
        with pytest.raises(EffectChanged):
            wiring.subscriptions().cancel(OWNER, of.license_id, shown)
        assert now_of(of).state == "active"

    def test_what_is_not_paid_ends_at_once(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "insufficient_funds"
        clock.now = of.period_end
        wiring.renewals().sweep()
        clock.advance(HOUR)
        assert wiring.subscriptions().effect(OWNER, of.license_id).at_once
        assert cancel(of).state == "ended"
        assert ends_at(of) == clock.now
        clock.advance(3 * DAY)
        wiring.renewals().sweep()
        assert len(processor.asked) == 1

    @pytest.mark.parametrize("paid", [True, False])
    def test_a_charge_on_its_way_is_waited_for_and_is_the_last(
        self, paid: bool, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        clock.now = of.period_end
        processor.silent = True
        wiring.renewals().sweep()
        assert wiring.subscriptions().effect(OWNER, of.license_id).charging
        assert cancel(of).state == "canceling"
        processor.silent, processor.decline = False, "" if paid else "insufficient_funds"
        clock.advance(15 * MINUTE)
        wiring.renewals().sweep()
        after = now_of(of)
        assert (after.state, after.period) == (("canceling", 1) if paid else ("ended", 0))
        assert ends_at(of) == (after.period_end if paid else clock.now)
        clock.advance(40 * DAY)
        wiring.renewals().sweep()
        assert (now_of(of).state, len(processor.asked)) == ("ended", 1)

    @pytest.mark.parametrize("days", [1, 33])
    def test_an_end_that_the_vendor_set_is_undone_by_no_cancel_and_no_keep(
        self, days: int, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        ends = clock.now + days * DAY
        wiring.licenses().end_at(of.license_id, ends)
        for _ in range(2):
            assert cancel(of).state == "canceling"
            assert ends_at(of) == ends
            assert wiring.subscriptions().keep(OWNER, of.license_id).state == "active"
            assert ends_at(of) == ends
        clock.now = max(of.period_end, ends)
        wiring.renewals().sweep()
        assert (processor.asked, ends_at(of)) == ([], ends)
        assert not wiring.licenses().usable(of.license_id)

    def test_canceled_it_runs_no_longer_than_is_paid_whatever_the_vendor_said(
        self, of: Subscription, clock: FakeClock
    ) -> None:
        wiring.licenses().end_at(of.license_id, None)
        cancel(of)
        assert ends_at(of) == of.period_end
        wiring.subscriptions().keep(OWNER, of.license_id)
        wiring.licenses().end_at(of.license_id, of.period_end + 2 * DAY)
        cancel(of)
        clock.now = of.period_end
        wiring.renewals().sweep()
        assert (now_of(of).state, ends_at(of)) == ("ended", of.period_end)

    def test_what_had_ended_is_not_moved_by_a_cancel(
        self, of: Subscription, processor: FakeProcessor, clock: FakeClock
    ) -> None:
        processor.decline = "insufficient_funds"
        clock.now = of.period_end
        wiring.renewals().sweep()
        wiring.licenses().end_at(of.license_id, clock.now + HOUR)
        clock.advance(DAY)
        assert cancel(of).state == "ended"
        assert ends_at(of) == of.period_end + HOUR

    def test_another_account_has_no_such_subscription(self, of: Subscription) -> None:
        service = wiring.subscriptions()
        with pytest.raises(NotFound):
            service.effect(STRANGER, of.license_id)
        with pytest.raises(NotFound):
            service.cancel(STRANGER, of.license_id, of.version)
        with pytest.raises(NotFound):
            service.keep(STRANGER, of.license_id)
        assert now_of(of) == of

    @pytest.mark.guarantee("G12")
    @pytest.mark.parametrize("seed", range(10))
    def test_a_cancel_and_a_renewal_at_the_same_time_agree(
        self,
        seed: int,
        of: Subscription,
        processor: FakeProcessor,
        clock: FakeClock,
    ) -> None:
        clock.now = of.period_end
        interleaved(
            seed,
            lambda: wiring.renewals().renew(OWNER, of.license_id),
            lambda: cancel(of),
        )
        wiring.renewals().sweep()
        after = now_of(of)
        assert after.charging is None
        assert len(processor.charged) == after.period
        if after.state == "ended":
            assert after.period == 0
            assert ends_at(of) == clock.now
        else:
            assert ends_at(of) == after.last_instant

    @pytest.mark.guarantee("G12")
    def test_killed_at_any_call_it_is_done_whole_or_not_at_all(
        self, of: Subscription, clock: FakeClock
    ) -> None:
        def prepare() -> int:
            return wiring.subscriptions().keep(OWNER, of.license_id).version

        def act(version: int) -> object:
            return wiring.subscriptions().cancel(OWNER, of.license_id, version)

        def judge(version: int) -> None:
            after = now_of(of)
            assert after.state in {"active", "canceling"}
            assert ends_at(of) == after.last_instant
            wiring.license_sweep().run()
            assert wiring.licenses().store.work(of.license_id) == []

        assert at_every_call(prepare, act, judge) >= 6


class TestTold:
    def test_what_runs_learns_that_its_license_ends_earlier(self, of: Subscription) -> None:
        """The epoch that its next heartbeat is judged by has moved, and no work is left."""
        before = wiring.licenses().head(of.license_id)
        cancel(of)
        after = wiring.licenses().head(of.license_id)
        assert before is not None
        assert after is not None
        assert after.epoch > before.epoch
        assert wiring.licenses().store.work(of.license_id) == []
