"""Stopping a deployment for a restore, and letting it go as it was."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from infra.operate.pause import MAPPING, functions, hand_out, mappings, pause, resume
from tests.infra.operate.world import REGION, World, client, deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("APIHandler", "MailSender", "LicenseSweep")
KEPT = {"APIHandler": None, "MailSender": 5, "LicenseSweep": 1}


@pytest.fixture
def world() -> Iterator[World]:
    """A stack of three functions, kept as the template keeps them."""
    with mock_aws():
        made = World(deployment())
        role = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
        resources: dict[str, Any] = {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": role}},
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                    "FunctionName": {"Ref": "MailSender"},
                },
            },
        }
        for name in NAMES:
            resources[name] = {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.11",
                    "Handler": "app.app",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"S3Bucket": "code", "S3Key": "code.zip"},
                },
            }
        put_code()
        client("cloudformation").create_stack(
            StackName=made.deployment.stack, TemplateBody=json.dumps({"Resources": resources})
        )
        yield made


def put_code() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def app(event, context): ...")
    s3 = client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="code", CreateBucketConfiguration=where)
    s3.put_object(Bucket="code", Key="code.zip", Body=buffer.getvalue())


def at_once(world: World) -> dict[str, int | None]:
    found = {}
    for name, physical in functions(world).items():
        answer = client("lambda").get_function_concurrency(FunctionName=physical)
        found[name] = answer.get("ReservedConcurrentExecutions")
    return found


def handed_out(world: World) -> list[str]:
    """The states of what hands messages to functions."""
    lambdas = client("lambda")
    return [
        str(lambdas.get_event_source_mapping(UUID=physical)["State"])
        for physical in mappings(world).values()
    ]


def test_no_message_is_received_while_it_is_paused(world: World) -> None:
    assert handed_out(world) == ["Enabled"]
    for _ in range(2):
        pause(world)
        assert handed_out(world) == ["Disabled"]
    for _ in range(2):
        resume(world)
        assert handed_out(world) == ["Enabled"]


def test_what_hands_messages_out_is_switched_off_first_and_on_last(world: World) -> None:
    told: list[str] = []

    def note(model: Any, **_: Any) -> None:
        told.append(model.name)

    events = client("lambda", REGION).meta.events  # the very client that the world asks
    events.register("before-call.lambda.UpdateEventSourceMapping", note, unique_id="note")
    events.register("before-call.lambda.PutFunctionConcurrency", note, unique_id="note-too")
    try:
        pause(world)
        assert told == ["UpdateEventSourceMapping", *["PutFunctionConcurrency"] * 3]
        told.clear()
        resume(world)
        assert told == [*["PutFunctionConcurrency"] * 2, "UpdateEventSourceMapping"]
    finally:
        events.unregister("before-call.lambda.UpdateEventSourceMapping", unique_id="note")
        events.unregister("before-call.lambda.PutFunctionConcurrency", unique_id="note-too")


@pytest.mark.parametrize("state", ["Disabling", "Disabled"])
def test_one_that_is_on_its_way_is_not_told_again(state: str) -> None:
    class Lambdas:
        def get_event_source_mapping(self, **_: str) -> dict[str, str]:
            return {"State": state}

        def update_event_source_mapping(self, **_: object) -> None:
            raise AssertionError(state)

    class Stack:
        deployment = deployment()

        def client(self, service: str) -> Any:
            return Lambdas() if service == "lambda" else self

        def get_paginator(self, _: str) -> Any:
            return self

        def paginate(self, **_: str) -> list[dict[str, Any]]:
            row = {"LogicalResourceId": "M", "PhysicalResourceId": "1", "ResourceType": MAPPING}
            return [{"StackResourceSummaries": [row]}]

    place: Any = Stack()
    hand_out(place, enabled=False)


def test_functions_are_found_and_nothing_else(world: World) -> None:
    assert set(functions(world)) == set(NAMES)


def test_nothing_runs_while_it_is_paused(world: World) -> None:
    for _ in range(2):
        assert pause(world) == sorted(NAMES)
        assert at_once(world) == dict.fromkeys(NAMES, 0)


def test_each_gets_back_what_the_template_gives_it(world: World) -> None:
    pause(world)
    for _ in range(2):
        assert resume(world) == KEPT
        assert at_once(world) == KEPT
