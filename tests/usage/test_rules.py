from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.clock import DAY, month_of
from chalicelib.usage.charts import chart
from chalicelib.usage.rules import day_start, days_of, months_between, split

MIDNIGHT = 1_795_651_200_000  # 2026-11-26T00:00:00Z
INSTANTS = st.integers(min_value=0, max_value=4_000_000_000_000)
LENGTHS = st.integers(min_value=0, max_value=40 * DAY)


class TestSplit:
    @given(INSTANTS, LENGTHS)
    def test_the_days_sum_to_the_interval(self, start: int, length: int) -> None:
        assert sum(ms for _, ms in split(start, start + length)) == length

    @given(INSTANTS, LENGTHS)
    def test_each_day_holds_exactly_what_lies_in_it(self, start: int, length: int) -> None:
        end = start + length
        for day, milliseconds in split(start, end):
            first = day_start(day)
            assert milliseconds == min(end, first + DAY) - max(start, first) > 0

    @given(INSTANTS, LENGTHS, LENGTHS)
    def test_cutting_an_interval_changes_no_day(self, start: int, one: int, two: int) -> None:
        middle, end = start + one, start + one + two
        cut: dict[str, int] = {}
        for day, ms in [*split(start, middle), *split(middle, end)]:
            cut[day] = cut.get(day, 0) + ms
        assert cut == dict(split(start, end))

    def test_midnight_belongs_to_the_day_that_begins(self) -> None:
        assert list(split(MIDNIGHT - 1, MIDNIGHT)) == [("2026-11-25", 1)]
        assert list(split(MIDNIGHT, MIDNIGHT + 1)) == [("2026-11-26", 1)]
        assert list(split(MIDNIGHT - 1, MIDNIGHT + 1)) == [("2026-11-25", 1), ("2026-11-26", 1)]


@given(INSTANTS, st.integers(min_value=0, max_value=900 * DAY))
def test_months_between_are_all_and_in_order(start: int, length: int) -> None:
    found = months_between(start, start + length)
    assert found == sorted({month_of(start + back) for back in range(0, length, DAY)} | {
        month_of(start + length)
    })  # fmt: skip


class TestChart:
    def test_bars_stand_on_the_baseline_and_keep_their_proportion(self) -> None:
        days = days_of("2026-11")
        made = chart(days, {days[3]: 3_600_000, days[4]: 1_800_000})
        assert len(made.bars) == 30
        assert made.top == 3_600_000
        hour, half = made.bars[3], made.bars[4]
        assert hour.height == 2 * half.height
        assert hour.y + hour.height == made.base
        assert max(bar.x + bar.width for bar in made.bars) <= made.width

    def test_a_little_use_still_shows_and_none_does_not(self) -> None:
        days = ["2026-11-25", "2026-11-26"]
        made = chart(days, {days[0]: 1, days[1]: 30 * 3_600_000})
        assert made.bars[0].height == 1.0
        assert made.top == 2 * DAY
        assert chart(days, {}).bars[0].height == 0.0
