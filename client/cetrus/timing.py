"""When to ask again. Pure rules: randomness is an argument, times are seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

JITTER = 0.2
FIRST_RETRY = 5.0
LONGEST_RETRY = 150.0
# An unsigned answer may slow the client down, but not silence it past its grace.
LONGEST_RETRY_AFTER = 600.0
RETRY_STEPS = 16


def jittered(seconds: float, rng: Random) -> float:
    return seconds * rng.uniform(1 - JITTER, 1 + JITTER)


def beat_delay(lifetime: float, rng: Random) -> float:
    """Half the lease's lifetime, give or take a fifth: 300 s gives 120 to 180 s."""
    return jittered(max(lifetime, 1.0) / 2, rng)


def retry_delay(failures: int, retry_after: float | None, rng: Random) -> float:
    """Doubles from 5 s to 150 s with the failures in a row; never sooner than the server asked."""
    steps = min(max(failures, 1) - 1, RETRY_STEPS)
    delay = jittered(min(LONGEST_RETRY, FIRST_RETRY * 2.0**steps), rng)
    asked = min(max(retry_after or 0.0, 0.0), LONGEST_RETRY_AFTER)
    # Those who were told the same moment must not all come back in it.
    return max(delay, asked + rng.uniform(0, JITTER) * asked)
