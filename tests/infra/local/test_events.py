"""Queues, buckets and mail start functions, as often as AWS would."""

from __future__ import annotations

import time
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.later import Later
from infra.local.store import Store

from .conftest import call, put, rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.local.cloud import Cloud


def send(cloud: Cloud, queue: str, body: str, **more: Any) -> None:
    url = cloud.physical[queue]
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body, **more)


def consumed(cloud: Cloud, prefix: str) -> list[str]:
    return [row["body"] for row in rows(cloud, "CONSUMED") if row["body"].startswith(prefix)]


def until(holds: Callable[[], Any], seconds: float = 10) -> bool:
    limit = time.monotonic() + seconds
    while not holds() and time.monotonic() < limit:
        time.sleep(0.02)
    return bool(holds())


def waiting(cloud: Cloud, queue: str) -> list[str]:
    return [message["body"] for message in cloud.queues()[queue]["messages"]]


def keys_of(cloud: Cloud) -> list[str]:
    return [row["key"] for row in rows(cloud, "INBOUND")]


class TestQueues:
    def test_a_message_reaches_its_function_at_once(self, cloud: Cloud) -> None:
        send(cloud, "Work", "hello")
        assert until(lambda: consumed(cloud, "hello"))
        cloud.settle()
        assert waiting(cloud, "Work") == []

    def test_settle_returns_when_all_is_served(self, cloud: Cloud) -> None:
        for n in range(12):
            send(cloud, "Work", f"many-{n}")
        cloud.settle()
        assert sorted(consumed(cloud, "many-")) == sorted(f"many-{n}" for n in range(12))

    def test_a_poison_message_ends_in_the_dead_letter_queue_alone(self, cloud: Cloud) -> None:
        send(cloud, "Work", "poison-1")
        send(cloud, "Work", "sound-1")
        cloud.settle()
        assert waiting(cloud, "Work") == ["poison-1"]
        for _ in range(2):
            cloud.advance(61)
            cloud.settle()
        assert len(consumed(cloud, "poison-1")) == 2
        assert len(consumed(cloud, "sound-1")) == 1
        assert waiting(cloud, "Work") == []
        assert "poison-1" in waiting(cloud, "WorkDlq")

    def test_a_batch_whose_function_raises_is_tried_again_whole(self, cloud: Cloud) -> None:
        send(cloud, "Work", "explode")
        cloud.settle()
        assert waiting(cloud, "Work") == ["explode"]
        cloud.advance(61)
        cloud.settle()
        cloud.advance(61)
        cloud.settle()
        assert "explode" in waiting(cloud, "WorkDlq")

    def test_a_delay_is_virtual_time(self, cloud: Cloud) -> None:
        send(cloud, "Work", "later", DelaySeconds=600)
        cloud.settle()
        assert consumed(cloud, "later") == []
        assert cloud.queues()["Work"]["messages"][0]["visible"] is False
        cloud.advance(601)
        cloud.settle()
        assert consumed(cloud, "later") == ["later"]

    def test_a_group_keeps_its_order_and_waits_for_a_failed_message(self, cloud: Cloud) -> None:
        for group, body in (
            ("a", "poison-a"),
            ("a", "line-a2"),
            ("b", "line-b1"),
            ("b", "line-b2"),
        ):
            send(cloud, "Line", body, MessageGroupId=group)
            cloud.settle()
        assert consumed(cloud, "line-") == ["line-b1", "line-b2"]
        for _ in range(3):
            cloud.advance(61)
            cloud.settle()
        assert consumed(cloud, "line-") == ["line-b1", "line-b2", "line-a2"]
        assert waiting(cloud, "LineDlq") == ["poison-a"]

    def test_what_a_function_sends_is_served_too(self, cloud: Cloud) -> None:
        url = cloud.physical["Work"]
        call(cloud, "sqs", "send_message", QueueUrl=url, MessageBody="from-a-function")
        cloud.settle()
        assert consumed(cloud, "from-a-function") == ["from-a-function"]


