"""The only code that speaks to DynamoDB: plain items in and out, named conditions, transactions."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.storage.declared import WHERE, Undeclared
from chalicelib.storage.wire import from_wire_item, to_wire, to_wire_item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chalicelib.storage.declared import Declared

Item = dict[str, Any]
ABSENT = "attribute_not_exists(pk)"
PRESENT = "attribute_exists(pk)"
TRIES = 8
MAX_ACTIONS = 100
REFUSED = "ConditionalCheckFailed"
CONFLICTS = frozenset(
    {"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"}
)


class ConditionFailed(Exception):
    """Nothing was written.

    `failed` holds the positions whose condition did not hold, `items` what stood there, for the
    writes that asked for it.
    """

    def __init__(self, failed: frozenset[int], items: Mapping[int, Item]) -> None:
        self.failed, self.items = failed, dict(items)
        super().__init__(f"condition failed at {sorted(failed)}")

    def at(self, position: int) -> bool:
        return position in self.failed


class Contended(Exception):
    """Other transactions kept getting in the way; nothing was written."""


@dataclass(frozen=True, slots=True)
class Key:
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Nominated(Key):
    """A key that an index knows, and its place there."""

    place: str


@dataclass(frozen=True, slots=True)
class Write:
    """One conditional write, alone or in a transaction."""

    kind: str
    table: str
    item: Item | None = None
    key: Key | None = None
    condition: str | None = None
    update: str | None = None
    values: Item = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    old: bool = False


class Database:
    """One DynamoDB client. `apply` and `transact` retry conflicts with jitter, and only those.

    With `declared`, by the tables' names, it writes nothing that is not declared.
    """

    def __init__(self, client: Any, declared: Mapping[str, Declared] | None = None) -> None:
        self.client, self.declared = client, declared

    def check(self, *writes: Write) -> None:
        """Undeclared where one of them would store what nobody declared."""
        if (declared := self.declared) is None:
            return
        for write in writes:
            if (known := declared.get(write.table)) is None:
                raise Undeclared(f"table {write.table!r}: {WHERE}")
            known.check(write)

    def get(
        self, table: str, key: Key, *, consistent: bool = True, only: Sequence[str] = ()
    ) -> Item | None:
        """`only` names the attributes that are asked for, where the caller may not have others."""
        projection: dict[str, Any] = {}
        if only:
            names = {f"#n{number}": name for number, name in enumerate(only)}
            projection = {
                "ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names,
            }  # fmt: skip
        answer = self.client.get_item(
            TableName=table,
            Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}},
            ConsistentRead=consistent,
            **projection,
        )
        return from_wire_item(answer["Item"]) if "Item" in answer else None

    def query(self, table: str, request: Mapping[str, Any]) -> Iterator[Item]:
        """Every item, page after page as they are consumed."""
        request = {"TableName": table, **request}
        while True:
            answer = self.client.query(**request)
            yield from map(from_wire_item, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def apply(self, write: Write) -> Item | None:
        """Write one item; ConditionFailed where its condition does not hold.

        An update answers the item as it is afterwards.
        """
        from botocore.exceptions import ClientError

        self.check(write)
        call, request = single(write)
        for attempt in range(TRIES):
            try:
                answer = getattr(self.client, call)(**request)
            except ClientError as error:
                if (code := error.response["Error"]["Code"]) in CONFLICTS:
                    pause(attempt)
                    continue
                if code != "ConditionalCheckFailedException":
                    raise
                found = error.response.get("Item")
                items = {0: from_wire_item(found)} if found else {}
                raise ConditionFailed(frozenset({0}), items) from None
            return from_wire_item(answer["Attributes"]) if answer.get("Attributes") else None
        raise Contended(write.table)

    def transact(self, *writes: Write) -> None:
        """All of the writes or none; ConditionFailed names the positions that refused."""
        from botocore.exceptions import ClientError

        if len(writes) > MAX_ACTIONS:
            raise ValueError("a transaction holds at most 100 actions")
        self.check(*writes)
        actions = [action(write) for write in writes]
        for attempt in range(TRIES):
            try:
                self.client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                if refusal := refused(error.response):
                    raise refusal from None
                if not conflicting(error.response):
                    raise
                pause(attempt)
                continue
            return
        raise Contended(writes[0].table)


def single(write: Write) -> tuple[str, dict[str, Any]]:
    request = body(write)
    if write.kind == "Update":
        request["ReturnValues"] = "ALL_NEW"
    return {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}[
        write.kind
    ], request


def action(write: Write) -> dict[str, Any]:
    return {write.kind: body(write)}


def body(write: Write) -> dict[str, Any]:
    request: dict[str, Any] = {"TableName": write.table}
    if write.item is not None:
        request["Item"] = to_wire_item(write.item)
    if write.key is not None:
        request["Key"] = {"pk": {"S": write.key.pk}, "sk": {"S": write.key.sk}}
    if write.update:
        request["UpdateExpression"] = write.update
    if write.condition:
        request["ConditionExpression"] = write.condition
    if write.values:
        request["ExpressionAttributeValues"] = {n: to_wire(v) for n, v in write.values.items()}
    if write.names:
        request["ExpressionAttributeNames"] = write.names
    if write.old:
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return request


def reasons(response: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if response["Error"]["Code"] != "TransactionCanceledException":
        return []
    if given := response.get("CancellationReasons"):
        return list(given)
    codes = response["Error"]["Message"].rpartition("[")[2].rstrip("]").split(", ")
    return [{"Code": code} for code in codes]  # an engine of 2020 tells them in the message alone


def refused(response: Mapping[str, Any]) -> ConditionFailed | None:
    found = reasons(response)
    failed = frozenset(n for n, reason in enumerate(found) if reason.get("Code") == REFUSED)
    items = {n: from_wire_item(found[n]["Item"]) for n in failed if found[n].get("Item")}
    return ConditionFailed(failed, items) if failed else None


def conflicting(response: Mapping[str, Any]) -> bool:
    return response["Error"]["Code"] in CONFLICTS or any(
        reason.get("Code") in CONFLICTS for reason in reasons(response)
    )


def pause(attempt: int) -> None:
    time.sleep(random.random() * 0.01 * 2**attempt)  # noqa: S311 - jitter, not a secret


class Table:
    """One table by name: builds writes, reads items, and applies a single write."""

    def __init__(self, database: Database, name: str) -> None:
        self.database, self.name = database, name

    def get(
        self, pk: str, sk: str, *, consistent: bool = True, only: Sequence[str] = ()
    ) -> Item | None:
        return self.database.get(self.name, Key(pk, sk), consistent=consistent, only=only)

    def query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        below: str | None = None,
        above: str | None = None,
        between: tuple[str, str] | None = None,
        forward: bool = True,
        limit: int | None = None,
        consistent: bool = True,
    ) -> Iterator[Item]:
        """The partition's items in key order, narrowed by at most one condition on the sort key.

        `between` includes both ends; `limit` is the size of a page as read, for callers that stop
        early.
        """
        condition, values = "pk = :pk", {":pk": pk}
        if prefix is not None:
            condition, values[":sk"] = condition + " AND begins_with(sk, :sk)", prefix
        elif between is not None:
            condition += " AND sk BETWEEN :low AND :high"
            values[":low"], values[":high"] = between
        elif below is not None:
            condition, values[":sk"] = condition + " AND sk < :sk", below
        elif above is not None:
            condition, values[":sk"] = condition + " AND sk > :sk", above
        request: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {n: to_wire(v) for n, v in values.items()},
            "ConsistentRead": consistent,
            "ScanIndexForward": forward,
        }
        if limit is not None:
            request["Limit"] = limit
        return self.database.query(self.name, request)

    def index(
        self,
        name: str,
        hash_name: str,
        value: str,
        *,
        range_name: str,
        up_to: str | None = None,
        above: str | None = None,
        between: tuple[str, str] | None = None,
    ) -> Iterator[Nominated]:
        """Keys that a sparse index nominates; eventually consistent, so it never decides.

        `up_to` and `between` include their ends and `above` does not; at most one of them is given.
        """
        condition, values = "#h = :h", {":h": value}
        names = {"#h": hash_name}
        for sign, bound in (("<=", up_to), (">", above)):
            if bound is not None:
                condition, values[":r"] = condition + f" AND #r {sign} :r", bound
                names["#r"] = range_name
        if between is not None:
            condition, names["#r"] = condition + " AND #r BETWEEN :low AND :high", range_name
            values[":low"], values[":high"] = between
        found = self.database.query(
            self.name,
            {
                "IndexName": name,
                "KeyConditionExpression": condition,
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {n: to_wire(v) for n, v in values.items()},
            },
        )
        return (Nominated(item["pk"], item["sk"], item[range_name]) for item in found)

    def put(
        self, item: Item, condition: str | None = None, values: Item | None = None,
        names: dict[str, str] | None = None,
    ) -> Write:  # fmt: skip
        return Write(
            "Put", self.name, item=item, condition=condition, values=values or {},
            names=names or {},
        )  # fmt: skip

    def update(
        self,
        pk: str,
        sk: str,
        update: str,
        values: Item | None = None,
        *,
        condition: str,
        names: dict[str, str] | None = None,
        old: bool = False,
    ) -> Write:
        """Every update states the state it leaves, so a condition is not optional."""
        return Write(
            "Update",
            self.name,
            key=Key(pk, sk),
            update=update,
            condition=condition,
            values=values or {},
            names=names or {},
            old=old,
        )

    def delete(
        self, pk: str, sk: str, condition: str | None = None, values: Item | None = None
    ) -> Write:
        return Write("Delete", self.name, key=Key(pk, sk), condition=condition, values=values or {})

    def check(
        self,
        pk: str,
        sk: str,
        condition: str,
        values: Item | None = None,
        *,
        names: dict[str, str] | None = None,
    ) -> Write:
        return Write(
            "ConditionCheck",
            self.name,
            key=Key(pk, sk),
            condition=condition,
            values=values or {},
            names=names or {},
        )

    def apply(self, write: Write) -> Item | None:
        return self.database.apply(write)

    def transact(self, *writes: Write) -> None:
        self.database.transact(*writes)
