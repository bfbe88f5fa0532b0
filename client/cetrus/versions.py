"""Which of two versions is newer: `1.10` after `1.9`, `2.0.0-rc.1` before `2.0.0`."""

from __future__ import annotations

import re

VERSION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6}){0,3})(?:-([0-9a-z.]{1,20}))?")
Key = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def is_newer(version: str, than: str) -> bool:
    """False also where one of them is no version: nobody is moved on a guess."""
    one, other = _key(version), _key(than)
    return one is not None and other is not None and one > other


def _key(version: str) -> Key | None:
    """Compares as versions do; zeros at the end say nothing, so `1.0` is `1.0.0`."""
    found = VERSION.fullmatch(version)
    if found is None:
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    before = tuple(_part(part) for part in found[2].split(".")) if found[2] else ()
    return tuple(numbers), not before, before


def _part(text: str) -> tuple[bool, int, str]:
    """Numbers come before words, and count as numbers."""
    return (False, int(text), "") if text.isdecimal() else (True, 0, text)
