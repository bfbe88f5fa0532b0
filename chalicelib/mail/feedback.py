"""What the mail service tells of mails that came back or were called spam (PS-68).

It says so on a topic that nobody else may publish to, which nothing but our queue listens to; the
queue takes messages of that topic alone. Events come late, twice, and in any order: each carries
its own time, and changes nothing where it is old news.

| event | means | does |
|---|---|---|
| Bounce, Permanent | the address takes no mail | ends optional mail to it; the account says so |
| Bounce, Transient or Undetermined | it may work the next time | nothing |
| Complaint | its owner called our mail spam | ends optional mail to it |
| Complaint, not-spam or auth-failure | no complaint of a person | nothing |
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.accounts.fields import email_identity
from chalicelib.core.clock import from_text
from chalicelib.mail.rules import Unsendable
from chalicelib.mail.wishes import BOUNCED, COMPLAINED, suppression_of
from chalicelib.observability import count, failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.wishes import WishStore

NO_COMPLAINTS = frozenset({"not-spam", "auth-failure"})
PERMANENT = "Permanent"


class Owner(Protocol):
    @property
    def id(self) -> str: ...


class Owners(Protocol):
    """Whose address a claim stands for."""

    def by_claim(self, claim: str) -> Owner | None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """One thing that happened to one address; `event` is the suppression's row, "" for nothing."""

    address: str = field(repr=False)
    event: str
    at: int


def read(body: str) -> list[Report]:
    """What an event says; ValueError or KeyError where it is none of the mail service's."""
    told = json.loads(body)
    match told["eventType"]:
        case "Bounce":
            bounce = told["bounce"]
            event = BOUNCED if bounce["bounceType"] == PERMANENT else ""
            return reports(bounce["bouncedRecipients"], event, bounce["timestamp"])
        case "Complaint":
            spam = told["complaint"]
            event = "" if spam.get("complaintFeedbackType") in NO_COMPLAINTS else COMPLAINED
            return reports(spam["complainedRecipients"], event, spam["timestamp"])
    return []


def reports(recipients: list[Mapping[str, str]], event: str, timestamp: str) -> list[Report]:
    at = from_text(timestamp)
    return [Report(entry["emailAddress"], event, at) for entry in recipients]


class MailFeedback:
    def __init__(self, wishes: WishStore, owners: Owners, keyed: KeyedHash) -> None:
        self.wishes, self.owners, self.keyed = wishes, owners, keyed

    def handle_batch(self, event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
        """Take in each event; the answer lists what must stay in the queue."""
        from aws_lambda_powertools.utilities.batch import (
            BatchProcessor,
            EventType,
            process_partial_response,
        )

        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        answer = process_partial_response(
            event=dict(event), record_handler=self._handle, processor=processor, context=context
        )
        return dict(answer)

    def _handle(self, record: Any) -> None:
        try:
            for report in read(record.body):
                self.take(report)
        except Exception as error:
            failure("feedback_error", error, record=record.message_id)
            raise

    def take(self, report: Report) -> None:
        """The address first, then its account, so that a death in between is finished by a copy."""
        if not report.event:
            count("mail_feedback_passing")
            return
        try:
            hashed = suppression_of(self.keyed, report.address)
            claim = self.keyed.of("email", email_identity(report.address))
        except (Unsendable, ValueError) as error:
            failure("feedback_without_address", error)  # such as a group; nobody of ours has it
            return
        self.wishes.suppress(hashed, report.event, "mail_service", report.at)
        if owner := self.owners.by_claim(claim):
            self.wishes.mark(owner.id, report.event, report.at)
        count(f"mail_{report.event.lower()}")
