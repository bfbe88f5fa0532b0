"""Puts back what a table has lost, item by item, from a copy of it at an earlier moment.

    python -m infra.operate.restore --source accounts-restored --target accounts

What is in the table is never overwritten: it is newer. Some rows stay away on purpose (below). Run
again, it changes nothing. Keys are never restored (G10): there is no copy of that table.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Item = dict[str, Any]
ABSENT = "attribute_not_exists(pk)"
# A sign-in that was ended after the copy was made must not live again, so nobody's does: people and
# computers sign in anew.
NOT_AGAIN = ("SESSION#", "FAMILY#", "REFRESH#", "DEVICE#", "CODE#")
UNFINISHED = frozenset({"waiting", "sending"})
"""States in which a mail would go out, a second time perhaps."""


@dataclass(slots=True)
class Restored:
    """How many items of the copy were put back, were there already, and stayed away on purpose."""

    put: int = 0
    there: int = 0
    away: int = 0

    def __str__(self) -> str:
        return f"{self.put} put back, {self.there} there already, {self.away} left out on purpose"


def restore(client: Any, source: str, target: str) -> Restored:
    """Put every item of `source` into `target` that is not there and may live again."""
    done = Restored()
    for item in scanned(client, source):
        if stays_away(item):
            done.away += 1
        elif put_if_absent(client, target, item):
            done.put += 1
        else:
            done.there += 1
    return done


def stays_away(item: Mapping[str, Any]) -> bool:
    key, row = str(item["pk"]["S"]), str(item["sk"]["S"])
    unsent = key.startswith("MESSAGE#") and item.get("state", {}).get("S") in UNFINISHED
    # There is no copy of the grants; should there ever be one, it is no way back to them (G10).
    grant = key.startswith("SUBJECT#") and row.startswith("KEY#")
    return key.startswith(NOT_AGAIN) or unsent or grant


def put_if_absent(client: Any, table: str, item: Item) -> bool:
    try:
        client.put_item(TableName=table, Item=item, ConditionExpression=ABSENT)
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def scanned(client: Any, table: str) -> Iterator[Item]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.operate.restore", description=__doc__)
    parser.add_argument("--source", required=True, help="the table that was restored beside it")
    parser.add_argument("--target", required=True, help="the table that the stack names")
    chosen = parser.parse_args(arguments)
    import boto3

    print(f"{chosen.target}: {restore(boto3.client('dynamodb'), chosen.source, chosen.target)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
