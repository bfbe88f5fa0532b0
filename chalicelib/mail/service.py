"""The mailer: takes due messages out of the outbox and hands each over once (G11, G12).

A claim comes first, then the address is opened, the mail made and handed over, and the end
written. Whoever dies in between leaves a claim that lapses; the sweep takes it from there.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.mail.letters import Letter, Letterhead, compose
from chalicelib.mail.links import link_token
from chalicelib.mail.rules import (
    MAX_TRIES,
    Gone,
    MailClass,
    Message,
    NoRecipient,
    Outcome,
    State,
    Stop,
    Unapproved,
    Unsendable,
    Why,
    pause,
)
from chalicelib.mail.templates import LEFT, RESTING, TEMPLATES, Template, check_arguments
from chalicelib.mail.wishes import (
    WayOut,
    WishStore,
    class_row,
    suppression_of,
    topic_row,
    way_out_hash,
)
from chalicelib.observability import count, failure
from chalicelib.privacy import sinks
from chalicelib.privacy.rules import PurposeDenied
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.post import Post
    from chalicelib.mail.rules import Argument
    from chalicelib.mail.store import MailStore
    from chalicelib.privacy.rules import Mailed
    from chalicelib.privacy.service import Vault
    from chalicelib.privacy.sinks import Recipient, Secret
    from chalicelib.storage.dynamo import Write

ENDS = {Why.NO_GRANT: State.NO_RECIPIENT}
ENOUGH = 40  # seconds that one invocation sends for; what is left comes with the next


class Person(Protocol):
    """What the mailer needs to know of an account."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def decoy(self) -> bool: ...


class Directory(Protocol):
    """Who an account or an email claim belongs to."""

    def account(self, account_id: str) -> Person | None: ...
    def by_claim(self, claim: str) -> Person | None: ...


class NoGrant(NoRecipient):
    """Their address was not given for this, or not any more."""


def nothing_approved(mailing: str) -> Mapping[str, Argument]:
    raise Unapproved(mailing)


def no_links() -> KeyedHash:
    raise LookupError("this mailer's mails carry no single-use link")


class OutOfTime(Exception):
    """This invocation has sent for long enough; the rest stays in the queue."""