class TestBuckets:
    def test_a_new_object_starts_its_function_with_the_key_encoded(self, cloud: Cloud) -> None:
        box = cloud.physical["Box"]
        cloud.client("s3").put_object(Bucket=box, Key="in/a b+c.txt", Body=b"12345")
        cloud.settle()
        assert ("in/a+b%2Bc.txt", "5") in [(r["key"], r["size"]) for r in rows(cloud, "INBOUND")]

    def test_the_prefix_of_the_template_is_kept(self, cloud: Cloud) -> None:
        before = len(rows(cloud, "INBOUND"))
        cloud.client("s3").put_object(Bucket=cloud.physical["Box"], Key="out/x", Body=b"1")
        cloud.settle()
        assert len(rows(cloud, "INBOUND")) == before

    def test_a_failed_notification_is_tried_again_later(self, cloud: Cloud) -> None:
        put(cloud, "FAIL", "INBOUND")
        cloud.client("s3").put_object(Bucket=cloud.physical["Box"], Key="in/again", Body=b"1")
        cloud.settle()
        table = cloud.physical["Things"]
        row = {"pk": {"S": "FAIL"}, "sk": {"S": "INBOUND"}}
        cloud.client("dynamodb").delete_item(TableName=table, Key=row)
        cloud.settle()
        assert "in/again" not in keys_of(cloud)
        cloud.advance(61)
        cloud.settle()
        assert keys_of(cloud).count("in/again") == 1


class TestLater:
    def test_an_event_is_kept_before_it_is_tried_and_dropped_after(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        kept: list[int] = []
        later = Later(store, lambda *_: kept.append(len(store.all("event"))), lambda: 0.0)
        later.add("inbound", {"Records": []})
        assert len(store.all("event")) == 1
        assert later.once() is True
        assert kept == [1]
        assert store.all("event") == []
        assert later.once() is False
        store.close()

    def test_a_restart_tries_what_was_kept(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        Later(store, pytest.fail, lambda: 0.0).add("inbound", {"n": 1})
        seen: list[Any] = []
        assert Later(store, lambda *each: seen.append(each), lambda: 0.0).once() is True
        store.close()
        assert seen == [("inbound", {"n": 1})]


class TestMail:
    def message(self) -> EmailMessage:
        message = EmailMessage()
        message["From"] = "Cetrus <support@cetrus.test>"
        message["To"] = "Ann <ann@example.com>"
        message["Subject"] = "Grüße"
        message["Message-ID"] = "<1@cetrus.test>"
        message["X-SES-MESSAGE-TAGS"] = "class=account, stage=local"
        message.set_content("plain words")
        message.add_alternative("<p>rich words</p>", subtype="html")
        return message

    def test_sent_raw_is_kept_whole(self, cloud: Cloud) -> None:
        raw = self.message().as_string()
        sent = call(
            cloud,
            "sesv2",
            "send_email",
            FromEmailAddress="support@cetrus.test",
            Destination={"ToAddresses": ["ann@example.com"]},
            Content={"Raw": {"Data": {"b": raw}}},
        )
        assert sent["MessageId"]
        (mail,) = cloud.mail(to="ANN@example.com")
        assert (mail["to"], mail["from"]) == ("ann@example.com", "Cetrus <support@cetrus.test>")
        assert (mail["subject"], mail["class"]) == ("Grüße", "account")
        assert (mail["text"].strip(), mail["html"].strip()) == ("plain words", "<p>rich words</p>")
        assert mail["headers"]["Message-ID"] == "<1@cetrus.test>"
        assert mail["raw"].splitlines() == raw.splitlines()
        assert mail["at"][:10] == cloud.now()[:10]
        assert cloud.mail(to="nn@example.com") == []

    def test_refused_or_lost_before_the_call_is_not_in_the_inbox(self, cloud: Cloud) -> None:
        before = len(cloud.mail())
        cloud.add_fault({"kind": "fail", "service": "sesv2"})
        raw = self.message().as_string()
        arguments: dict[str, Any] = {"Content": {"Raw": {"Data": {"b": raw}}}}
        assert call(cloud, "sesv2", "send_email", **arguments)["error"] == "InternalFailure"
        assert len(cloud.mail()) == before

    def test_received_goes_where_the_receipt_rule_says(self, cloud: Cloud) -> None:
        raw = b"From: a@b.c\r\nSubject: REMOVE\r\n\r\nREMOVE\r\n"
        key = cloud.receive_mail(raw)
        assert cloud.object("Box", key)[0] == raw
        cloud.settle()
        assert key in [row["key"] for row in rows(cloud, "INBOUND")]
