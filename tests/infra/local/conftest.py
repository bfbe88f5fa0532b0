"""A small stack of its own for the engine: all that it carries out, and a probing zip."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.cloud import Cloud

Json = dict[str, Any]
START = Callable[..., Cloud]

_PACKAGES = (
    "boto3",
    "botocore",
    "s3transfer",
    "urllib3",
    "jmespath",
    "dateutil",
    "six",
    "argon2",
    "_argon2_cffi_bindings",
    "cffi",
    "_cffi_backend",
)
_SERVICES = ("dynamodb", "s3", "sqs", "kms", "ssm", "sesv2", "ses", "sts")


def _files(name: str) -> Iterator[tuple[Path, str]]:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        yield origin, origin.name
        return
    for path in origin.parent.rglob("*"):
        inside = path.relative_to(origin.parent.parent)
        wanted = "data" not in inside.parts[:2] or _wanted_data(inside)
        if path.is_file() and path.suffix != ".pyc" and wanted:
            yield path, str(inside)


def _wanted_data(inside: Path) -> bool:
    return len(inside.parts) <= 3 or inside.parts[2] in _SERVICES


def build_zip(target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.write(Path(__file__).with_name("probe.py"), "probe.py")
        for package in _PACKAGES:
            for path, inside in _files(package):
                archive.write(path, inside)


def _role(*statements: Json) -> Json:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": trust,
            "Policies": [{"PolicyName": "own", "PolicyDocument": policy}],
        },
    }


def _allow(actions: str, resource: Any, condition: Json | None = None) -> Json:
    statement = {"Effect": "Allow", "Action": actions.split(), "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _function(handler: str, role: str = "ProbeRole", timeout: int = 20) -> Json:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Bucket": "b", "S3Key": "k"},
            "Handler": f"probe.{handler}",
            "Role": {"Fn::GetAtt": [role, "Arn"]},
            "Runtime": "python3.11",
            "Timeout": timeout,
            "MemorySize": 256,
            "Environment": {
                "Variables": {
                    "THINGS": {"Ref": "Things"},
                    "NESTED": {"Fn::Sub": ["${A}-${AWS::Region}", {"A": {"Ref": "Box"}}]},
                }
            },
        },
    }


def _rule(function: str, expression: str) -> Json:
    target = {"Arn": {"Fn::GetAtt": [function, "Arn"]}, "Id": "one"}
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {"ScheduleExpression": expression, "Targets": [target]},
    }


def _queue(dead: str | None = None, *, fifo: bool = False) -> Json:
    properties: Json = {"VisibilityTimeout": 60}
    if fifo:
        properties |= {"FifoQueue": True, "ContentBasedDeduplication": True}
    if dead:
        target = {"Fn::GetAtt": [dead, "Arn"]}
        properties["RedrivePolicy"] = {"deadLetterTargetArn": target, "maxReceiveCount": 2}
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def _source(queue: str, function: str) -> Json:
    return {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {
            "EventSourceArn": {"Fn::GetAtt": [queue, "Arn"]},
            "FunctionName": {"Ref": function},
            "BatchSize": 5,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        },
    }


def _probe_role() -> Json:
    things = {"Fn::GetAtt": ["Things", "Arn"]}
    box = {"Fn::Sub": "${Box.Arn}/*"}
    purpose = {"StringEquals": {"kms:EncryptionContext:purpose": ["account"]}}
    sender = {"StringEquals": {"ses:FromAddress": "support@cetrus.test"}}
    leading = {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["CLOSED#*"]}}
    return _role(
        _allow(
            "dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem dynamodb:Query "
            "dynamodb:DeleteItem dynamodb:ConditionCheckItem dynamodb:Scan",
            things,
        ),
        {**_allow("dynamodb:*", things, leading), "Effect": "Deny"},
        _allow("dynamodb:Query", {"Fn::Sub": "${Things.Arn}/index/by-g"}),
        _allow("s3:GetObject s3:PutObject s3:DeleteObject", box),
        _allow("s3:GetObject", {"Fn::Sub": "${Shelf.Arn}/*"}),
        _allow("s3:ListBucket", {"Fn::GetAtt": ["Shelf", "Arn"]}),
        _allow("sqs:SendMessage", {"Fn::GetAtt": ["Work", "Arn"]}),
        _allow("kms:Encrypt kms:Decrypt", {"Fn::GetAtt": ["Vault", "Arn"]}, purpose),
        _allow(
            "ssm:GetParameter",
            {"Fn::Sub": "arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:parameter/cetrus/*"},
        ),
        _allow("ses:SendEmail ses:SendRawEmail", "*", sender),
    )


def template() -> Json:
    """A fresh copy; tests plant what they want into it."""
    names = ("pk", "sk", "g")
    key_policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["kms:Encrypt", "kms:Decrypt"],
                "Resource": "*",
                "Condition": {"Null": {"kms:EncryptionContext:purpose": "true"}},
            },
        ],
    }
    resources: Json = {
        "Things": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": "S"} for name in names
                ],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": "by-g",
                        "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                ],
                "TimeToLiveSpecification": {"AttributeName": "purge_at", "Enabled": True},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "DeletionProtectionEnabled": True,
                "ResourcePolicy": {
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Deny",
                                "Principal": "*",
                                "Action": "dynamodb:Scan",
                                "Resource": "*",
                            }
                        ],
                    }
                },
            },
        },
        "Box": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "VersioningConfiguration": {"Status": "Enabled"},
                "NotificationConfiguration": {
                    "LambdaConfigurations": [
                        {
                            "Event": "s3:ObjectCreated:*",
                            "Function": {"Fn::GetAtt": ["Inbound", "Arn"]},
                            "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}]}},
                        }
                    ]
                },
            },
        },
        "Shelf": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Vault": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": key_policy}},
        "WorkDlq": _queue(),
        "Work": _queue("WorkDlq"),
        "LineDlq": _queue(fifo=True),
        "Line": _queue("LineDlq", fifo=True),
        "ProbeRole": _probe_role(),
        "Probe": _function("probe"),
        "Hasty": _function("probe", timeout=1),
        "Missing": _function("nothing_there"),
        "Consumer": _function("consume"),
        "LineConsumer": _function("consume"),
        "Tick": _function("tick"),
        "Tock": _function("tick"),
        "Inbound": _function("inbound", role="InboundRole"),
        "InboundRole": _role(_allow("dynamodb:PutItem dynamodb:GetItem", "*")),
        "MailSweep": _function("mail_sweep"),
        "WorkSource": _source("Work", "Consumer"),
        "LineSource": _source("Line", "LineConsumer"),
        "TickRule": _rule("Tick", "rate(1 minute)"),
        "TockRule": _rule("Tock", "cron(0/5 * * * ? *)"),
        "SweepRule": _rule("MailSweep", "rate(1 hour)"),
        "MailIdentity": {
            "Type": "AWS::SES::EmailIdentity",
            "Properties": {"EmailIdentity": {"Ref": "MailDomain"}},
        },
        "MailRule": {
            "Type": "AWS::SES::ReceiptRule",
            "Properties": {
                "RuleSetName": "set",
                "Rule": {
                    "Name": "keep",
                    "Actions": [
                        {"S3Action": {"BucketName": {"Ref": "Box"}, "ObjectKeyPrefix": "in/"}}
                    ],
                },
            },
        },
    }
    # The bucket names its function, which may name the bucket: a fixed name breaks the circle.
    resources["Box"]["Properties"]["BucketName"] = {"Fn::Sub": "box-${AWS::AccountId}"}
    resources["Inbound"]["Properties"]["Environment"]["Variables"].pop("NESTED")
    return {
        "Parameters": {"MailDomain": {"Type": "String"}},
        "Resources": resources,
        "Outputs": {"Name": {"Value": {"Ref": "Things"}}},
    }


PARAMETERS = {"MailDomain": "cetrus.test"}


@pytest.fixture(scope="session")
def zip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("zip") / "deployment.zip"
    build_zip(target)
    return target


@pytest.fixture(scope="session")
def out(zip_file: Path) -> Path:
    (zip_file.parent / "cfn.json").write_text(json.dumps(template()))
    return zip_file.parent


@pytest.fixture
def out_of(zip_file: Path, tmp_path: Path) -> Callable[[Json], Path]:
    """A folder with the same zip and another template."""

    def make(changed: Json) -> Path:
        folder = tmp_path / "out"
        folder.mkdir(exist_ok=True)
        (folder / "deployment.zip").unlink(missing_ok=True)
        (folder / "deployment.zip").symlink_to(zip_file)
        (folder / "cfn.json").write_text(json.dumps(changed))
        return folder

    return make


@pytest.fixture(scope="module")
def cloud(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud for the tests of a module, its schedules on manual."""
    running = Cloud.start(out, tmp_path_factory.mktemp("data"), PARAMETERS)
    running.set_schedule_mode("manual")
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _no_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "cloud" in request.fixturenames:
        request.getfixturevalue("cloud").clear_faults()


def call(cloud: Cloud, service: str, method: str, **arguments: Any) -> Any:
    """A cloud call made by the function `probe` under its own role."""
    return cloud.invoke(
        "probe", {"do": "call", "service": service, "method": method, "arguments": arguments}
    )


def put(cloud: Cloud, pk: str, sk: str = "s", **more: Any) -> Any:
    item = {"pk": {"S": pk}, "sk": {"S": sk}, **more}
    return call(cloud, "dynamodb", "put_item", TableName=cloud.physical["Things"], Item=item)


def rows(cloud: Cloud, pk: str) -> list[Json]:
    """The items of one partition, plain texts, in order of their sort keys."""
    items = cloud.dump()["tables"]["Things"]["items"]
    found = [item for item in items if item["pk"]["S"] == pk]
    return [{name: next(iter(value.values())) for name, value in item.items()} for item in found]
