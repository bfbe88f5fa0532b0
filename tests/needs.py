"""Tests that need a browser or a second database engine, on a machine that has none.

On a desk they are skipped, and the summary says by name what is missing and how to get it; in CI
they run, and fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.tools import needs

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

MARKS = ("browser", "dynamodb_local")


def absent() -> dict[str, str]:
    """What cannot be had, and how to get it, by mark."""
    reasons = {mark: needs.missing(mark) for mark in MARKS}
    return {mark: reason for mark, reason in reasons.items() if reason}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if needs.in_ci():
        return
    for mark, reason in absent().items():
        for item in items:
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    for reason in absent().values():
        terminalreporter.write_line(f"skipped: {reason}", yellow=True)
