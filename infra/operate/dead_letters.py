"""What the queues gave up on: listed, and run again.

    python -m infra.operate.dead_letters [--stack NAME]             lists
    python -m infra.operate.dead_letters [--stack NAME] --again     moves all back, to be run again

A message is sent before it is deleted, so a crash in between has it run twice and never lost;
whatever reads a queue here does nothing the second time. What is listed is an id; of a message that
is no nudge (the mail service's events name addresses) nothing is shown. SQS shows ten of one FIFO
group, and the next once those are gone: a listing ends there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import to_text
from chalicelib.storage.aws import client
from infra.admin import find_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AT_ONCE = 10
WAIT_SECONDS = (
    1  # asks every server of SQS; without a wait some are asked, and "nothing" means little
)
HELD_SECONDS = 30  # how long a message that was listed stays hidden if this run is cut off
NUDGES = ({"message"}, {"event"})
"""All that a nudge says: which mail, or which event of the processor."""
ATTRIBUTES = ["SentTimestamp", "MessageGroupId", "MessageDeduplicationId"]


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A queue that takes what another gave up on, by URL."""

    name: str
    url: str
    source: str


@dataclass(frozen=True, slots=True)
class Letter:
    id: str
    receipt: str
    body: str
    attributes: dict[str, str]

    def __str__(self) -> str:
        sent = to_text(int(self.attributes["SentTimestamp"]))
        return f"{sent}  {self.id}  {self.body if is_nudge(self.body) else '(not shown)'}"


def is_nudge(body: str) -> bool:
    """Whether it is one of ours that holds an id and nothing else."""
    try:
        told = json.loads(body)
    except ValueError:
        return False
    return isinstance(told, dict) and told.keys() in NUDGES


def queues(sqs: Any, mail_queue: str) -> list[DeadLetters]:
    """Every dead-letter queue of the stack that the mail queue is of."""
    stack = mail_queue.rpartition("/")[2].partition("-MailQueue")[0]
    found = []
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=f"{stack}-"):
        for source in page.get("QueueUrls", []):
            wanted = {"QueueUrl": source, "AttributeNames": ["RedrivePolicy"]}
            policy = sqs.get_queue_attributes(**wanted).get("Attributes", {}).get("RedrivePolicy")
            if policy:
                name = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
                url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
                found.append(DeadLetters(name, url, source))
    return found


def letters(sqs: Any, queue: DeadLetters) -> Iterator[Letter]:
    """Each message once; hidden from others until it is deleted or given back."""
    seen: set[str] = set()
    while True:
        received = sqs.receive_message(
            QueueUrl=queue.url, MaxNumberOfMessages=AT_ONCE, VisibilityTimeout=HELD_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS, MessageSystemAttributeNames=ATTRIBUTES,
        ).get("Messages", [])  # fmt: skip
        fresh = [message for message in received if message["MessageId"] not in seen]
        if not fresh:
            return
        for message in fresh:
            seen.add(message["MessageId"])
            yield Letter(
                message["MessageId"], message["ReceiptHandle"], message["Body"],
                message["Attributes"],
            )  # fmt: skip


def give_back(sqs: Any, queue: DeadLetters, letter: Letter) -> None:
    sqs.change_message_visibility(
        QueueUrl=queue.url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
    )


def run_again(sqs: Any, queue: DeadLetters, letter: Letter) -> None:
    """Send it to where it came from, then take it from here."""
    order = {}
    if queue.source.endswith(".fifo"):
        # An id of its own: the first one may still count as a repetition.
        order = {
            "MessageGroupId": letter.attributes["MessageGroupId"],
            "MessageDeduplicationId": f"again-{letter.id}",
        }
    sqs.send_message(QueueUrl=queue.source, MessageBody=letter.body, **order)
    sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=letter.receipt)


def listed(sqs: Any, queue: DeadLetters) -> list[Letter]:
    """What is there; it stays."""
    found = list(letters(sqs, queue))
    for letter in found:
        give_back(sqs, queue, letter)
    return found


def moved(sqs: Any, queue: DeadLetters) -> list[Letter]:
    """All that was there, each moved as it was received, until the queue gives nothing more.

    Before the first the operator's chain says that this queue is run again.
    """
    found: list[Letter] = []
    for letter in letters(sqs, queue):
        if not found:
            record_act("dead-letters", queue.name.lower())
        run_again(sqs, queue, letter)
        found.append(letter)
    return found


def record_act(command: str, *ids: str) -> None:
    """A row on the operator's chain, of what is done to something else than a table."""
    from chalicelib import wiring
    from chalicelib.privacy.acts import OPERATOR, commanded
    from chalicelib.privacy.ledger import Ledger

    ledger = Ledger(wiring.accounts_table())
    ledger.record(OPERATOR, commanded(command, *ids), wiring.now())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m infra.operate.dead_letters", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--stack", help="take names from this CloudFormation stack")
    parser.add_argument("--again", action="store_true", help="move all back, to be run again")
    chosen = parser.parse_args(arguments)
    find_cloud("dead_letters", chosen.stack)
    sqs, count = client("sqs"), 0
    for queue in queues(sqs, os.environ["MAIL_QUEUE_URL"]):
        found = (moved if chosen.again else listed)(sqs, queue)
        count += len(found)
        print(f"{queue.name}: {len(found)}")
        for letter in found:
            print(f"  {letter}")
    print(f"{count} {'moved back' if chosen.again else 'in all'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
