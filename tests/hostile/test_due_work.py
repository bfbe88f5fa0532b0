"""Work of every kind falls due and is done once: late, twice, three at once, after an outage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.clock import HOUR
from tests.hostile.due import LEAVER, MEMBERS, START, DueWork, run, run_all
from tests.payments.conftest import processor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

Json = dict[str, Any]
AT_ONCE = 3
STAFF = ("ada", "ben")
POLICY = "Our privacy policy changed: you decide about the new use of your data"
TO_MEMBERS = (POLICY, "Maintenance on 31 March 2027", "Two weeks at half price")
TO_STAFF = (
    "Version 4 of the privacy policy is in force",
    "Privacy at Cetrus: what you can do for it",
)
MAILS = {
    **{(f"{name}@example.com", what): 1 for name in MEMBERS for what in TO_MEMBERS},
    **{(f"{name}@example.org", what): 1 for name in STAFF for what in TO_STAFF},
    ("ada@example.org", "A case is overdue: it"): 1,
}
DONE = {
    "mails": MAILS,
    "mailings": ["sent", "sent"],
    "case": "escalated",
    "erased": (True, {f"cus_{LEAVER}"}),
    "released": ["2026-11", "2026-12"],
    "spent": Fraction(2),
    "told": [1, 1],
    "findings": [],
}
pytestmark = pytest.mark.guarantee("G12")


def twice(function: str) -> None:
    run(function)
    run(function)


def at_once(function: str) -> None:
    """Three that begin together: none fails."""
    together = Barrier(AT_ONCE)

    def begin(_: int) -> None:
        together.wait()
        run(function)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(begin, range(AT_ONCE)))


@pytest.fixture
def due(tables: Tables, clock: FakeClock, processor: FakeProcessor) -> DueWork:
    return DueWork(tables, clock, processor)


@pytest.mark.guarantee("G11")
@pytest.mark.parametrize(
    ("how", "hours"),
    [
        pytest.param(run, (20, 44, 73), id="late"),
        pytest.param(twice, (1, 54, 73), id="twice"),
        pytest.param(at_once, (1, 54, 73), id="at the same time"),
        pytest.param(run, (72, 73), id="after three days of outage"),
    ],
)
def test_each_work_is_done_once(
    due: DueWork, how: Callable[[str], None], hours: tuple[int, ...]
) -> None:
    for hour in hours:
        due.clock.now = START + hour * HOUR
        run_all(how)
    assert due.left() == DONE
    assert len(due.post.taken) == sum(MAILS.values())  # and no copy of any


__all__ = ["processor"]
