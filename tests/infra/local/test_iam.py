"""The judge of roles, alone: a role that may see some attributes is refused any other call."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local.errors import CloudError
from infra.local.iam import allowed, parse
from infra.local.needs import needs
from infra.local.wire import Call

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/accounts"
KEY = {"pk": {"S": "ACCOUNT#acc_1"}, "sk": {"S": "LEAVING"}}
ONLY_DUE: dict[str, Any] = {
    "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE,
    "Condition": {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "due", "state"]},
        "StringEquals": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    },
}  # fmt: skip


def may(action: str = "GetItem", **parameters: Any) -> bool:
    call = Call("dynamodb", action, "KEY", {"TableName": "accounts", "Key": KEY, **parameters})
    (need,) = needs(call)
    return allowed(parse({"Statement": [ONLY_DUE]}, "role"), need)


class TestAttributes:
    @pytest.mark.parametrize(
        "asked",
        [
            {"ProjectionExpression": "due"},
            {"ProjectionExpression": "pk, due"},
            {"ProjectionExpression": "due , #s", "ExpressionAttributeNames": {"#s": "state"}},
            {"ProjectionExpression": "due[0].at"},
            {"AttributesToGet": ["due"]},
        ],
    )
    def test_what_it_names_may_be_asked_for(self, asked: dict[str, Any]) -> None:
        assert may(**asked)

    def test_the_whole_item_may_not(self) -> None:
        assert not may()

    @pytest.mark.parametrize(
        "asked",
        [
            {"ProjectionExpression": "due, reason"},
            {"ProjectionExpression": "#d", "ExpressionAttributeNames": {"#d": "reason"}},
            {"ProjectionExpression": "#due", "ExpressionAttributeNames": {"#due": "reason"}},
            {"ProjectionExpression": "reason.due"},
            {"ProjectionExpression": "Due"},
            {"AttributesToGet": ["due", "reason"]},
        ],
    )
    def test_one_more_may_not(self, asked: dict[str, Any]) -> None:
        assert not may(**asked)

    def test_the_names_of_the_key_count_among_them(self) -> None:
        other = {"pk": KEY["pk"], "id": KEY["sk"]}
        assert not may(Key=other, ProjectionExpression="due")

    @pytest.mark.parametrize("verb", ["Get", "ConditionCheck"])
    def test_a_transaction_asks_for_no_more(self, verb: str) -> None:
        entry = {"TableName": "accounts", "Key": KEY, "ProjectionExpression": "due"}
        (need,) = needs(Call("dynamodb", "X", "KEY", {"TransactItems": [{verb: entry}]}))
        assert allowed(parse({"Statement": [ONLY_DUE]}, "role"), need) is (verb == "Get")

    @pytest.mark.parametrize(
        "actions", ["dynamodb:Query", ["dynamodb:GetItem", "dynamodb:Query"], "dynamodb:*"]
    )
    def test_a_condition_on_them_for_another_action_stops_the_start(
        self, actions: str | list[str]
    ) -> None:
        with pytest.raises(CloudError, match=r"dynamodb:Attributes for dynamodb:GetItem alone"):
            parse({"Statement": [{**ONLY_DUE, "Action": actions}]}, "role")


class TestVersionsOfObjects:
    """One that is named is another permission than the newest, to read, to delete and to list."""

    @pytest.mark.parametrize(
        ("action", "named", "permission"),
        [
            ("GetObject", {}, "s3:GetObject"),
            ("GetObject", {"versionId": "v"}, "s3:GetObjectVersion"),
            ("HeadObject", {"versionId": "v"}, "s3:GetObjectVersion"),
            ("DeleteObject", {}, "s3:DeleteObject"),
            ("DeleteObject", {"versionId": "v"}, "s3:DeleteObjectVersion"),
        ],
    )
    def test_of_an_object(self, action: str, named: dict[str, str], permission: str) -> None:
        (need,) = needs(Call("s3", action, "KEY", {"Bucket": "b", "Key": "k", **named}))
        assert (need.action, need.resource) == (permission, "arn:aws:s3:::b/k")

    def test_of_a_bucket(self) -> None:
        (need,) = needs(Call("s3", "ListObjectVersions", "KEY", {"Bucket": "b", "prefix": "h/"}))
        assert (need.action, need.context) == ("s3:ListBucketVersions", {"s3:prefix": ["h/"]})

    def test_a_lifecycle_goes_by_its_name_in_policies(self) -> None:
        (need,) = needs(Call("s3", "PutBucketLifecycleConfiguration", "KEY", {"Bucket": "b"}))
        assert need.action == "s3:PutLifecycleConfiguration"
