"""The books: double entry in integer minor units. No I/O; a fact that moved money is one entry.

| account | holds | grows when |
|---|---|---|
| `processor` | what the processor owes us | a payment is taken |
| `sales` | what customers bought, negative | a payment is the ground of a license |
| `unmatched` | money that no license stands for, negative | a payment does not fit its order |
| `refunds` | what was given back | a refund is made |
| `disputed` | what a bank took back until it decides | a dispute opens |
| `losses` | what a bank kept | a dispute is lost |

An entry sums to zero per currency; so do the books, after every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.ids import derived_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ACCOUNTS = PROCESSOR, SALES, UNMATCHED, REFUNDS, DISPUTED, LOSSES = (
    "processor", "sales", "unmatched", "refunds", "disputed", "losses",
)  # fmt: skip


class Unbalanced(ValueError):
    """Postings that do not sum to zero, or to an account that the books do not have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact that moved money; `about` says whose and what for."""

    id: str
    at: int
    currency: str
    postings: Mapping[str, int]
    about: Mapping[str, str]


def entry(
    fact: tuple[str | int, ...],
    postings: Mapping[str, int],
    currency: str,
    at: int,
    about: Mapping[str, str],
) -> Entry:
    """The entry of a fact: the same fact has the same id. Unbalanced where it does not add up."""
    if sum(postings.values()) or not postings.keys() <= set(ACCOUNTS):
        raise Unbalanced
    moved = {account: amount for account, amount in postings.items() if amount}
    return Entry(derived_id("ent", *fact), at, currency, moved, dict(about))


def difference(after: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """What has to be posted to come from one position to another; empty where nothing moved."""
    moved = {name: after.get(name, 0) - before.get(name, 0) for name in ACCOUNTS}
    return {name: amount for name, amount in moved.items() if amount}


def balances(entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    """Per currency, what each account holds."""
    found: dict[str, dict[str, int]] = {}
    for one in entries:
        totals = found.setdefault(one.currency, {})
        for account, amount in one.postings.items():
            totals[account] = totals.get(account, 0) + amount
    return found
