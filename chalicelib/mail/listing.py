"""What leads the erasure of an account to rows of mail that do not lie under it.

| pk | sk | leads to |
|---|---|---|
| `MESSAGE#<account>` | `SENT#<message>` | a message that was opened |
| `MESSAGE#<account>` | `STOPS#<hash>` | what the link in its mails would stop |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Table, Write


def lead(table: Table, account: str, place: str, kind: str) -> Write:
    """In the transaction that makes the row; again is harmless."""
    return table.update(
        f"MESSAGE#{account}", place, "SET #type = :type, v = :one", {":type": kind, ":one": 1},
        condition="attribute_not_exists(pk) OR #type = :type", names={"#type": "type"},
    )  # fmt: skip
