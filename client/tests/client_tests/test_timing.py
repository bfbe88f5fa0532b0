from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from cetrus.timing import (
    FIRST_RETRY,
    LONGEST_RETRY,
    LONGEST_RETRY_AFTER,
    beat_delay,
    retry_delay,
)

seeds = st.integers(0, 2**32)


class TestBeat:
    @given(seeds)
    def test_a_lease_of_300_seconds_is_renewed_after_120_to_180(self, seed: int) -> None:
        assert 120 <= beat_delay(300, random.Random(seed)) <= 180

    def test_two_clients_do_not_beat_in_step(self) -> None:
        delays = {beat_delay(300, random.Random(seed)) for seed in range(100)}
        assert max(delays) - min(delays) > 40

    @given(st.floats(-1e9, 1e9), seeds)
    def test_no_lifetime_makes_a_busy_loop(self, lifetime: float, seed: int) -> None:
        assert beat_delay(lifetime, random.Random(seed)) >= 0.4


class TestRetry:
    @given(st.integers(1, 10_000), seeds)
    def test_stays_between_the_first_and_the_longest_wait(self, failures: int, seed: int) -> None:
        delay = retry_delay(failures, None, random.Random(seed))
        assert FIRST_RETRY * 0.8 <= delay <= LONGEST_RETRY * 1.2

    @given(st.integers(1, 30), seeds)
    def test_more_failures_never_shorten_the_wait(self, failures: int, seed: int) -> None:
        now = retry_delay(failures, None, random.Random(seed))
        later = retry_delay(failures + 1, None, random.Random(seed))
        assert later >= now

    @given(st.integers(1, 30), st.floats(0, LONGEST_RETRY_AFTER), seeds)
    def test_never_sooner_than_the_server_asked(
        self, failures: int, asked: float, seed: int
    ) -> None:
        assert retry_delay(failures, asked, random.Random(seed)) >= asked

    @given(st.integers(1, 30), st.floats(allow_nan=False, allow_infinity=True), seeds)
    def test_no_answer_can_silence_the_client(self, failures: int, asked: float, seed: int) -> None:
        assert retry_delay(failures, asked, random.Random(seed)) <= LONGEST_RETRY_AFTER * 1.2

    def test_those_told_the_same_moment_come_back_apart(self) -> None:
        delays = [retry_delay(9, 500, random.Random(seed)) for seed in range(100)]
        assert max(delays) - min(delays) > 50
