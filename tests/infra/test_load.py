"""The judge of the load run: each way in which tables and evidence can disagree is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.bench.load import Evidence, disagreements, plain

if TYPE_CHECKING:
    from collections.abc import Callable

Items = list[dict[str, Any]]
START, END = 1_000, 61_000


def told() -> Evidence:
    return Evidence({("lic_1", "one"): "lea_1"}, {"lea_1": END - START}, {"one"})


def items() -> Items:
    return [
        {"pk": "LAUNCH#lic_1#one", "type": "launch", "license": "lic_1", "launch_id": "one"},
        {
            "pk": "LICENSE#lic_1#2026-11", "type": "interval", "license": "lic_1", "lease": "lea_1",
            "launch_id": "one", "segment_no": 0, "started_at": START, "ended_at": END,
        },
        {"pk": "TOTALS#lic_1", "type": "total", "license": "lic_1", "milliseconds": END - START},
        {
            "pk": "TOTALS#lic_1#COMPUTERS", "type": "total", "license": "lic_1",
            "milliseconds": END - START,
        },
    ]  # fmt: skip


def test_books_that_agree_are_right() -> None:
    assert disagreements(told(), items()) == []


def lose_the_launch(found: Items) -> None:
    del found[0]


def lose_the_interval(found: Items) -> None:
    del found[1]


def bill_twice(found: Items) -> None:
    found.append({**found[1], "started_at": START + 1})


def bill_a_millisecond_more(found: Items) -> None:
    found[1]["ended_at"] += 1


def count_too_little(found: Items) -> None:
    found[2]["milliseconds"] -= 1


def count_a_computer_too_much(found: Items) -> None:
    found[3]["milliseconds"] += 1


def invent_a_launch(found: Items) -> None:
    found.append({**found[0], "launch_id": "two"})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_the_launch, "was answered and is not there"),
        (lose_the_interval, "was never closed"),
        (bill_twice, "was billed 2 times"),
        (bill_a_millisecond_more, "the receipt says 60000 ms, the interval 60001"),
        (count_too_little, "lic_1: 60000 ms ran, 59999 are in its totals"),
        (count_a_computer_too_much, "COMPUTERS: 60000 ms ran, 60001 are in its totals"),
        (invent_a_launch, "nobody asked for it"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_disagreement_is_told(spoil: Callable[[Items], None], said: str) -> None:
    found = items()
    spoil(found)
    assert any(said in text for text in disagreements(told(), found))


def test_items_of_the_wire_are_read_with_their_numbers() -> None:
    wire = {"pk": {"S": "TOTALS#lic_1"}, "milliseconds": {"N": "60000"}}
    assert plain(wire) == {"pk": "TOTALS#lic_1", "milliseconds": 60_000}
