"""A deployment in moto that lacks nothing, and a place to look at it from in which things can fail.

moto knows most services. What it does not know, or always finds healthy, is answered here.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from typing import Any

import boto3
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.privacy.disclosures import PROCESSOR, Contract, Contracts
from chalicelib.staff.rules import Member, Role, State
from chalicelib.staff.store import StaffStore
from chalicelib.storage.dynamo import Database, Table
from infra.operate.checks import PINNED
from infra.operate.deployment import Deployment
from infra.operate.place import Place

ACCOUNT = "123456789012"
REGION = "eu-west-1"
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
ARTIFACTS = "cetrus-artifacts-example"
PREFIX = "/cetrus/prod"
SECRETS = {
    "hash-key": "a-hash-key-that-only-tests-know-0123456789",
    "link-key": "a-link-key-that-only-tests-know-0123456789",
    "processor-checkout-key": "rk_live_checkout",
    "processor-worker-key": "rk_live_worker",
    "webhook-secrets": json.dumps(
        [{"id": "1", "value": "whsec_x", "not_before": 0, "not_after": 4_102_444_800_000}]
    ),
}
ZONE = {
    ("cetrus.example", "MX"): ["10 inbound-smtp.eu-west-1.amazonaws.com."],
    ("_dmarc.cetrus.example", "TXT"): ['"v=DMARC1; p=quarantine"'],
    ("www.cetrus.example", "CNAME"): ["d111111abcdef8.cloudfront.net."],
    ("www.cetrus.example", "A"): ["192.0.2.10"],
    ("d111111abcdef8.cloudfront.net", "A"): ["192.0.2.10"],
}
SHAPE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
        {"AttributeName": "gsi1pk", "AttributeType": "S"},
        {"AttributeName": "gsi1sk", "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "gsi1",
            "KeySchema": [
                {"AttributeName": "gsi1pk", "KeyType": "HASH"},
                {"AttributeName": "gsi1sk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}
TABLE = {"Type": "AWS::DynamoDB::Table", "Properties": SHAPE}
ANSWERS: dict[tuple[str, str], Any] = {
    ("lambda", "get_account_settings"): {"AccountLimit": {"ConcurrentExecutions": 1000}},
    ("sesv2", "get_account"): {
        "ProductionAccessEnabled": True,
        "SendingEnabled": True,
        "SendQuota": {"Max24HourSend": 50_000.0},
    },
    ("sesv2", "get_email_identity"): {
        "VerifiedForSendingStatus": True,
        "DkimAttributes": {"Status": "SUCCESS"},
    },
}


@functools.cache
def client(service: str, region: str = REGION) -> Any:
    """A client for all tests: making one takes longer than asking it."""
    return boto3.client(
        service, region_name=region, aws_access_key_id="testing", aws_secret_access_key="testing"
    )


class Client:
    """A client of moto's, some of whose answers are given here."""

    def __init__(self, real: Any, answers: dict[str, Any]) -> None:
        self._real, self._answers = real, answers

    def __getattr__(self, name: str) -> Any:
        if name not in self._answers:
            return getattr(self._real, name)
        answer = self._answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer if callable(answer) else lambda **_: answer


