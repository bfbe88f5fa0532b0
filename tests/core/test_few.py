"""One rule for when a count of people is told."""

from __future__ import annotations

import pytest

from chalicelib.core.few import SHOWN_FROM, shown_count, told_count


@pytest.mark.promise("PS-77")
def test_a_count_below_eleven_is_told_as_few_and_none_as_none() -> None:
    assert SHOWN_FROM == 11
    assert [told_count(n) for n in (0, 1, 10, 11)] == [0, "fewer than 11", "fewer than 11", 11]
    assert [shown_count(n) for n in (0, 10, 11)] == [None, None, 11]
