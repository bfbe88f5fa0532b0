"""Tables are exact under threads, and a transaction is all or nothing."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from moto.dynamodb.parsing.executors import UpdateExpressionExecutor

from .conftest import call, put, rows

if TYPE_CHECKING:
    from infra.local.cloud import Cloud


def key(pk: str, sk: str = "s") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def seat(table: str, cap: str, name: str) -> list[dict[str, Any]]:
    """Take one of ten seats and leave a row for it."""
    return [
        {
            "Update": {
                "TableName": table,
                "Key": key(cap),
                "UpdateExpression": "ADD n :one",
                "ConditionExpression": "attribute_not_exists(n) OR n < :cap",
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":cap": {"N": "10"}},
            }
        },
        {
            "Put": {
                "TableName": table,
                "Item": {**key(f"{cap}-seat", name), "g": {"S": cap}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]


@pytest.fixture
def slow_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretch the moment between a condition's look and the write, so that threads meet in it."""
    quick = UpdateExpressionExecutor.execute

    def execute(self: Any, node: Any = None) -> None:
        if node is None:
            time.sleep(0.005)
        quick(self, node)

    monkeypatch.setattr(UpdateExpressionExecutor, "execute", execute)


class TestThreads:
    @pytest.mark.usefixtures("slow_updates")
    def test_eight_take_exactly_the_seats_there_are(self, cloud: Cloud) -> None:
        table = cloud.physical["Things"]
        won: list[Any] = []

        ready = threading.Barrier(8)

        def take(worker: int) -> None:
            calls = [
                [
                    "dynamodb",
                    "transact_write_items",
                    {"TransactItems": seat(table, "CAP", f"{worker}-{n}")},
                ]
                for n in range(10)
            ]
            cloud.invoke("probe", {"do": "sleep", "seconds": 2})  # a process of its own, started
            ready.wait()
            answers = cloud.invoke("probe", {"do": "calls", "calls": calls})
            won.extend(answer for answer in answers if "error" not in answer)

        threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 10
        assert rows(cloud, "CAP")[0]["n"] == "10"
        assert len(rows(cloud, "CAP-seat")) == 10
        kept = [json.loads(body) for body in _kept(cloud, "CAP-seat")]
        assert len(kept) == 10


def _kept(cloud: Cloud, pk: str) -> list[str]:
    found = cloud.store.all("item")
    return [json.dumps(item) for _, _, item in found if item["pk"]["S"] == pk]


class TestTransactions:
    def test_a_failed_one_leaves_items_index_and_folder_as_they_were(self, cloud: Cloud) -> None:
        table = cloud.physical["Things"]
        put(cloud, "T1", "a", v={"S": "old"})
        items = [
            {"Put": {"TableName": table, "Item": {**key("T1", "a"), "v": {"S": "new"}}}},
            {"Put": {"TableName": table, "Item": {**key("T1", "b"), "g": {"S": "T1"}}}},
            {"Delete": {"TableName": table, "Key": key("T1", "c")}},
            {
                "ConditionCheck": {
                    "TableName": table,
                    "Key": key("T1", "none"),
                    "ConditionExpression": "attribute_exists(pk)",
                }
            },
        ]
        answer = call(cloud, "dynamodb", "transact_write_items", TransactItems=items)
        assert answer["error"] == "TransactionCanceledException"
        assert rows(cloud, "T1") == [{"pk": "T1", "sk": "a", "v": "old"}]
        assert len(_kept(cloud, "T1")) == 1
        query = {
            "TableName": table,
            "IndexName": "by-g",
            "KeyConditionExpression": "g = :g",
            "ExpressionAttributeValues": {":g": {"S": "T1"}},
        }
        assert call(cloud, "dynamodb", "query", **query)["Count"] == 0

    def test_a_failed_upsert_leaves_nothing(self, cloud: Cloud) -> None:
        answer = call(
            cloud,
            "dynamodb",
            "update_item",
            TableName=cloud.physical["Things"],
            Key=key("T2"),
            UpdateExpression="SET no.such.path = :v",
            ExpressionAttributeValues={":v": {"N": "1"}},
        )
        assert answer["error"] == "ValidationException"
        assert rows(cloud, "T2") == []

    def test_queries_page_backwards_and_filter(self, cloud: Cloud) -> None:
        table = cloud.physical["Things"]
        dynamodb = cloud.client("dynamodb")
        for n in range(30):
            dynamodb.put_item(TableName=table, Item={**key("P", f"{n:03}"), "v": {"N": str(n)}})
        found: list[str] = []
        start: dict[str, Any] = {}
        while True:
            page = dynamodb.query(
                TableName=table,
                KeyConditionExpression="pk = :p AND sk >= :s",
                FilterExpression="v < :v",
                ExpressionAttributeValues={":p": {"S": "P"}, ":s": {"S": "005"}, ":v": {"N": "20"}},
                Limit=7,
                ScanIndexForward=False,
                **start,
            )
            found += [item["sk"]["S"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert found == [f"{n:03}" for n in range(19, 4, -1)]

    def test_binary_and_nested_values_come_back_as_they_went(self, cloud: Cloud) -> None:
        table, dynamodb = cloud.physical["Things"], cloud.client("dynamodb")
        item = {
            **key("B"),
            "b": {"B": b"\x00\xff"},
            "m": {"M": {"l": {"L": [{"N": "1"}, {"B": b"x"}]}, "s": {"SS": ["a"]}}},
            "no": {"NULL": True},
        }
        dynamodb.put_item(TableName=table, Item=item)
        assert dynamodb.get_item(TableName=table, Key=key("B"))["Item"] == item
