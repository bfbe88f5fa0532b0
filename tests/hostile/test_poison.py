"""One message that nothing can be made of, among many good ones: the others do not notice.

It alone ends among the dead letters, is listed there, and is run again once its cause is mended.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import app
from chalicelib import wiring
from infra.local.front.command import ROOT
from tests.cloud.conftest import operate
from tests.cloud.people import new_customer
from tests.conftest import kept_client
from tests.context import CONTEXT
from tests.hostile.told import account_of, rows
from tests.mail.test_feedback import bounce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.front.client import Control
    from infra.local.front.run import LocalCloud
    from tests.conftest import FakeClock, Tables

Json = dict[str, Any]
OPERATOR = "tests.hostile.operator"
RECEIVES = 5
TRIES = 3  # of an event of the bucket, before it is dropped
VISIBILITY = 360
GOOD = 60
pytestmark = pytest.mark.guarantee("G12")


def dead_letters(cloud: LocalCloud, *arguments: str) -> str:
    return said(cloud, "infra.operate.dead_letters", *arguments)


def said(cloud: LocalCloud, *command: str) -> str:
    """What an operator's command says; it may wait for messages, so time goes on meanwhile."""
    cloud.control.freeze(False)
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={"PATH": "/usr/bin:/bin", "LOCAL_CLOCK": str(cloud.clock_file), **cloud.operator},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    cloud.control.freeze()
    assert done.returncode == 0, done.stderr
    return done.stdout


def waiting(control: Control, queue: str) -> list[str]:
    return [message["body"] for message in control.queues()[queue]["messages"]]


def give_up(control: Control, queue: str) -> None:
    """Have the queue try until it gives up; before that the message is still in it."""
    control.settle()
    for _ in range(RECEIVES):
        assert len(waiting(control, queue)) == 1
        control.advance(VISIBILITY + 1)
        control.settle()
    assert waiting(control, queue) == []


def test_a_mail_whose_event_was_dropped_is_found_and_taken_in(
    cloud: LocalCloud, control: Control
) -> None:
    untaken = "infra.operate.untaken_mail"
    control.fault("fail", service="s3", action="GetObject", function="inbound_mail", times=TRIES)
    control.receive(b"From: kim@example.org\r\nSubject: A question\r\n\r\nzq7\r\n")
    for _ in range(TRIES):
        control.settle()
        control.advance(150)
    control.settle()
    control.clear_faults()
    found = said(cloud, untaken)
    assert found.endswith("waits\n1 in all\n"), found
    assert said(cloud, untaken, "--again").endswith("case\n1 in all\n")
    assert said(cloud, untaken) == "0 in all\n"


@pytest.mark.guarantee("G11")
def test_a_broken_message_among_good_mail(cloud: LocalCloud, control: Control) -> None:
    customer = new_customer(cloud, "poisoned-mail")
    order = customer.buy()
    control.settle()
    before = len(customer.mails())
    account = account_of(control, order)
    put = operate(cloud, "mails", account, str(GOOD), of=OPERATOR)
    give_up(control, "MailQueue")
    states = {r["id"]: r["state"] for r in rows(control, "message") if r["id"] in put["messages"]}
    assert Counter(states.values()) == {"sent": GOOD}
    assert len(customer.mails()) - before == GOOD
    assert waiting(control, "MailDlq") == [put["broken"]]
    for _ in range(2):  # listing leaves no trace
        listed = dead_letters(cloud)
        assert "(not shown)" in listed
        assert "poison" not in listed
    assert waiting(control, "MailDlq") == [put["broken"]]


