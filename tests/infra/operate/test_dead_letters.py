"""Dead letters are listed without a trace, and run again without a loss."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError

from chalicelib import wiring
from chalicelib.privacy.acts import OPERATOR
from chalicelib.privacy.ledger import Ledger
from infra import admin
from infra.operate import dead_letters
from infra.operate.dead_letters import main

if TYPE_CHECKING:
    from tests.conftest import Tables

REGION = "eu-west-1"


class Queues:
    """Two queues of the stack with their dead letters, and one of somebody else."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs", region_name=REGION)
        self.mail_dead = self.made("cetrus-MailDlq-1")
        self.mail = self.made("cetrus-MailQueue-1", of="cetrus-MailDlq-1")
        self.pay_dead = self.made("cetrus-PaymentsDlq-1.fifo")
        self.pay = self.made("cetrus-PaymentsQueue-1.fifo", of="cetrus-PaymentsDlq-1.fifo")
        self.other_dead = self.made("other-MailDlq-1")
        self.made("other-MailQueue-1", of="other-MailDlq-1")

    def made(self, name: str, of: str | None = None) -> str:
        attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        if of:
            arn = f"arn:aws:sqs:{REGION}:123456789012:{of}"
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": 5}
            attributes["RedrivePolicy"] = json.dumps(policy)
        return str(self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def send(self, url: str, body: str) -> None:
        order = {}
        if url.endswith(".fifo"):
            order = {"MessageGroupId": "cs_1", "MessageDeduplicationId": body}
        self.sqs.send_message(QueueUrl=url, MessageBody=body, **order)

    def waiting(self, url: str) -> list[str]:
        """What can be received now; it stays."""
        got = self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages", [])
        return sorted(message["Body"] for message in got)


@pytest.fixture
def queues(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Queues:
    made = Queues()
    monkeypatch.setenv("MAIL_QUEUE_URL", made.mail)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    made.send(made.mail_dead, "mail one")
    made.send(made.mail_dead, "mail two")
    made.send(made.pay_dead, "event")
    made.send(made.other_dead, "not ours")
    return made


def test_all_are_listed_and_stay(queues: Queues, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main([]) == 0
        said = capsys.readouterr().out
        assert "cetrus-MailDlq-1: 2" in said
        assert "cetrus-PaymentsDlq-1.fifo: 1" in said
        assert "3 in all" in said
        assert "not ours" not in said
    assert queues.waiting(queues.mail_dead) == ["mail one", "mail two"]
    assert queues.waiting(queues.mail) == []


def test_a_nudge_is_shown_and_of_anything_else_only_that_it_is_there(
    queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = queues.made("cetrus-MailFeedbackDlq-1")
    queues.made("cetrus-MailFeedbackQueue-1", of="cetrus-MailFeedbackDlq-1")
    bounce = {"eventType": "Bounce", "mail": {"destination": ["canary@example.org"]}}
    hidden = [json.dumps(bounce), json.dumps({"message": "x", "to": "canary@example.org"}),
              json.dumps(["canary@example.org"]), "canary@example.org"]  # fmt: skip
    for body in hidden:
        queues.send(dead, body)
    queues.send(queues.mail_dead, '{"message": "msg_1"}')
    queues.send(queues.pay_dead, '{"event": "evt_1"}')
    for arguments in ([], ["--again"]):
        main(arguments)
        said = capsys.readouterr().out
        assert "cetrus-MailFeedbackDlq-1: 4" in said
        assert "canary" not in said
        assert '{"message": "msg_1"}' in said
        assert '{"event": "evt_1"}' in said


def test_one_command_runs_all_again(queues: Queues, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--again"])
    assert "3 moved back" in capsys.readouterr().out
    assert queues.waiting(queues.mail) == ["mail one", "mail two"]
    assert queues.waiting(queues.pay) == ["event"]
    assert queues.waiting(queues.mail_dead) == queues.waiting(queues.pay_dead) == []
    assert queues.waiting(queues.other_dead) == ["not ours"]


def all_of(queues: Queues, url: str) -> list[str]:
    """Every body of a queue, in the order it gives them; they are gone then."""
    found: list[str] = []
    while received := queues.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
        "Messages", []
    ):
        for message in received:
            found.append(message["Body"])
            queues.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_more_than_one_call_can_receive_goes_back_in_one_run(
    queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = [f"more {n:02d}" for n in range(25)]
    for body in bodies:
        queues.send(queues.mail_dead, body)
    main([])
    assert "cetrus-MailDlq-1: 27" in capsys.readouterr().out
    main(["--again"])
    assert "cetrus-MailDlq-1: 27" in capsys.readouterr().out
    assert sorted(all_of(queues, queues.mail)) == ["mail one", "mail two", *bodies]
    assert queues.waiting(queues.mail_dead) == []


def test_a_group_of_more_than_one_call_shows_goes_back_in_one_run_and_in_order(
    queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = [f"event {n:02d}" for n in range(11)]
    for body in bodies:
        queues.send(queues.pay_dead, body)
    main(["--again"])
    assert "cetrus-PaymentsDlq-1.fifo: 12" in capsys.readouterr().out
    assert all_of(queues, queues.pay) == ["event", *bodies]
    assert queues.waiting(queues.pay_dead) == []


def test_each_is_moved_before_more_are_received(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a run takes, none waits longer than its own nine neighbors."""
    sqs = boto3.client("sqs", region_name=REGION)
    (queue,) = (q for q in dead_letters.queues(sqs, queues.mail) if "MailDlq" in q.name)
    for n in range(15):
        queues.send(queues.mail_dead, f"more {n}")
    held, most = 0, []

    def counted(name: str, step: int) -> None:
        real = getattr(sqs, name)

        def call(**wanted: object) -> Any:
            nonlocal held
            answer = real(**wanted)
            held += len(answer.get("Messages", [])) if step > 0 else -1
            most.append(held)
            return answer

        monkeypatch.setattr(sqs, name, call)

    counted("receive_message", 1)
    counted("delete_message", -1)
    assert len(dead_letters.moved(sqs, queue)) == 17
    assert max(most) <= 10
    assert held == 0


@pytest.mark.promise("PS-45")
def test_the_operators_chain_says_first_which_queues_are_run_again(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as failing:
        failing.setattr(dead_letters, "run_again", cut_off)
        with pytest.raises(ConnectionError):
            main(["--again"])
    assert said() == ["command:dead-letters:cetrus-maildlq-1"]
    assert main([]) == 0
    assert len(said()) == 1


def said() -> list[str | None]:
    rows = Ledger(wiring.accounts_table()).rows(OPERATOR)
    return [row.entry.reason for row in rows]


def test_a_crash_between_the_two_calls_loses_nothing(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(**_: object) -> None:
        raise ConnectionError

    sqs = boto3.client("sqs", region_name=REGION)
    monkeypatch.setattr(sqs, "delete_message", cut_off)
    (queue,) = (q for q in dead_letters.queues(sqs, queues.mail) if "MailDlq" in q.name)
    letter = next(dead_letters.letters(sqs, queue))
    with pytest.raises(ConnectionError):
        dead_letters.run_again(sqs, queue, letter)
    dead_letters.give_back(sqs, queue, letter)
    assert letter.body in queues.waiting(queues.mail)
    assert letter.body in queues.waiting(queues.mail_dead)


def test_a_stack_that_is_not_there_is_told_in_one_line(
    queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exits:
        main(["--stack", "cetrus-nowhere"])
    assert exits.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "there is no stack cetrus-nowhere" in said.err


def test_without_credentials_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> int:
        raise NoCredentialsError

    monkeypatch.setattr(admin, "service_time", nobody)
    with pytest.raises(SystemExit) as exits:
        main(["--stack", "cetrus-prod"])
    assert exits.value.code == 2
    assert "no AWS credentials" in capsys.readouterr().err
