"""Mail that reaches us: REMOVE stops partner mail at once; anything else becomes a case.

So does the mail that a mail program writes to end notices, by the token in its subject.
The raw mail waits in the bucket. A REMOVE is deleted when it is done, unless its subject speaks of
more ("remove my account"), which somebody must read. A case keeps the object's key and nothing of
what the mail says. An event that comes twice makes one case.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import HeaderParseError
from email.policy import default
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from chalicelib.core.clock import DAY
from chalicelib.core.ids import derived_id
from chalicelib.mail.letters import STOP
from chalicelib.mail.rules import MailClass, Unsendable
from chalicelib.mail.store import due_key
from chalicelib.mail.wishes import class_row, suppression_of
from chalicelib.observability import count, failure
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import EmailMessage

    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.stopping import Stopping
    from chalicelib.mail.wishes import WishStore
    from chalicelib.storage.objects import Bucket

CASE_LIFE = 30 * DAY
UNSUBSCRIBE = re.compile(rf"{STOP}\s+([A-Za-z0-9_-]{{43}})", re.IGNORECASE)
REMOVE = re.compile(r"(?<![^\W_])remove(?![^\W_])")


class CaseKind(StrEnum):
    """What a case is about, as far as a machine can tell."""

    DATA = "data"
    COMPLAINT = "complaint"
    SUPPORT = "support"


WORDS = {
    CaseKind.DATA: re.compile(r"\b(delete|eras(e|ure)|correct(ion)?|account|profile|data|gdpr)\b"),
    CaseKind.COMPLAINT: re.compile(r"\b(complain(t)?|privacy|abuse)\b"),
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a mail says of itself: the address it claims to be from, and its subject in words.

    `stops` is the token of a mail that a mail program wrote to end notices; "" in other mail.
    """

    sender: str
    subject: str
    stops: str = field(default="", repr=False)

    @property
    def asks_removal(self) -> bool:
        """Whether REMOVE is a word of the subject, however it was replied to or forwarded."""
        return REMOVE.search(self.subject) is not None

    @property
    def kind(self) -> CaseKind:
        found = (kind for kind, words in WORDS.items() if words.search(self.subject))
        return next(found, CaseKind.SUPPORT)


def read(raw: bytes) -> Incoming:
    """As much as can be read; an unreadable header counts as empty."""
    mail = message_from_bytes(raw, policy=default)
    senders = getattr(header(mail, "From"), "addresses", ())
    sender = senders[0].addr_spec if senders else ""
    subject = str(header(mail, "Subject") or "")
    stops = UNSUBSCRIBE.fullmatch(subject.strip())
    return Incoming(sender, plain(subject), stops[1] if stops else "")


def header(mail: EmailMessage, name: str) -> Any:
    """The header decoded; None where there is none, or none that can be read."""
    try:
        return mail[name]
    except (HeaderParseError, ValueError, LookupError, AttributeError, TypeError):
        return None  # the parser of the standard library trips over some hostile headers


def plain(text: str) -> str:
    """Small letters of one width, without invisible characters and doubled spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    seen = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(seen.split())


class InboundMail:
    def __init__(
        self, bucket: Bucket, wishes: WishStore, stopping: Stopping, keyed: KeyedHash, clock: Clock
    ) -> None:
        self.bucket, self.wishes, self.stopping = bucket, wishes, stopping
        self.keyed, self.clock = keyed, clock

    def receive(self, event: Mapping[str, Any]) -> dict[str, int]:
        """Take in each object that the event names; an error ends in a retry of the whole event."""
        done = [self.take(key) for key in keys(event)]
        return {outcome: done.count(outcome) for outcome in set(done)}

    def take(self, key: str) -> str:
        """`removed`, `case`, or `gone` where the object was taken in before."""
        raw = self.bucket.find(key)
        if raw is None:
            return "gone"
        mail = read(raw)
        if mail.stops and self.stopping.stop(mail.stops):
            self.bucket.delete(key)
            return "removed"
        removed = mail.asks_removal and self._stop_partners(mail.sender)
        if removed and mail.kind is CaseKind.SUPPORT:
            self.bucket.delete(key)
            return "removed"
        self._open_case(key, mail.kind)
        return "case"

    def _stop_partners(self, sender: str) -> bool:
        """False where the mail names no sender that could be stopped."""
        try:
            suppression = suppression_of(self.keyed, sender)
        except Unsendable as error:
            failure("removal_without_sender", error)
            return False
        row = class_row(MailClass.PARTNER)
        self.wishes.suppress(suppression, row, "remove", self.clock())
        count("mail_removal")
        return True

    def _open_case(self, key: str, kind: CaseKind) -> None:
        """One case an object, due in 30 days; the row says nothing of who wrote or what."""
        now, case = self.clock(), derived_id("cas", key)
        item = {
            "pk": f"CASE#{case}",
            "sk": "CASE",
            "type": "case",
            "v": 1,
            "id": case,
            "kind": kind,
            "state": "open",
            "object": key,
            "created_at": now,
            "due_at": now + CASE_LIFE,
            "gsi1pk": "CASES_OPEN",
            "gsi1sk": due_key(now + CASE_LIFE),
        }
        try:
            self.wishes.table.apply(self.wishes.table.put(item, ABSENT))
        except ConditionFailed:
            return  # the same event again
        count("mail_case")


def keys(event: Mapping[str, Any]) -> Iterator[str]:
    """The object keys of an S3 event, decoded."""
    for record in event.get("Records", []):
        yield unquote_plus(record["s3"]["object"]["key"])
