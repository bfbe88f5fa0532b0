"""The judge itself: an evaluator that says yes to everything would make the other tests empty."""

from __future__ import annotations

import pytest

from tests.infra.template.evaluator import Role, statements

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/T"


def role(*entries: dict[str, object]) -> Role:
    return Role("r", statements({"Statement": list(entries)}))


ALLOW: dict[str, object] = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": TABLE}


class TestWithoutConditions:
    def test_what_is_not_allowed_is_refused(self) -> None:
        assert not role().may("dynamodb:GetItem", TABLE)

    def test_allowed_is_the_stated_action_on_the_stated_resource(self) -> None:
        judged = role(ALLOW)
        assert judged.may("dynamodb:GetItem", TABLE)
        assert not judged.may("dynamodb:PutItem", TABLE)
        assert not judged.may("dynamodb:GetItem", TABLE + "2")

    def test_an_explicit_deny_wins(self) -> None:
        assert not role(ALLOW, ALLOW | {"Effect": "Deny"}).may("dynamodb:GetItem", TABLE)


class TestConditions:
    def test_a_missing_key_fails_an_equality(self) -> None:
        key = {"kms:EncryptionContext:purpose": ["account"]}
        judged = role(ALLOW | {"Condition": {"StringEquals": key}})
        assert judged.may("dynamodb:GetItem", TABLE, kms__EncryptionContext__purpose="account")
        assert not judged.may("dynamodb:GetItem", TABLE, kms__EncryptionContext__purpose="billing")
        assert not judged.may("dynamodb:GetItem", TABLE)

    def test_a_deny_for_any_leading_key_takes_one_of_many(self) -> None:
        visits = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["VISITS#*"]}}
        judged = role(ALLOW, ALLOW | {"Effect": "Deny", "Condition": visits})
        assert judged.may("dynamodb:GetItem", TABLE, dynamodb__LeadingKeys=["LICENSE#1"])
        keys = ["LICENSE#1", "VISITS#2026-11-25"]
        assert not judged.may("dynamodb:GetItem", TABLE, dynamodb__LeadingKeys=keys)

    def test_a_null_condition_asks_whether_the_key_is_there(self) -> None:
        absent = {"Null": {"kms:EncryptionContext:purpose": "true"}}
        judged = role(ALLOW, ALLOW | {"Effect": "Deny", "Condition": absent})
        assert judged.may("dynamodb:GetItem", TABLE, kms__EncryptionContext__purpose="account")
        assert not judged.may("dynamodb:GetItem", TABLE)

    def test_an_unknown_operator_stops_the_judge(self) -> None:
        judged = role(ALLOW | {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026"}}})
        with pytest.raises(KeyError):
            judged.may("dynamodb:GetItem", TABLE)

    def test_an_unknown_element_stops_the_judge(self) -> None:
        with pytest.raises(ValueError, match="NotAction"):
            role({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