class World(Place):
    """A place in which a test says what this machine, the name servers and some services answer."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self.python = PINNED
        self.programs = {"aws"}
        self.zone = dict(ZONE)
        self.answers = dict(ANSWERS)

    def client(self, service: str, region: str | None = None) -> Any:  # type: ignore[override]  # not kept: answers may change
        real = client(service, region or REGION)
        answers = {name: it for (kind, name), it in self.answers.items() if kind == service}
        return Client(real, answers) if answers else real

    def program(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in self.programs else None

    def names(self, name: str, kind: str) -> list[str]:
        return [answer.lower() for answer in self.zone.get((name, kind), [])]

    def now(self) -> dt.datetime:
        return NOW


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Look")


def deployment(certificate: str = "") -> Deployment:
    return Deployment(
        stage="prod",
        account=ACCOUNT,
        region=REGION,
        artifacts=ARTIFACTS,
        base_url="https://www.cetrus.example",
        mail_domain="cetrus.example",
        alarm_email="alarms@cetrus.example",
        certificate=certificate,
    )


def healthy() -> World:
    """Make all that a live deployment needs, within `mock_aws`."""
    make_bucket()
    world = World(deployment(make_certificate("www.cetrus.example")))
    make_stack(world)
    make_edge(world)
    for name, value in SECRETS.items():
        put_secret(name, value)
    ses = client("ses")
    ses.create_receipt_rule_set(RuleSetName="cetrus-prod")
    ses.set_active_receipt_rule_set(RuleSetName="cetrus-prod")
    return world


def put_secret(name: str, value: str, kind: str = "SecureString") -> None:
    ssm = client("ssm")
    ssm.put_parameter(Name=f"{PREFIX}/{name}", Value=value, Type=kind, Overwrite=True)


def make_bucket() -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_public_access_block(
        Bucket=ARTIFACTS,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def make_certificate(host: str, days: int = 300) -> str:
    """Import a certificate of our own making; one that is imported is issued."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    acm = client("acm", "us-east-1")
    pem = made.public_bytes(serialization.Encoding.PEM)
    return str(acm.import_certificate(Certificate=pem, PrivateKey=private)["CertificateArn"])


def make_stack(world: World) -> None:
    tables = ("AccountsTable", "UsageTable", "KeysTable")
    template = {
        "Resources": {
            **dict.fromkeys(tables, TABLE),
            "AlarmTopic": {"Type": "AWS::SNS::Topic"},
        },
        "Outputs": {
            **{f"{name}Name": {"Value": {"Ref": name}} for name in tables},
            "ApiDomain": {"Value": "abc123.execute-api.eu-west-1.amazonaws.com"},
            "VisitorLogsBucketArn": {"Value": "arn:aws:s3:::cetrus-visits"},
        },
    }
    client("cloudformation").create_stack(
        StackName=world.deployment.stack, TemplateBody=json.dumps(template)
    )
    dynamodb = client("dynamodb")
    for name in ("AccountsTableName", "UsageTableName"):
        dynamodb.update_continuous_backups(
            TableName=world.output(name),
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
    put_signing_key(world, days=300)
    put_contract(world, days=300)
    put_staff(world, Role.PRIVACY)
    client("sns").subscribe(
        TopicArn=world.resource("AlarmTopic"), Protocol="email", Endpoint="alarms@cetrus.example"
    )


def make_edge(world: World) -> None:
    template = {
        "Resources": {"EdgeAlarmTopic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"DistributionDomain": {"Value": "d111111abcdef8.cloudfront.net"}},
    }
    client("cloudformation", "us-east-1").create_stack(
        StackName=world.deployment.edge_stack, TemplateBody=json.dumps(template)
    )
    client("sns", "us-east-1").subscribe(
        TopicArn=world.edge_resource("EdgeAlarmTopic"),
        Protocol="email",
        Endpoint="alarms@cetrus.example",
    )


def accounts(world: World) -> Table:
    return Table(Database(client("dynamodb")), world.output("AccountsTableName"))


def put_contract(world: World, days: int) -> None:
    now = int(NOW.timestamp() * 1000)
    until = int((NOW + dt.timedelta(days=days)).timestamp() * 1000)
    table = accounts(world)
    table.apply(Contracts(table).put(Contract(PROCESSOR, "terms of service", until), now))


def put_staff(world: World, role: Role, member_id: str = "stf_one") -> None:
    """Somebody who works here and has an address."""
    table = accounts(world)
    store = StaffStore(table, table)
    member = Member(
        member_id, f"claim of {member_id}", "verifier", frozenset({role}), State.ACTIVE, 1, 0
    )
    store.transact(store.put_member(member))
    store.transact(store.mailed(member_id))


def end_staff(world: World, member_id: str = "stf_one") -> None:
    table = accounts(world)
    store = StaffStore(table, table)
    if member := store.member(member_id):
        store.transact(store.end(member, int(NOW.timestamp() * 1000)))


def put_signing_key(world: World, days: int) -> None:
    until = int((NOW + dt.timedelta(days=days)).timestamp() * 1000)
    client("dynamodb").put_item(
        TableName=world.output("AccountsTableName"),
        Item={
            "pk": {"S": "SIGNING"},
            "sk": {"S": "KEY#one"},
            "signs_until": {"N": str(until)},
        },
    )
