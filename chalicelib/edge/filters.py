"""How values read on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import from_text, to_datetime, to_text
from chalicelib.core.money import Money

if TYPE_CHECKING:
    from collections.abc import Callable


def date(instant: int) -> str:
    """`25 November 2026`."""
    moment = to_datetime(instant)
    return f"{moment.day} {moment:%B %Y}"


def date_time(instant: int) -> str:
    """`25 November 2026, 10:02 UTC`."""
    return f"{date(instant)}, {to_datetime(instant):%H:%M} UTC"


def duration(milliseconds: int) -> str:
    """`2 h 05 min 09 s`; parts that are zero at the front are left out."""
    seconds = milliseconds // 1000
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return f"{hours} h {minutes:02d} min {seconds:02d} s"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def money(minor: int, currency: str) -> str:
    """`12.00 USD`: an amount in minor units, never without its currency."""
    return str(Money(minor, currency))


def every(months: int) -> str:
    """`a month`, `a year`, `every 3 months`: how often a period begins."""
    return {1: "a month", 12: "a year"}.get(months, f"every {months} months")


def platform(name: str) -> str:
    """`macOS`: as its maker writes it."""
    return {"linux": "Linux", "macos": "macOS", "windows": "Windows"}.get(name, name)


def size(count: int) -> str:
    """`3.4 MB`, in powers of ten as download pages have it."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"


def day(name: str) -> str:
    """`25 November 2026` of `2026-11-25`."""
    return date(from_text(f"{name}T00:00:00+00:00"))


def month(name: str) -> str:
    """`November 2026` of `2026-11`."""
    return f"{to_datetime(from_text(f'{name}-01T00:00:00+00:00')):%B %Y}"


def computer(thumbprint: str) -> str:
    """`Ab1c De2f Gh3i`: enough of a computer's key for a person to compare two."""
    return " ".join(thumbprint[start : start + 4] for start in (0, 4, 8))


FILTERS: dict[str, Callable[..., str]] = {
    "bytes": size,
    "computer": computer,
    "date": date,
    "date_time": date_time,
    "day": day,
    "duration": duration,
    "every": every,
    "iso": to_text,
    "money": money,
    "month": month,
    "platform": platform,
}
