"""Puts right whom a restore brought back: what the table of keys remembers, no backup undoes.

`infra.operate.restore` does it at its end. Where a table was brought back in another way,

    python -m infra.admin --stack NAME leave-again

does it alone, before the writers go on. Run again, it changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.accounts.rules import State
from chalicelib.rights import wiring as rights
from chalicelib.storage.aws import client
from infra.operate.restore import scanned

if TYPE_CHECKING:
    from collections.abc import Iterator


def leave_again() -> dict[str, int]:
    """How many accounts were erased and how many rest, and how many of them this put right.

    `erased_again`: nobody signs in to those, and nothing is charged for them, from this call on;
    `erasure_sweep` tells the card processor and takes the last row away. `rest_again`: they were
    deactivated, and are so once more. `back_again`: they rested, and had come back since.
    """
    erasure, deactivation = rights.erasure(), rights.deactivation()
    erased, resting = list(erasure.store.erased()), set(deactivation.store.resting())
    return {
        "erased": len(erased),
        "erased_again": sum(map(erasure.again, erased)),
        "rest": len(resting),
        "rest_again": sum(map(deactivation.again, sorted(resting))),
        "back_again": sum(map(deactivation.back_again, deactivated(resting))),
    }


def deactivated(but: set[str]) -> Iterator[str]:
    """Accounts that rest by their own rows alone."""
    for item in list(scanned(client("dynamodb"), wiring.accounts_table().name)):
        account = str(item["pk"]["S"]).removeprefix("ACCOUNT#")
        rests = item["sk"]["S"] == "ACCOUNT" and item["state"]["S"] == State.DEACTIVATED
        if rests and account not in but:
            yield account
