"""How values read on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import to_datetime, to_text

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


FILTERS: dict[str, Callable[[Any], str]] = {
    "date": date,
    "date_time": date_time,
    "duration": duration,
    "iso": to_text,
}
