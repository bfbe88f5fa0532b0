"""Stopping a deployment for a restore, and letting it go as it was."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from infra.operate.pause import functions, pause, resume
from tests.infra.operate.world import World, client, deployment

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
