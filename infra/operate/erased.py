"""Erases once more whom a restore brought back: what the table of keys remembers, no backup undoes.

`infra.operate.restore` does it at its end. Where a table was brought back in another way,

    python -m infra.admin --stack NAME erase-again

does it alone, before the writers go on. Run again, it changes nothing.
"""

from __future__ import annotations

from chalicelib.rights import wiring as rights


def erase_again() -> dict[str, int]:
    """How many accounts were ever erased, and how many of them came back and are ended by this.

    Nobody signs in to those, and nothing is charged for them, from this call on; `erasure_sweep`
    tells the card processor and takes the last row away.
    """
    erasure = rights.erasure()
    accounts = list(erasure.store.erased())
    return {"erased": len(accounts), "back": sum(map(erasure.again, accounts))}
