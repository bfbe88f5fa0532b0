"""Takes the ledger out: rows, signed heads and the public key, for whoever checks them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.privacy import wiring as records
from chalicelib.privacy.heads import PREFIX as HEADS
from chalicelib.privacy.ledger import PREFIX as ROWS
from chalicelib.privacy.ledger import from_item
from chalicelib.settings import settings
from chalicelib.storage.wire import from_wire_item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chalicelib.privacy.rules import Row


def export(out: Path) -> dict[str, Any]:
    """Write `rows.jsonl`, `heads/` and `key.pem` into a folder; rows hold pseudonyms alone.

    Heads are taken first: a head that is made meanwhile would know of rows that are not here.
    """
    folder = out / "heads"
    folder.mkdir(parents=True, exist_ok=True)
    heads = 0
    for stored in records.heads().bucket.listed(HEADS):
        name = stored.key.removeprefix(HEADS)
        (folder / name).write_bytes(records.heads().bucket.read(stored.key))
        heads += 1
    (out / "key.pem").write_text(wiring.seals().public_pem())
    rows = sorted(every_row(), key=lambda row: (row.subject, row.number))
    with (out / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(as_json(row)) + "\n" for row in rows)
    return {"rows": len(rows), "heads": heads, "folder": str(out)}


def every_row() -> Iterator[Row]:
    """By a scan, which no function of the service may make."""
    pages = (
        wiring.database()
        .client.get_paginator("scan")
        .paginate(
            TableName=settings().accounts_table,
            ConsistentRead=True,
            FilterExpression="begins_with(pk, :ledger)",
            ExpressionAttributeValues={":ledger": {"S": ROWS}},
        )
    )
    for page in pages:
        yield from (from_item(from_wire_item(item)) for item in page["Items"])


def as_json(row: Row) -> dict[str, Any]:
    found = asdict(row)
    return {**found.pop("entry"), **found}
