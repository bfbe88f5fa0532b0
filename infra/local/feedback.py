"""What the mail service tells of mail to its own test addresses, as SES's mailbox simulator does.

| address at simulator.amazonses.com | event |
|---|---|
| `bounce`, `suppressionlist` | Bounce, Permanent |
| `complaint` | Complaint, abuse |
| `success`, `ooto` | none: it arrives |

A label tells several apart: `bounce+someone`. The mail itself is at `/_local/mail` all the same.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from .names import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .plan import Plan

DOMAIN = "simulator.amazonses.com"
SUBTYPES = {"bounce": "General", "suppressionlist": "Suppressed"}
Json = dict[str, Any]


class Feedback:
    """`put(queue, body)` is how a message comes into a queue of the template."""

    def __init__(self, plan: Plan, now: Callable[[], str], put: Callable[[str, str], None]) -> None:
        self._plan, self._now, self._put = plan, now, put

    def tell(self, mail: Json) -> None:
        """Publish what becomes of the mail to whom the template says."""
        for address in mail["to"].split(", "):
            mailbox, _, domain = address.lower().rpartition("@")
            if domain == DOMAIN:
                self._publish(mailbox.partition("+")[0], address, mail)

    def _publish(self, mailbox: str, address: str, mail: Json) -> None:
        event = self._event(mailbox, address, mail)
        if event is None:
            return
        for queue in self._queues(event["eventType"].lower()):
            self._put(queue, json.dumps(event))

    def _queues(self, event: str) -> Iterator[str]:
        topics = self._plan.feedback.get(event, [])
        return (one.queue for one in self._plan.subscriptions if one.topic in topics)

    def _event(self, mailbox: str, address: str, mail: Json) -> Json | None:
        """In the shape of SES's event publishing; None for a mail that arrives."""
        at = self._now().replace("+00:00", "Z")
        if mailbox in SUBTYPES:
            recipient = {"emailAddress": address, "action": "failed", "status": "5.1.1"}
            bounce = {
                "bounceType": "Permanent",
                "bounceSubType": SUBTYPES[mailbox],
                "bouncedRecipients": [recipient],
                "timestamp": at,
                "feedbackId": str(uuid.uuid4()),
            }
            return {"eventType": "Bounce", "bounce": bounce, "mail": _mail(mail, at)}
        if mailbox == "complaint":
            complaint = {
                "complainedRecipients": [{"emailAddress": address}],
                "complaintFeedbackType": "abuse",
                "timestamp": at,
                "feedbackId": str(uuid.uuid4()),
            }
            return {"eventType": "Complaint", "complaint": complaint, "mail": _mail(mail, at)}
        return None


def _mail(mail: Json, at: str) -> Json:
    headers = [{"name": name, "value": value} for name, value in mail["headers"].items()]
    return {
        "timestamp": at,
        "source": mail["from"],
        "sendingAccountId": ACCOUNT,
        "messageId": str(uuid.uuid4()),
        "destination": mail["to"].split(", "),
        "headersTruncated": False,
        "headers": headers,
        "tags": {"class": [mail["class"]]},
    }
