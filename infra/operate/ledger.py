"""Takes the ledger out: rows, signed heads and the public key, for whoever checks them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.clock import to_text
from chalicelib.privacy import wiring as records
from chalicelib.privacy.ledger import PREFIX as ROWS
from chalicelib.privacy.ledger import from_item
from chalicelib.settings import settings
from chalicelib.storage.wire import from_wire_item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chalicelib.privacy.heads import Held
    from chalicelib.privacy.rules import Row


def export(out: Path) -> dict[str, Any]:
    """Write `rows.jsonl`, `heads/` and `key.pem` into a folder; rows hold pseudonyms alone.

    Heads are taken first: a head that is made meanwhile would know of rows that are not here. A
    head is what was put first under its name; what lies over it is written beside it.
    """
    folder = out / "heads"
    folder.mkdir(parents=True, exist_ok=True)
    everything = records.heads().all()
    for number, held in everything.items():
        write_head(folder, number, held)
    (out / "key.pem").write_text(wiring.seals().public_pem())
    rows = sorted(every_row(), key=lambda row: (row.subject, row.number))
    with (out / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(as_json(row)) + "\n" for row in rows)
    return {
        "rows": len(rows),
        "heads": sum(held.first is not None for held in everything.values()),
        "deleted": [number for number, held in everything.items() if held.markers],
        "put_again": [number for number, held in everything.items() if held.again],
        "until": to_text(wiring.now()),
        "folder": str(out),
    }


def write_head(folder: Path, number: int, held: Held) -> None:
    """`N.json`, what was put over it as `N.again-1.json`, and each marker, by its instant."""
    bucket = records.heads().bucket
    for place, version in enumerate(held.put):
        name = f"{number:010d}.again-{place}.json" if place else f"{number:010d}.json"
        (folder / name).write_bytes(bucket.read_version(version))
    for place, marker in enumerate(held.markers, start=1):
        text = json.dumps({"deleted_at": to_text(marker.arrived_at)})
        (folder / f"{number:010d}.deleted-{place}.json").write_text(text)


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