def test_a_broken_event_among_good_ones_and_its_second_life(
    cloud: LocalCloud, control: Control
) -> None:
    put = operate(cloud, "events", str(GOOD), of=OPERATOR)
    give_up(control, "PaymentsQueue")
    kept = {row["pk"].rpartition("#")[2]: row for row in rows(control, "inbox")}
    assert {kept[event]["state"] for event in put["events"]} == {"done"}
    assert kept[put["broken"]]["state"] == "received"
    assert [json.loads(body) for body in waiting(control, "PaymentsDlq")] == [
        {"event": put["broken"]}
    ]
    assert put["broken"] in dead_letters(cloud)

    # Run again before it was mended, it comes back here.
    assert "moved back" in dead_letters(cloud, "--again")
    give_up(control, "PaymentsQueue")
    assert len(waiting(control, "PaymentsDlq")) == 1

    operate(cloud, "mend", put["broken"], of=OPERATOR)
    assert "moved back" in dead_letters(cloud, "--again")
    control.settle()
    assert waiting(control, "PaymentsQueue") == waiting(control, "PaymentsDlq") == []
    (mended,) = (r for r in rows(control, "inbox") if r["pk"].endswith(put["broken"]))
    assert mended["state"] == "done"


class Queue:
    """A queue of the template's kind with its dead letters, and Lambda's part of serving it."""

    def __init__(self) -> None:
        self.sqs = kept_client("sqs")
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        wanted = {"QueueUrl": self.dead, "AttributeNames": ["QueueArn"]}
        arn = self.sqs.get_queue_attributes(**wanted)["Attributes"]["QueueArn"]
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES}
        made = self.sqs.create_queue(
            QueueName="live", Attributes={"RedrivePolicy": json.dumps(policy)}
        )
        self.url = made["QueueUrl"]

    def put(self, bodies: list[str]) -> None:
        for first in range(0, len(bodies), 10):
            entries = [
                {"Id": str(n), "MessageBody": body}
                for n, body in enumerate(bodies[first : first + 10])
            ]
            self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)

    def batches(self) -> Iterator[list[Json]]:
        while got := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        ).get("Messages"):
            yield got

    def serve(self, handler: Callable[[Json, Any], Json]) -> None:
        """Until it is empty: what fails can be received again at once."""
        for batch in self.batches():
            told = handler({"Records": [record(one) for one in batch]}, CONTEXT)
            failed = {one["itemIdentifier"] for one in told["batchItemFailures"]}
            for one in batch:
                of = {"QueueUrl": self.url, "ReceiptHandle": one["ReceiptHandle"]}
                if one["MessageId"] in failed:
                    self.sqs.change_message_visibility(**of, VisibilityTimeout=0)
                else:
                    self.sqs.delete_message(**of)

    def buried(self) -> list[str]:
        got = self.sqs.receive_message(QueueUrl=self.dead, MaxNumberOfMessages=10)
        return [one["Body"] for one in got.get("Messages", [])]


def record(message: Json) -> Json:
    return {
        "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"], "attributes": message["Attributes"], "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"], "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:live", "awsRegion": "eu-west-1",
    }  # fmt: skip


def test_a_thousand_good_messages_and_a_broken_one(tables: Tables, clock: FakeClock) -> None:
    """Each good one is taken once and left in its last state, whichever batch the other is in."""
    made = [
        wiring.outbox().message(
            "password_changed", fact=(number,), account="acc_gone", arguments={}, due=clock.now,
            now=clock.now,
        )
        for number in range(1000)
    ]  # fmt: skip
    for first in range(0, len(made), 100):
        tables.database.transact(*(write for _, write in made[first : first + 100]))
    bodies = [json.dumps({"message": message}) for message, _ in made]
    queue = Queue()
    queue.put([*bodies[:500], "poison", *bodies[500:]])
    queue.serve(app.mail_sender)
    left = Counter(r["state"] for r in tables.items("accounts") if r["type"] == "message")
    assert left == {"no_recipient": 1000}
    assert queue.buried() == ["poison"]


def test_a_broken_event_of_the_mail_service_among_good_ones(
    tables: Tables, clock: FakeClock
) -> None:
    bodies = [bounce(clock.now, f"kim{number}@example.com") for number in range(GOOD)]
    broken = json.dumps({"eventType": "Bounce"})
    queue = Queue()
    queue.put([*bodies[:5], broken, *bodies[5:]])
    queue.serve(app.mail_feedback)
    assert len([r for r in tables.items("accounts") if r["type"] == "suppression"]) == GOOD
    assert queue.buried() == [broken]
