"""Every cloud call of a function is recorded with its units; faults strike where they are told."""

from __future__ import annotations

import time
from typing import Any

import pytest

from infra.local import units
from infra.local.cloud import Cloud, InvocationError

from .conftest import call, put, rows

BIG = {"S": "x" * 2500}


def key(pk: str, sk: str = "s") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


class Recorder:
    """The units of the calls that `probe` makes on the table."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.table = cloud.physical["Things"]

    def cost(self, method: str, **arguments: Any) -> float:
        before = len(self.cloud.calls())
        if "transact" not in method:
            arguments = {"TableName": self.table, **arguments}
        self.answer = call(self.cloud, "dynamodb", method, **arguments)
        (row,) = self.cloud.calls(before)
        assert row["table"] == self.table
        return float(row["units"])


@pytest.fixture
def of(cloud: Cloud) -> Recorder:
    return Recorder(cloud)


class TestUnits:
    def test_a_put_costs_a_unit_for_each_begun_kilobyte(self, of: Recorder) -> None:
        assert of.cost("put_item", Item=key("u1")) == 1
        assert of.cost("put_item", Item={**key("u1"), "v": BIG}) == 3

    def test_a_smaller_item_over_a_larger_costs_the_larger(self, of: Recorder) -> None:
        of.cost("put_item", Item={**key("u2"), "v": BIG})
        assert of.cost("put_item", Item=key("u2")) == 3

    def test_an_update_costs_the_larger_of_before_and_after(self, of: Recorder) -> None:
        of.cost("put_item", Item={**key("u3"), "v": BIG})
        cost = of.cost("update_item", Key=key("u3"), UpdateExpression="REMOVE v")
        assert cost == 3

    def test_a_delete_costs_what_it_deletes(self, of: Recorder) -> None:
        of.cost("put_item", Item={**key("u4"), "v": BIG})
        assert of.cost("delete_item", Key=key("u4")) == 3
        assert of.cost("delete_item", Key=key("u4")) == 1

    def test_a_failed_condition_costs_what_it_looked_at(self, of: Recorder) -> None:
        of.cost("put_item", Item={**key("u5"), "v": BIG})
        condition = "attribute_not_exists(pk)"
        assert of.cost("put_item", Item=key("u5"), ConditionExpression=condition) == 3
        assert of.answer["error"] == "ConditionalCheckFailedException"

    def test_an_index_adds_its_own_and_only_when_it_changes(self, of: Recorder) -> None:
        assert of.cost("put_item", Item={**key("u6"), "g": {"S": "a"}}) == 2
        assert of.cost("put_item", Item={**key("u6"), "g": {"S": "a"}, "n": {"N": "1"}}) == 1
        assert of.cost("put_item", Item={**key("u6"), "g": {"S": "b"}}) == 3
        assert of.cost("put_item", Item=key("u6")) == 2

    def test_a_get_costs_half_unless_it_is_strong(self, of: Recorder) -> None:
        of.cost("put_item", Item={**key("u7"), "v": {"S": "x" * 4100}})
        assert of.cost("get_item", Key=key("u7")) == 1
        assert of.cost("get_item", Key=key("u7"), ConsistentRead=True) == 2
        assert of.cost("get_item", Key=key("none"), ConsistentRead=True) == 1

    def test_a_query_rounds_once_over_all_it_looked_at(self, of: Recorder) -> None:
        for n in range(5):
            of.cost(
                "put_item", Item={**key("u8", str(n)), "v": {"S": "x" * 1000}, "n": {"N": str(n)}}
            )
        query = {
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": "u8"}},
            "ConsistentRead": True,
        }
        assert of.cost("query", **query) == 2
        assert of.cost("query", **query, ProjectionExpression="sk") == 2
        filtered = {**query["ExpressionAttributeValues"], ":n": {"N": "4"}}  # type: ignore[dict-item]
        cost = of.cost(
            "query", **{**query, "ExpressionAttributeValues": filtered}, FilterExpression="n = :n"
        )
        assert (cost, len(of.answer["Items"])) == (2, 1)
        none = {**query, "ExpressionAttributeValues": {":p": {"S": "u8-none"}}}
        assert of.cost("query", **none) == 1

    def test_a_query_of_an_index_costs_what_is_projected(self, of: Recorder) -> None:
        for n in range(5):
            of.cost("put_item", Item={**key(f"u9{n}"), "g": {"S": "u9"}, "v": BIG})
        cost = of.cost(
            "query",
            IndexName="by-g",
            KeyConditionExpression="g = :g",
            ExpressionAttributeValues={":g": {"S": "u9"}},
        )
        assert cost == 0.5

    def test_a_transaction_costs_double_checks_included(self, of: Recorder) -> None:
        of.cost("put_item", Item={**key("u10"), "v": BIG})
        items = [
            {"Put": {"TableName": of.table, "Item": key("u11")}},
            {
                "Update": {
                    "TableName": of.table,
                    "Key": key("u10"),
                    "UpdateExpression": "SET n = :n",
                    "ExpressionAttributeValues": {":n": {"N": "1"}},
                }
            },
            {
                "ConditionCheck": {
                    "TableName": of.table,
                    "Key": key("u12"),
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
        ]
        assert of.cost("transact_write_items", TransactItems=items) == 2 + 6 + 2

    def test_a_refused_call_costs_nothing(self, of: Recorder) -> None:
        assert of.cost("describe_table") == 0
        assert of.cost("update_item", Key=key("x"), UpdateExpression="SET") == 0


class TestSizes:
    @pytest.mark.parametrize(
        ("value", "length"),
        [
            ({"S": "é"}, 2),
            ({"N": "0"}, 2),
            ({"N": "1234567890123"}, 8),
            ({"N": "-12"}, 3),
            ({"N": "1000"}, 2),
            ({"BOOL": True}, 1),
            ({"NULL": True}, 1),
            ({"B": b"abc"}, 3),
            ({"SS": ["ab", "c"]}, 3),
            ({"M": {"k": {"S": "v"}}}, 6),
            ({"L": [{"S": "v"}]}, 5),
        ],
    )
    def test_are_those_of_the_documentation(self, value: dict[str, Any], length: int) -> None:
        assert units.size({"a": value}) == 1 + length


class TestRecord:
    def test_names_are_those_of_boto_and_the_operator_is_not_in_it(self, cloud: Cloud) -> None:
        before = len(cloud.calls())
        cloud.client("dynamodb").list_tables()
        put(cloud, "r1")
        call(cloud, "s3", "put_object", Bucket=cloud.physical["Box"], Key="r1", Body={"b": "x"})
        call(cloud, "sqs", "send_message", QueueUrl=cloud.physical["WorkDlq"], MessageBody="x")
        call(cloud, "ssm", "get_parameter", Name="/cetrus/x")
        found = [(row["service"], row["action"]) for row in cloud.calls(before)]
        assert found == [
            ("dynamodb", "PutItem"),
            ("s3", "PutObject"),
            ("sqs", "SendMessage"),
            ("ssm", "GetParameter"),
        ]

    def test_since_is_a_sequence_number(self, cloud: Cloud) -> None:
        put(cloud, "r2")
        last = cloud.calls()[-1]
        put(cloud, "r3")
        assert [row["seq"] for row in cloud.calls(last["seq"])] == [last["seq"] + 1]
        assert cloud.calls(0, "consumer") == [
            row for row in cloud.calls() if row["function"] == "consumer"
        ]
        assert set(last) == {"seq", "at", "function", "service", "action", "table", "units"}

    def test_several_tables_stand_in_one_row(self, cloud: Cloud) -> None:
        items = [{"Put": {"TableName": name, "Item": key("a")}} for name in ("one", "two", "one")]
        call(cloud, "dynamodb", "transact_write_items", TransactItems=items)
        assert cloud.calls()[-1]["table"] == "one,two"


class TestFaults:
    def test_fail_reaches_the_app_and_nothing_is_done(self, cloud: Cloud) -> None:
        cloud.add_fault({"kind": "fail", "service": "dynamodb", "action": "PutItem"})
        assert put(cloud, "f1")["error"] == "InternalFailure"
        assert rows(cloud, "f1") == []
        assert "error" not in put(cloud, "f1")

    def test_nth_counts_matching_calls_and_times_repeats(self, cloud: Cloud) -> None:
        cloud.add_fault(
            {"kind": "fail", "action": "PutItem", "function": "probe", "nth": 2, "times": 2}
        )
        assert ["error" in put(cloud, f"f2-{n}") for n in range(4)] == [False, True, True, False]

    def test_throttling_is_the_services_own_error(self, cloud: Cloud) -> None:
        cloud.add_fault({"kind": "throttle", "service": "dynamodb", "times": 50})
        assert put(cloud, "f3")["error"] == "ProvisionedThroughputExceededException"
        cloud.clear_faults()
        cloud.add_fault({"kind": "throttle", "service": "kms", "times": 50})
        answer = call(cloud, "kms", "decrypt", CiphertextBlob={"b": "x"})
        assert answer["error"] == "ThrottlingException"

    def test_one_throttled_call_is_retried_by_botocore(self, cloud: Cloud) -> None:
        before = len(cloud.calls())
        cloud.add_fault({"kind": "throttle", "action": "PutItem"})
        assert "error" not in put(cloud, "f4")
        assert len(cloud.calls(before)) == 2

    def test_a_conflict_strikes_writes_alone(self, cloud: Cloud) -> None:
        table = cloud.physical["Things"]
        cloud.add_fault({"kind": "conflict", "times": 2})
        assert rows(cloud, "f7") == []
        assert put(cloud, "f7")["error"] == "TransactionConflictException"
        items = [{"Put": {"TableName": table, "Item": key("f7")}}]
        answer = call(cloud, "dynamodb", "transact_write_items", TransactItems=items)
        assert answer["error"] == "TransactionCanceledException"
        assert rows(cloud, "f7") == []
        assert "error" not in put(cloud, "f7")

    def test_a_timeout_after_commit_has_done_the_call(self, cloud: Cloud) -> None:
        table = cloud.physical["Things"]
        cloud.add_fault({"kind": "timeout_after_commit", "action": "UpdateItem"})
        started = time.monotonic()
        answer = call(
            cloud,
            "dynamodb",
            "update_item",
            TableName=table,
            Key=key("f5"),
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        assert "error" not in answer
        assert time.monotonic() - started < 5
        assert rows(cloud, "f5")[0]["n"] == "2"  # botocore asked again: the app must expect that

    def test_kill_ends_the_process_before_the_call(self, cloud: Cloud) -> None:
        pid = cloud.invoke("probe", {"do": "time"})["pid"]
        cloud.add_fault({"kind": "kill", "action": "PutItem"})
        with pytest.raises(InvocationError) as caught:
            put(cloud, "f6")
        assert caught.value.payload["errorType"] == "Runtime.ExitError"
        assert rows(cloud, "f6") == []
        assert cloud.invoke("probe", {"do": "time"})["pid"] != pid

    def test_password_hashes_can_be_struck_too(self, cloud: Cloud) -> None:
        cloud.add_fault({"kind": "kill", "service": "argon2", "action": "verify"})
        with pytest.raises(InvocationError):
            cloud.invoke("probe", {"do": "hash"})
        assert cloud.calls()[-1]["action"] == "hash"

    def test_the_operator_is_never_struck(self, cloud: Cloud) -> None:
        cloud.add_fault({"kind": "fail"})
        assert cloud.client("dynamodb").list_tables()["TableNames"]

    @pytest.mark.parametrize(
        ("fault", "field"),
        [
            ({}, "kind"),
            ({"kind": "explode"}, "kind"),
            ({"kind": "fail", "nth": 0}, "nth"),
            ({"kind": "fail", "times": True}, "times"),
            ({"kind": "fail", "service": 1}, "service"),
            ({"kind": "fail", "when": 1}, "when"),
        ],
    )
    def test_a_bad_fault_names_its_field(
        self, cloud: Cloud, fault: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(ValueError, match=field):
            cloud.add_fault(fault)
