"""A restart loses nothing, a crash nothing that was answered; strange folders stop the start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import Cloud, CloudError, StaleDataError

from .conftest import PARAMETERS, template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
CONTEXT = {"purpose": "account"}


@contextmanager
def running(out: Path, data: Path) -> Iterator[Cloud]:
    cloud = Cloud.start(out, data, PARAMETERS)
    cloud.set_schedule_mode("manual")
    try:
        yield cloud
    finally:
        cloud.stop()


def fill(cloud: Cloud) -> dict[str, Any]:
    """One thing of every kind; what a restart must show again."""
    table, box = cloud.physical["Things"], cloud.physical["Box"]
    item = {
        "pk": {"S": "kept"},
        "sk": {"S": "1"},
        "g": {"S": "kept"},
        "b": {"B": b"\x00\xff"},
        "n": {"N": "1"},
        "m": {"M": {"l": {"L": [{"B": b"x"}, {"BOOL": True}]}}},
    }
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3")
    dynamodb.put_item(TableName=table, Item=item)
    gone = {"pk": {"S": "gone"}, "sk": {"S": "1"}}
    dynamodb.put_item(TableName=table, Item=gone)
    dynamodb.delete_item(TableName=table, Key=gone)
    s3.put_object(
        Bucket=box, Key="a/b c", Body=b"12345", ContentType="text/x", Metadata={"sha": "9"}
    )
    s3.put_object(
        Bucket=box, Key="a/b c", Body=b"123456", ContentType="text/y", Metadata={"sha": "8"}
    )
    s3.put_object(Bucket=box, Key="gone", Body=b"1")
    s3.delete_object(Bucket=box, Key="gone")
    sealed = cloud.client("kms").encrypt(
        KeyId=cloud.physical["Vault"], Plaintext=b"open me", EncryptionContext=CONTEXT
    )["CiphertextBlob"]
    cloud.client("ssm").put_parameter(Name="/cetrus/x", Value="v1", Type="SecureString")
    cloud.client("ssm").put_parameter(
        Name="/cetrus/x", Value="v2", Type="SecureString", Overwrite=True
    )
    cloud.client("sqs").send_message(
        QueueUrl=cloud.physical["Work"], MessageBody="wait", DelaySeconds=600
    )
    raw = b"From: support@cetrus.test\r\nTo: a@b.c\r\nSubject: kept\r\n\r\nhello"
    cloud.client("sesv2").send_email(Content={"Raw": {"Data": raw}})
    cloud.advance(1000)
    return {"item": item, "sealed": sealed.hex()}


def check(cloud: Cloud, filled: dict[str, Any]) -> None:
    table, box = cloud.physical["Things"], cloud.physical["Box"]
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3")
    kept = {"pk": {"S": "kept"}, "sk": {"S": "1"}}
    assert dynamodb.get_item(TableName=table, Key=kept)["Item"] == filled["item"]
    changed = dynamodb.update_item(
        TableName=table,
        Key=kept,
        UpdateExpression="ADD n :one",
        ConditionExpression="b = :b",
        ExpressionAttributeValues={":one": {"N": "1"}, ":b": {"B": b"\x00\xff"}},
        ReturnValues="ALL_NEW",
    )
    assert changed["Attributes"]["n"] == {"N": str(int(filled["item"]["n"]["N"]) + 1)}
    filled["item"] = changed["Attributes"]
    found = s3.get_object(Bucket=box, Key="a/b c")
    assert (found["Body"].read(), found["ContentType"]) == (b"123456", "text/y")
    assert found["Metadata"] == {"sha": "8"}
    assert found["ETag"] == '"e10adc3949ba59abbe56e057f20f883e"'
    opened = cloud.client("kms").decrypt(
        CiphertextBlob=bytes.fromhex(filled["sealed"]), EncryptionContext=CONTEXT
    )
    assert opened["Plaintext"] == b"open me"
    secret = cloud.client("ssm").get_parameter(Name="/cetrus/x", WithDecryption=True)["Parameter"]
    assert (secret["Value"], secret["Version"]) == ("v2", 2)
    assert [mail["subject"] for mail in cloud.mail()] == ["kept"]
    dump = cloud.dump()
    assert dump["buckets"]["Box"]["keys"] == ["a/b c"]
    assert {item["pk"]["S"] for item in dump["tables"]["Things"]["items"]} >= {"kept"}
    assert "gone" not in {item["pk"]["S"] for item in dump["tables"]["Things"]["items"]}


class TestRestart:
    def test_shows_all_again_under_the_same_names_and_time(self, out: Path, tmp_path: Path) -> None:
        with running(out, tmp_path) as cloud:
            filled = fill(cloud)
            names, now = dict(cloud.physical), cloud.clock.seconds()
            due = {s.name: s.due for s in cloud.schedules()}
        for _ in range(2):
            with running(out, tmp_path) as cloud:
                assert dict(cloud.physical) == names
                assert cloud.clock.seconds() >= now
                assert {s.name: s.due for s in cloud.schedules()} == due
                check(cloud, filled)

    def test_delivers_what_waited(self, out: Path, tmp_path: Path) -> None:
        with running(out, tmp_path) as cloud:
            cloud.client("sqs").send_message(
                QueueUrl=cloud.physical["Work"], MessageBody="wait", DelaySeconds=600
            )
        with running(out, tmp_path) as cloud:
            (message,) = cloud.queues()["Work"]["messages"]
            assert (message["body"], message["visible"]) == ("wait", False)
            cloud.advance(601)
            cloud.settle()
            assert cloud.queues()["Work"]["messages"] == []
            items = cloud.dump()["tables"]["Things"]["items"]
            assert [item["body"]["S"] for item in items if "body" in item] == ["wait"]


CRASH = """
import json, os, sys
from pathlib import Path
from infra.local.cloud import Cloud
from tests.infra.local.test_persistence import fill
cloud = Cloud.start(Path(sys.argv[1]), Path(sys.argv[2]), {"MailDomain": "cetrus.test"})
cloud.set_schedule_mode("manual")
filled = fill(cloud)
box = cloud.physical["Box"]
cloud.add_fault({"kind": "fail", "function": "inbound", "times": 1})
cloud.client("s3").put_object(Bucket=box, Key="in/crash", Body=b"1")
cloud.settle()
cloud.client("s3").delete_object(Bucket=box, Key="in/crash")
print(json.dumps({"sealed": filled["sealed"]}), flush=True)
sys.stdin.read()
"""


class TestCrash:
    def test_loses_nothing_that_was_answered(self, out: Path, tmp_path: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", CRASH, str(out), str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        line = process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stdin.close()
        with running(out, tmp_path) as cloud:
            item = {
                "pk": {"S": "kept"},
                "sk": {"S": "1"},
                "g": {"S": "kept"},
                "b": {"B": b"\x00\xff"},
                "n": {"N": "1"},
                "m": {"M": {"l": {"L": [{"B": b"x"}, {"BOOL": True}]}}},
            }
            check(cloud, {"item": item, **json.loads(line)})
            cloud.advance(61)
            cloud.settle()
            keys = [
                item["key"]["S"]
                for item in cloud.dump()["tables"]["Things"]["items"]
                if item["pk"]["S"] == "INBOUND"
            ]
            assert keys == ["in/crash"]


class TestFolders:
    def test_one_cloud_at_a_time(self, out: Path, tmp_path: Path) -> None:
        with running(out, tmp_path), pytest.raises(CloudError, match="in use"):
            Cloud.start(out, tmp_path, PARAMETERS)

    def test_a_foreign_folder_is_refused(self, out: Path, tmp_path: Path) -> None:
        (tmp_path / "holiday.jpg").write_bytes(b"x")
        with pytest.raises(StaleDataError, match="not a data folder"):
            Cloud.start(out, tmp_path, PARAMETERS)
        assert not (tmp_path / "cloud.db").exists()

    def test_a_ruined_database_is_refused(self, out: Path, tmp_path: Path) -> None:
        (tmp_path / "cloud.db").write_bytes(b"not a database, but long enough to look at" * 50)
        with pytest.raises(StaleDataError, match="cannot be read"):
            Cloud.start(out, tmp_path, PARAMETERS)

    def test_another_format_is_refused(self, out: Path, tmp_path: Path) -> None:
        import sqlite3

        with running(out, tmp_path):
            pass
        database = sqlite3.connect(tmp_path / "cloud.db")
        database.execute("pragma user_version=99")
        database.close()
        with pytest.raises(StaleDataError, match="format 99"):
            Cloud.start(out, tmp_path, PARAMETERS)

    def test_data_of_a_table_that_is_gone_is_refused(
        self, out: Path, tmp_path: Path, out_of: Callable[[dict[str, Any]], Path]
    ) -> None:
        data = tmp_path / "data"
        with running(out, data) as cloud:
            fill(cloud)
        changed = json.loads(
            json.dumps(template()).replace('"Things"', '"Stuff"').replace("{Things", "{Stuff")
        )
        with pytest.raises(
            StaleDataError, match=r"cetrus-Things-\w+, which the template no longer"
        ):
            Cloud.start(out_of(changed), data, PARAMETERS)

    def test_a_table_with_another_key_is_refused(
        self, out: Path, tmp_path: Path, out_of: Callable[[dict[str, Any]], Path]
    ) -> None:
        data = tmp_path / "data"
        with running(out, data):
            pass
        changed = template()
        changed["Resources"]["Things"]["Properties"]["KeySchema"][1]["AttributeName"] = "other"
        names = changed["Resources"]["Things"]["Properties"]["AttributeDefinitions"]
        names[1]["AttributeName"] = "other"
        with pytest.raises(StaleDataError, match="key of table"):
            Cloud.start(out_of(changed), data, PARAMETERS)

    def test_a_new_resource_is_welcome(
        self, out: Path, tmp_path: Path, out_of: Callable[[dict[str, Any]], Path]
    ) -> None:
        data = tmp_path / "data"
        with running(out, data) as cloud:
            filled = fill(cloud)
        changed = template()
        changed["Resources"]["More"] = {"Type": "AWS::SQS::Queue", "Properties": {}}
        with running(out_of(changed), data) as cloud:
            check(cloud, filled)

    def test_one_cloud_in_a_process(self, out: Path, tmp_path: Path) -> None:
        with (
            running(out, tmp_path / "one") as cloud,
            pytest.raises(CloudError, match="in this process already"),
        ):
            Cloud.start(out, tmp_path / "two", PARAMETERS)
        assert cloud.physical