class Mailer:
    """`texts` answers what a mailing says, as it was approved, or raises Unapproved.

    `link_key` is asked for where a mail carries a single-use link: not every mailer may read it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the wiring alone calls it
        self,
        store: MailStore,
        people: Directory,
        vault: Vault,
        post: Post,
        keyed: KeyedHash,
        head: Letterhead,
        clock: Clock,
        templates: Mapping[str, Template] = TEMPLATES,
        texts: Callable[[str], Mapping[str, Argument]] = nothing_approved,
        link_key: Callable[[], KeyedHash] = no_links,
    ) -> None:
        self.texts, self.link_key = texts, link_key
        self.store, self.people, self.vault, self.post = store, people, vault, post
        self.wishes = WishStore(store.table)
        self.keyed, self.head, self.clock, self.templates = keyed, head, clock, templates

    def send(self, message_id: str) -> State | None:
        """The state that the message is left in; None where it is not due or in other hands.

        An unexpected error is raised after the message was put back to wait.
        """
        message = self.store.claim(message_id, self.clock())
        if message is None:
            overtaken = self.store.end_overtaken(message_id, self.clock())
            return State.UNKNOWN if overtaken else None
        if message.tries > MAX_TRIES:
            return self._end(message, State.FAILED)
        if message.stale(self.clock()):
            return self._end(message, State.STALE)
        try:
            return self._deliver(message)
        except Exception:
            self._put_back(message)
            raise

    def sweep(self) -> dict[str, int]:
        """Send what is due, the longest due first; one that fails does not hold up the others."""
        totals: dict[str, int] = {}
        ends = time.monotonic() + ENOUGH
        for message_id in self.store.due(self.clock()):
            if time.monotonic() > ends:
                break
            outcome = self._send_or_log(message_id)
            totals[outcome] = totals.get(outcome, 0) + 1
        return totals

    def handle_batch(self, event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
        """Send what the queue names; the answer lists what must stay in the queue."""
        from aws_lambda_powertools.utilities.batch import (
            BatchProcessor,
            EventType,
            process_partial_response,
        )

        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        answer = process_partial_response(
            event=dict(event),
            record_handler=self._handler(time.monotonic() + ENOUGH),
            processor=processor,
            context=context,
        )
        return dict(answer)

    def _handler(self, ends: float) -> Callable[[Any], str | None]:
        def handle(record: Any) -> str | None:
            if time.monotonic() > ends:
                raise OutOfTime
            try:
                return self.send(str(json.loads(record.body)["message"]))
            except Exception as error:
                failure("mail_error", error, record=record.message_id)
                raise

        return handle

    def _send_or_log(self, message_id: str) -> str:
        try:
            return self.send(message_id) or "skipped"
        except Exception as error:  # noqa: BLE001 - one message must not hold up the others
            failure("mail_error", error, mail=message_id)
            return "error"

    def _deliver(self, message: Message) -> State:
        template = self.templates[message.template]
        try:
            message = self._as_approved(message, template)
            secret, granted = self._secret(message, template)
            recipient = sinks.mail(secret, message.mail_class)
            way = self._way_out(message, recipient)
            letter = self._write(message, template, recipient, way)
        except Unapproved as error:
            failure("mail_unapproved", error, mail=message.id)
            return self._end(message, State.REFUSED, Why.UNAPPROVED)
        except NoGrant:
            return self._end(message, State.NO_RECIPIENT, Why.NO_GRANT)
        except NoRecipient as nobody:
            return self._end(message, State.NO_RECIPIENT, gone=isinstance(nobody, Gone))
        except Unsendable as error:
            failure("mail_unsendable", error, mail=message.id)
            return self._end(message, State.REFUSED)
        if why := self._against(message, granted, way):
            count(f"mail_suppressed_{why}")
            return self._end(message, ENDS.get(why, State.REFUSED), why)
        return self._settle(message, self.post.hand_over(letter, message.id))

    def _against(self, message: Message, granted: Write, way: WayOut | None) -> Why | None:
        """What has come between the opening and this instant, and lets the mail go no more."""
        if way is None:
            return self.store.withdrawn(granted)
        unopposed = self._unopposed(message, way)
        return self.store.hand_over(message, granted, unopposed, self.clock())

    def _as_approved(self, message: Message, template: Template) -> Message:
        """What a mailing says is judged again for each of its mails, right before it goes.

        So is every row: whoever may write one could bring words of their own. Unapproved where it
        is not such as the outbox writes.
        """
        try:
            check_arguments(template, message.arguments)
        except ValueError as error:
            raise Unapproved(message.template) from error
        if message.mail_class is not template.mail_class:
            raise Unapproved(message.template)
        if message.mailing is None:
            return message
        told = {**message.arguments, **self.texts(message.mailing)}
        return replace(message, arguments=told)

    def _write(
        self, message: Message, template: Template, recipient: Recipient, way: WayOut | None
    ) -> Letter:
        stop = way.token(self.keyed) if way else ""
        link = link_token(self.link_key(), message.id) if template.link else ""
        return compose(self.head, message, template, recipient, link, stop)

    def _way_out(self, message: Message, recipient: Recipient) -> WayOut | None:
        """What the recipient may stop by this mail; None for mail that comes with the account."""
        if message.law.stop is Stop.NEVER:
            return None
        whole = message.mail_class is not MailClass.NOTICE
        row = class_row(message.mail_class) if whole else topic_row(message.template)
        return WayOut(suppression_of(self.keyed, recipient.address), row, message.account)

    def _unopposed(self, message: Message, way: WayOut) -> list[Write]:
        hashed = way_out_hash(self.keyed, way.token(self.keyed))
        return self.wishes.unopposed(way, message.mail_class, hashed)

    def _secret(self, message: Message, template: Template) -> tuple[Secret[Mailed], Write]:
        """Whom it goes to, looked up now, and the condition that it stays so until the hand-over.

        NoRecipient where there is none by now.
        """
        person = (
            self.people.account(message.account)
            if message.account
            else self.people.by_claim(message.claim or "")
        )
        if message.account and (person is None or person.state == LEFT):
            raise Gone
        if person is None or person.decoy or person.state not in template.audience:
            raise NoRecipient
        try:
            if person.state == RESTING:
                listed = self._listed(person, message)
                asked = self.vault.open_at_rest(person.subject, word(message), message.id, listed)
                return asked, self.vault.rests(person.subject)
            secret = self._open(person, template, message)
        except PurposeDenied:
            raise NoGrant from None
        return secret, self.vault.stands(secret.subject, secret.purpose)

    def _open(self, person: Person, template: Template, message: Message) -> Secret[Mailed]:
        """The address; where it was given before `purpose` had a name, under its older one."""
        why, listed = word(message), self._listed(person, message)
        try:
            return self.vault.open(person.subject, template.purpose, why, message.id, listed)
        except PurposeDenied:
            if template.older is None:
                raise
        return self.vault.open(person.subject, template.older, why, message.id, listed)

    def _listed(self, person: Person, message: Message) -> list[Write]:
        """What leads the erasure of an account to the message; who is no account has none."""
        if person.id == person.subject:
            return []
        return [self.store.listed(person.id, message.id)]

    def _settle(self, message: Message, outcome: Outcome) -> State:
        match outcome:
            case Outcome.SENT:
                return self._end(message, State.SENT)
            case Outcome.REFUSED:
                return self._end(message, State.REFUSED)
            case Outcome.UNKNOWN if not message.law.must_arrive:
                return self._end(message, State.UNKNOWN)
        return self._put_back(message)

    def _end(
        self, message: Message, state: State, why: Why | None = None, *, gone: bool = False
    ) -> State:
        try:
            self.store.end(message, state, self.clock(), why, gone=gone)
        except ConditionFailed:
            count("mail_claim_lost")  # it took longer than its claim; whoever has it now ends it
        else:
            count(f"mail_{state}")
        return state

    def _put_back(self, message: Message) -> State:
        try:
            self.store.give_back(message, self.clock() + pause(message.tries))
        except ConditionFailed:
            count("mail_claim_lost")
        return State.WAITING


def word(message: Message) -> str:
    """Why an address is opened; which mail it is, the ledger keys."""
    return f"mail:{message.template}"
