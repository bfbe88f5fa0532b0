"""Puts back what a table has lost, item by item, from a copy of it at an earlier moment.

    python -m infra.operate.restore --stack NAME --source accounts-restored --target accounts

What is in the table is never overwritten: it is newer. Some rows stay away on purpose (below), and
a name goes back only to whom the table says it belongs. Keys are never restored (G10): there is no
copy of that table, and so it knows who was erased, deactivated or came back since: at the end each
is once more what they had chosen.
Run again, it comes to the same.
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
NOT_AGAIN = (
    "SESSION#", "SESSIONS#", "STAFFSESSION#", "FAMILY#", "REFRESH#", "DEVICE#", "CODE#",
)  # fmt: skip
UNFINISHED = frozenset({"waiting", "sending"})
"""States in which a mail would go out, a second time perhaps."""


@dataclass(frozen=True, slots=True)
class Names:
    """Rows that say whose a name is, and what the owner's own row says of it.

    `owner` is the attribute with the owner's id, `holds` the owner's attribute with the name, and
    `over` the state of an owner who has left.
    """

    prefix: str
    owner: str
    row: str
    holds: str
    over: str


NAMES = (
    Names("EMAIL#", "account", "ACCOUNT", "email_claim", "ending"),
    Names("LOGIN#", "account", "ACCOUNT", "login_claim", "ending"),
    Names("STAFFNAME#", "staff_id", "STAFF", "name_claim", "ended"),
)
HELD, THERE = 0, 1
"""Positions in the transaction that puts a name back."""


@dataclass(slots=True)
class Restored:
    """How many items of the copy were put back, were there already, and stayed away on purpose."""

    put: int = 0
    there: int = 0
    away: int = 0

    def __str__(self) -> str:
        return f"{self.put} put back, {self.there} there already, {self.away} left out on purpose"


def restore(client: Any, source: str, target: str) -> Restored:
    """Put every item of `source` into `target` that is not there and may live again.

    Names come last: whose they are, the owners' rows in `target` say.
    """
    done = Restored()
    for item in scanned(client, source):
        if stays_away(item):
            done.away += 1
        elif names_of(item) is None:
            _count(done, put=put_if_absent(client, target, item))
    for item in scanned(client, source):
        if names := names_of(item):
            put = put_if_held(client, target, item, names)
            if put is None:
                done.away += 1
            else:
                _count(done, put=put)
    return done


def _count(done: Restored, *, put: bool) -> None:
    if put:
        done.put += 1
    else:
        done.there += 1


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


def names_of(item: Mapping[str, Any]) -> Names | None:
    key = str(item["pk"]["S"])
    return next((names for names in NAMES if key.startswith(names.prefix)), None)


def put_if_held(client: Any, table: str, item: Item, names: Names) -> bool | None:
    """None where the owner in the table left, is gone, or goes by another name."""
    owner, held = item[names.owner]["S"], str(item["pk"]["S"]).removeprefix(names.prefix)
    check = {
        "TableName": table,
        "Key": {"pk": {"S": f"{names.row}#{owner}"}, "sk": {"S": names.row}},
        "ConditionExpression": "#state <> :over AND #holds = :held",
        "ExpressionAttributeNames": {"#state": "state", "#holds": names.holds},
        "ExpressionAttributeValues": {":over": {"S": names.over}, ":held": {"S": held}},
    }
    put = {"TableName": table, "Item": item, "ConditionExpression": ABSENT}
    try:
        client.transact_write_items(TransactItems=[{"ConditionCheck": check}, {"Put": put}])
    except client.exceptions.TransactionCanceledException as error:
        failed = [
            at
            for at, reason in enumerate(error.response["CancellationReasons"])
            if reason["Code"] == "ConditionalCheckFailed"
        ]
        if not failed:
            raise
        return None if HELD in failed and THERE not in failed else False
    return True


def scanned(client: Any, table: str) -> Iterator[Item]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.operate.restore",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--source", required=True, help="the table that was restored beside it")
    parser.add_argument("--target", required=True, help="the table that the stack names")
    parser.add_argument("--stack", help="take names from this CloudFormation stack")
    chosen = parser.parse_args(arguments)
    import boto3

    from infra.admin import find_cloud
    from infra.operate.leaving import leave_again

    find_cloud("restore", chosen.stack)
    print(f"{chosen.target}: {restore(boto3.client('dynamodb'), chosen.source, chosen.target)}")
    done = leave_again()
    print(f"erased since, and back: {done['erased_again']}, which are erased again")
    print(f"deactivated since, and active: {done['rest_again']}, which rest again")
    print(f"back since, and deactivated: {done['back_again']}, which are back again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
