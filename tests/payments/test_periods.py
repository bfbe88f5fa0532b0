"""Periods are frozen instants counted from the purchase; tries follow the days."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.clock import DAY, HOUR, from_text, months_after, to_text
from chalicelib.payments import periods
from chalicelib.payments.periods import GRACE, Step, Subscription


def bought(at: str = "2026-01-31T10:00:00Z", months: int = 1) -> Subscription:
    anchor = from_text(at)
    made = Subscription(
        license_id="lic_1", account_id="acc_1", order_id="ord_1", vendor_id="vnd_1",
        application_id="app_1", application_name="Halyard", slug="halyard", plan_id="pln_1",
        plan_name="Crew", currency="USD", price=900, seats=3, months=months, anchor=anchor,
        period=0, period_start=anchor, period_end=months_after(anchor, months),
    )  # fmt: skip
    return replace(made, due=made.period_end)


def days(instants: list[int]) -> list[str]:
    return [to_text(instant)[:16] for instant in instants]


class TestPeriods:
    def test_the_31st_comes_back_after_a_short_month(self) -> None:
        of, ends = bought(), []
        for _ in range(4):
            ends.append(of.period_end)
            of = periods.renewed(of)
        assert days(ends) == [
            "2026-02-28T10:00", "2026-03-31T10:00", "2026-04-30T10:00", "2026-05-31T10:00",
        ]  # fmt: skip

    @given(
        st.integers(from_text("2024-01-01T00:00:00Z"), from_text("2032-01-01T00:00:00Z")),
        st.integers(1, 12),
        st.integers(1, 30),
    )
    def test_periods_follow_each_other_without_gap_or_overlap(
        self, anchor: int, months: int, count: int
    ) -> None:
        of, seen = bought(to_text(anchor), months), []
        for _ in range(count):
            seen.append((of.period_start, of.period_end))
            of = periods.renewed(of)
        assert all(before[1] == after[0] for before, after in pairwise(seen))
        assert all(start < end for start, end in seen)
        assert sum(end - start for start, end in seen) == seen[-1][1] - of.anchor

    def test_what_it_costs_is_the_price_of_all_seats(self) -> None:
        assert bought().amount == 2_700


class TestSteps:
    def test_nothing_is_charged_before_the_period_ends(self) -> None:
        of = bought()
        step = periods.next_step(of, of.period_end - 1, payable=True, over=False)
        assert step == (Step.WAIT, of.period_end)
        assert periods.next_step(of, of.period_end, payable=True, over=False)[0] is Step.CHARGE

    def test_one_that_is_canceled_ends_with_its_period(self) -> None:
        of = periods.canceled(bought(), bought().anchor)
        assert (of.due, of.next_charge) == (of.period_end, None)
        assert periods.next_step(of, of.period_end - 1, payable=True, over=False)[0] is Step.WAIT
        assert periods.next_step(of, of.period_end, payable=True, over=False)[0] is Step.END

    def test_what_was_revoked_or_ended_is_not_charged(self) -> None:
        of = bought()
        assert periods.next_step(of, of.period_end, payable=True, over=True)[0] is Step.END

    def test_while_it_may_not_be_charged_it_is_looked_at_daily_until_the_last_day(self) -> None:
        of = bought()
        look = periods.next_step(of, of.period_end, payable=False, over=False)
        assert look == (Step.WAIT, of.period_end + DAY)
        late = of.period_end + GRACE - HOUR
        assert periods.next_step(of, late, payable=False, over=False) == (
            Step.WAIT,
            of.period_end + GRACE,
        )

    def test_a_time_in_which_it_did_not_run_is_not_charged(self) -> None:
        of = bought()
        step, _ = periods.next_step(of, of.period_end + GRACE, payable=True, over=False)
        assert step is Step.END


class TestFailures:
    def test_it_is_tried_on_days_0_3_5_and_7(self) -> None:
        of = bought()
        tried = []
        for _ in range(4):
            now = of.due or 0
            tried.append(now - of.period_end)
            of = periods.failed(periods.charging(of), "insufficient_funds", now)
        assert tried == [0, 3 * DAY, 5 * DAY, 7 * DAY]
        assert (of.state, of.due) == ("past_due", of.period_end + GRACE)

    def test_a_late_try_skips_the_days_that_are_gone(self) -> None:
        of = bought()
        late = periods.failed(periods.charging(of), "generic_decline", of.period_end + 4 * DAY)
        assert late.due == of.period_end + 5 * DAY

    @pytest.mark.parametrize("code", ["expired_card", "stolen_card", "authentication_required"])
    def test_a_hard_decline_stops_the_tries(self, code: str) -> None:
        of = bought()
        after = periods.failed(periods.charging(of), code, of.period_end)
        assert (after.due, after.next_charge) == (of.period_end + GRACE, None)

    def test_a_success_after_failures_is_as_if_nothing_had_been(self) -> None:
        of = bought()
        late = periods.failed(periods.charging(of), "generic_decline", of.period_end)
        paid = periods.renewed(periods.charging(late))
        assert (paid.state, paid.tries, paid.charging, paid.refused) == ("active", 0, None, "")
        assert paid.period_start == of.period_end

    def test_one_that_was_canceled_while_it_was_charged_ends_where_that_fails(self) -> None:
        of = periods.charging(bought())
        canceled = periods.canceled(of, of.period_end)
        assert (canceled.state, canceled.charging) == ("canceling", 1)
        assert periods.failed(canceled, "generic_decline", of.period_end).state == "ended"
        assert periods.renewed(canceled).state == "canceling"

    def test_what_is_not_paid_ends_at_once_when_it_is_canceled(self) -> None:
        of = bought()
        unpaid = periods.failed(periods.charging(of), "generic_decline", of.period_end)
        assert periods.canceled(unpaid, of.period_end + HOUR).state == "ended"

    def test_undoing_leads_back_to_where_it_was(self) -> None:
        of = bought()
        kept = periods.kept(periods.canceled(of, of.anchor))
        assert replace(kept, version=of.version) == of
        on_its_way = periods.charging(of)
        kept = periods.kept(periods.canceled(on_its_way, of.period_end))
        assert replace(kept, version=on_its_way.version) == on_its_way
