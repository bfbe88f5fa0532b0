"""The fast environment: AWS inside this process, the tables and names of the template, a set clock.

One lock around moto's DynamoDB makes conditions and transactions exact under threads. A test marked
`dynamodb_local` has Amazon's own engine under the same three tables instead.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from moto import mock_aws
from moto.dynamodb.responses import DynamoHandler
from moto.kms.utils import generate_private_key

from chalicelib import wiring
from chalicelib.storage import aws as storage_aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item, Table

pytest_plugins = ["tests.needs", "tests.gate"]

# A busy machine is no finding: no example is judged by its time.
settings.register_profile("cetrus", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cetrus")

REGION = "eu-west-1"
NOON = 1_795_608_000_000  # 2026-11-25T12:00:00Z
HASH_KEY = "a-hash-key-that-only-tests-know-0123456789"
SECRETS = {
    "hash-key": HASH_KEY,
    "link-key": "a-link-key-that-only-tests-know-0123456789",
    "processor-checkout-key": "rk_test_checkout",
    "processor-worker-key": "rk_test_worker",
    "webhook-secrets": json.dumps(
        [{"id": "first", "value": "whsec_test", "not_before": 0, "not_after": 4_102_444_800_000}]
    ),
}
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "STAGE": "local",
    "BASE_URL": "https://cetrus.test",
    "ACCOUNTS_TABLE": "accounts",
    "USAGE_TABLE": "usage",
    "KEYS_TABLE": "keys",
    "INSTALLERS_BUCKET": "cetrus-installers",
    "LOGS_BUCKET": "cetrus-logs",
    "VISITOR_LOGS_BUCKET": "cetrus-visitor-logs",
    "HEADS_BUCKET": "cetrus-heads",
    "PROOF_BUCKET": "cetrus-proof",
    "MAIL_BUCKET": "cetrus-mail",
    "SECRETS_PREFIX": "/cetrus/local",
    "PROCESSOR_API": "https://processor.test",
    "PROCESSOR_ORIGIN": "https://checkout.processor.test",
    "MAIL_FROM": "Cetrus <support@cetrus.test>",
    "MAIL_DOMAIN": "cetrus.test",
    "MAIL_CONFIGURATION_SET": "cetrus-local",
    "POWERTOOLS_SERVICE_NAME": "cetrus",
    "POWERTOOLS_METRICS_NAMESPACE": "Cetrus",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
TABLES: dict[str, dict[str, tuple[str, str]]] = {
    "accounts": {"gsi1": ("gsi1pk", "gsi1sk")},
    "usage": {"heads": ("head_shard", "pk")},
    "keys": {},
}


@dataclass
class FakeClock:
    """The server's time, in the test's hands: `clock.now` is set or advanced, in milliseconds."""

    now: int = NOON

    def __call__(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds


@dataclass(frozen=True)
class Tables:
    """The three tables, and all that they hold."""

    accounts: Table
    usage: Table
    keys: Table
    database: Any = field(repr=False)

    def items(self, name: str) -> list[Item]:
        """Every item of one table, by a scan that the product itself may not make."""
        from chalicelib.storage.wire import from_wire_item

        pages = self.database.client.get_paginator("scan").paginate(TableName=name)
        return [from_wire_item(item) for page in pages for item in page["Items"]]

    def dump(self) -> str:
        """Everything at rest as one text, for leak scans."""
        return repr([self.items(name) for name in TABLES])


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[Any]:
    """A client of Amazon's own engine, started once a run where a marked test needs it."""
    import boto3

    from infra.tools.dynamodb_local import start

    running = start()
    yield boto3.client(
        "dynamodb", endpoint_url=running.endpoint, region_name=REGION,
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    running.stop()


@pytest.fixture(params=["moto", pytest.param("amazon", marks=pytest.mark.dynamodb_local)])
def both_engines(request: pytest.FixtureRequest) -> str:
    """Runs a test twice: on moto, and marked `dynamodb_local`."""
    name: str = request.param
    return name


@pytest.fixture
def aws(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS account as the template makes it; nothing leaves this machine."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    hold_one_lock(monkeypatch)
    monkeypatch.setattr(storage_aws, "client", kept_client)
    monkeypatch.setattr(wiring, "client", kept_client)
    if request.node.get_closest_marker("dynamodb_local"):
        monkeypatch.setitem(ENGINES, "dynamodb", request.getfixturevalue("dynamodb_local"))
        drop_tables(ENGINES["dynamodb"])
    with mock_aws():
        wiring.forget()
        make_tables(kept_client("dynamodb"))
        make_buckets(kept_client("s3"))
        make_queues(kept_client("sqs"), monkeypatch)
        make_keys(kept_client("kms"), monkeypatch)
        make_secrets(kept_client("ssm"))
        kept_client("ses").verify_domain_identity(Domain="cetrus.test")
        kept_client("ses").verify_email_identity(EmailAddress="support@cetrus.test")
        yield
    wiring.forget()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Replaces the server's clock in everything that wiring makes."""
    made = FakeClock()
    monkeypatch.setattr(wiring, "clock", made)
    wiring.forget()
    return made


@pytest.fixture
def tables(aws: None) -> Tables:
    return Tables(
        wiring.accounts_table(), wiring.usage_table(), wiring.keys_table(), wiring.database()
    )


MAKE_PAIR = cache(generate_private_key)
MAKE_CLIENT = cache(storage_aws.client.__wrapped__)
ENGINES: dict[str, Any] = {}


def kept_client(service: str) -> Any:
    """Made once a test run, which saves a tenth of a second a test; leave no hook on one."""
    return ENGINES.get(service) or MAKE_CLIENT(service)


def hold_one_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's DynamoDB is not thread-safe; one call at a time is what DynamoDB promises an item."""
    lock, call = threading.RLock(), DynamoHandler.call_action

    def call_alone(handler: Any) -> Any:
        with lock:
            return call(handler)

    monkeypatch.setattr(DynamoHandler, "call_action", call_alone)


def drop_tables(dynamodb: Any) -> None:
    for name in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=name)


def make_tables(dynamodb: Any) -> None:
    for name, indexes in TABLES.items():
        attributes = {"pk", "sk"} | {key for keys in indexes.values() for key in keys}
        request: dict[str, Any] = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": key, "AttributeType": "S"} for key in sorted(attributes)
            ],
            "KeySchema": key_schema("pk", "sk"),
        }
        if indexes:
            request["GlobalSecondaryIndexes"] = [
                {
                    "IndexName": index,
                    "KeySchema": key_schema(*keys),
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
                for index, keys in indexes.items()
            ]
        dynamodb.create_table(**request)


def key_schema(hash_name: str, range_name: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": hash_name, "KeyType": "HASH"},
        {"AttributeName": range_name, "KeyType": "RANGE"},
    ]


def make_buckets(s3: Any) -> None:
    place = {"LocationConstraint": REGION}
    for name in (
        "cetrus-installers", "cetrus-logs", "cetrus-mail", "cetrus-proof", "cetrus-visitor-logs",
    ):  # fmt: skip
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
    s3.create_bucket(
        Bucket="cetrus-heads", CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True
    )
    lock = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket="cetrus-heads",
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": lock},
    )


def make_queues(sqs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = sqs.create_queue(QueueName="mail")
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    payments = sqs.create_queue(QueueName="payments.fifo", Attributes=fifo)
    monkeypatch.setenv("MAIL_QUEUE_URL", mail["QueueUrl"])
    monkeypatch.setenv("PAYMENTS_QUEUE_URL", payments["QueueUrl"])


def make_keys(kms: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # moto makes an RSA pair even for a key that never uses one: up to a third of a second each.
    monkeypatch.setattr("moto.kms.models.generate_private_key", MAKE_PAIR)
    for name in ("VAULT_KEY_ID", "SIGNING_KEY_ID"):
        monkeypatch.setenv(name, kms.create_key()["KeyMetadata"]["Arn"])
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    monkeypatch.setenv("LEDGER_KEY_ID", made["Arn"])


def make_secrets(ssm: Any) -> None:
    for name, value in SECRETS.items():
        ssm.put_parameter(Name=f"/cetrus/local/{name}", Value=value, Type="SecureString")
