"""Two clocks: the wall for what is said to others, a steady one for how long something took."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def wall_ms(self) -> int:
        """Milliseconds UTC; may jump."""

    def steady(self) -> float:
        """Seconds that never go back and that count the time this computer slept."""


def steady_seconds() -> float:
    """Linux stops CLOCK_MONOTONIC in sleep, macOS and Windows do not."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if boot_time is not None:
        return time.clock_gettime(boot_time)
    monotonic = getattr(time, "CLOCK_MONOTONIC", None)
    return time.monotonic() if monotonic is None else time.clock_gettime(monotonic)


class SystemClock:
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady(self) -> float:
        return steady_seconds()
