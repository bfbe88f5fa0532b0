"""Mail that reaches us: REMOVE stops partner mail at once; anything else becomes a case.

So does the mail that a mail program writes to end notices, by the token in its subject.
The raw mail waits in the bucket. A REMOVE is deleted when it is done, unless its subject says
more ("How do I remove a computer?"): that stops partner mail and is a case too. A case keeps the
object's key and nothing of what the mail says. An event that comes twice makes one case.

| who wrote | REMOVE | its confirmation | an acknowledgment | a link to correct or remove data |
|---|---|---|---|---|
| proven by DMARC | yes | one | five a day | to the address on file of an account |
| nothing speaks for or against it | yes | one | one a day | no |
| something speaks against it | yes | one, to a member alone | none | no |
| a machine, or by a list | yes | none | none | no |

So a mail in somebody's name, which anybody can write, has hardly a mail sent there. A member is
told of a REMOVE whoever sent it, since it has changed what they chose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from chalicelib.accounts.fields import email_identity, normal_email
from chalicelib.core.clock import DAY
from chalicelib.mail.cards import without_cards
from chalicelib.mail.incoming import Incoming, read
from chalicelib.mail.rules import MailClass, Unsendable
from chalicelib.mail.wishes import class_row, suppression_of
from chalicelib.observability import count, failure
from chalicelib.privacy.rules import Purpose
from chalicelib.privacy.timings import Which
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from chalicelib.accounts.guests import Guests
    from chalicelib.accounts.rules import Account
    from chalicelib.cases.service import Cases
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.stopping import Stopping
    from chalicelib.mail.stops import Stops
    from chalicelib.mail.wishes import WishStore
    from chalicelib.storage.dynamo import Write
    from chalicelib.storage.objects import Bucket

CONFIRMED_FOR = 7 * DAY
"""How long the address is known that a confirmation goes to."""


@dataclass(frozen=True, slots=True)
class InboundMail:
    """`domain` is our own: mail from there is a machine's, whatever it says.

    `by_claim` is whose address a keyed hash stands for.
    """

    bucket: Bucket
    wishes: WishStore
    stopping: Stopping
    stops: Stops
    cases: Cases
    guests: Guests
    outbox: Outbox
    keyed: KeyedHash
    domain: str
    by_claim: Callable[[str], Account | None]
    clock: Clock

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
        removed = mail.asks_removal and self._stop_partners(mail)
        if removed and mail.says_remove_alone:
            self.bucket.delete(key)
            return "removed"
        answered_at = "" if mail.doubted else self._person(mail)
        self.cases.from_mail(key, mail.kind, answered_at, proven=mail.proven)
        if (kept := without_cards(raw)) != raw:
            # Written anew, it comes as another event, of the same case.
            self.bucket.write(key, kept, content_type="message/rfc822")
        return "case"

    def _person(self, mail: Incoming) -> str:
        """Whom it claims to be from; "" for a machine, a list, and ourselves."""
        host, domain = mail.sender.rpartition("@")[2].lower(), self.domain.lower()
        ours = host == domain or host.endswith(f".{domain}")
        return "" if mail.automatic or ours else mail.sender

    def _account_of(self, address: str) -> Account | None:
        """Whose address it is, also of whoever rests."""
        try:
            account = self.by_claim(self.keyed.of("email", email_identity(address)))
        except ValueError:
            return None
        return account if account and not account.decoy else None

    def _stop_partners(self, mail: Incoming) -> bool:
        """Whoever sent it: it can do nothing else. False where there is no sender to stop.

        The confirmation is written with what it confirms: once, until they opt in again.
        """
        try:
            suppression = suppression_of(self.keyed, mail.sender)
        except Unsendable as error:
            failure("removal_without_sender", error)
            return False
        now = self.clock()
        stop = self.wishes.suppression(suppression, class_row(MailClass.PARTNER), "remove", now)
        account = self._account_of(mail.sender)
        ends = self.stops.later(account.id, MailClass.PARTNER) if account else []
        message, told = self._confirmation(mail, account, suppression, now)
        try:
            self.wishes.table.transact(stop, *ends, *told)
        except ConditionFailed as refusal:
            if not refusal.at(0):
                raise
            self.stops.commit(lambda: ends)
            return True  # in force already
        count("mail_removal")
        self.stopping.times.note(Which.STOPPED_BY_MAIL, now, self.clock())
        if message:
            self.outbox.nudge(message)
        return True

    def _confirmation(
        self, mail: Incoming, account: Account | None, suppression: str, now: int
    ) -> tuple[str, list[Write]]:  # fmt: skip
        """Nothing where nobody can be told, or where somebody else would be."""
        try:
            address = normal_email(self._person(mail))
        except ValueError:
            return "", []
        if mail.doubted and not (account and account.active):
            return "", []
        subject, sealed = self.guests.receive(
            Purpose.SUPPORT, {"email": address}, now + CONFIRMED_FOR, "mail:inbound"
        )
        message, write = self.outbox.message(
            "removal_confirmed", fact=(suppression, now), account=subject, arguments={},
            due=now, now=now,
        )  # fmt: skip
        return message, [*sealed, write]


def keys(event: Mapping[str, Any]) -> Iterator[str]:
    """The object keys of an S3 event, decoded."""
    for record in event.get("Records", []):
        yield unquote_plus(record["s3"]["object"]["key"])
