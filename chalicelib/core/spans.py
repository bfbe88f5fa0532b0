"""Lengths of time as people say them."""

from __future__ import annotations

from chalicelib.core.clock import DAY, HOUR, MINUTE, SECOND


def counted(count: int, name: str) -> str:
    """`1 hour`, `2 hours`."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def length(milliseconds: int) -> str:
    """`1 hour`, `90 seconds`: the largest unit up to hours that says it exactly."""
    for unit, name in ((HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second")):
        if milliseconds % unit == 0:
            return counted(milliseconds // unit, name)
    return f"{milliseconds} milliseconds"


def lasting(milliseconds: int) -> str:
    """`14 days`, or as `length` where it is not whole days."""
    return length(milliseconds) if milliseconds % DAY else counted(milliseconds // DAY, "day")


def spoken(milliseconds: int) -> str:
    """`19 hours 20 minutes`, rounded down; below an hour with its seconds."""
    minutes, seconds = divmod(milliseconds // SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "hour"), (minutes, "minute"), (0 if hours else seconds, "second")]
    return " ".join(counted(*part) for part in parts if part[0]) or "less than a second"
