"""Cases: opened by the form or by a mail, acknowledged in the same transaction, and closed.

What a person wrote is sealed for the answer alone, as a guest's who leaves ninety days after the
case is closed. The case's id is derived from the message, so that what comes twice is one case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import email_identity, normal_email
from chalicelib.accounts.rules import LinkKind, window
from chalicelib.cases.rules import (
    CALLED,
    KEPT,
    MESSAGES_A_DAY,
    Case,
    CaseClosed,
    Kind,
    NoSuchCase,
    State,
    Step,
    TooManyMessages,
    opened,
)
from chalicelib.core.clock import DAY, SECOND, day_of, to_datetime
from chalicelib.core.ids import derived_id
from chalicelib.observability import count
from chalicelib.privacy.rules import Purpose
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.guests import Guests
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.rules import Account
    from chalicelib.cases.store import CaseStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.storage.dynamo import Write

FORM, MAIL, COMMAND = "page:/contact", "mail:inbound", "command:case"
PROVEN = "mail:proven"
LIMITS = {FORM: "case", MAIL: "case-mail", PROVEN: "case-proven"}
"""Counted apart, so that what strangers send in somebody's name blocks nothing that is theirs."""


@dataclass(frozen=True, slots=True)
class Cases:
    """`by_claim` is whose address a keyed hash stands for."""

    store: CaseStore
    guests: Guests
    outbox: Outbox
    links: Links
    attempts: Attempts
    by_claim: Callable[[str], Account | None]
    keyed: KeyedHash
    clock: Clock

    def from_form(self, kind: Kind, fields: Mapping[str, str]) -> str:
        """The case's id; the same words sent again on the same day are the same case.

        TooManyMessages where this address has sent enough for today.
        """
        now = self.clock()
        sender = self._sender(fields["email"])
        words = self.keyed.of("case", f"{sender}|{kind}|{fields['message']}|{day_of(now)}")
        case = self._told(opened(derived_id("cas", words), kind, now), sender)
        try:
            self._open_and_tell(case, fields, FORM)
        except ConditionFailed as refusal:
            if refusal.at(0):
                return case.id  # the same again
            if not refusal.at(1):
                raise
            raise TooManyMessages(-(-window(now, DAY)[1] // SECOND)) from None
        return case.id

    def from_mail(self, key: str, kind: Kind, address: str, *, proven: bool) -> bool:
        """One case for each object of the mail bucket; False where it was opened before.

        `address` is whom an answer may go to, "" for nobody. Where it is `proven` that its owner
        wrote, and it is that of an account, a request about data brings a link there too (PS-72).
        """
        now = self.clock()
        case = replace(opened(derived_id("cas", key), kind, now), mail=key)
        try:
            normal_email(address)
        except ValueError:
            return self._put(case)
        sender = self._sender(address)
        linked = self._rights(case, address, now) if proven and kind is Kind.DATA else ("", [])
        case, fields = self._told(case, sender), {"email": normal_email(address)}
        try:
            self._open_and_tell(case, fields, PROVEN if proven else MAIL, *linked)
        except ConditionFailed as refusal:
            if refusal.at(0):
                return False
            if not refusal.at(1):
                raise
            # Enough mails for today from this address: it is told no more of each.
            quiet = replace(case, state=State.OPEN, acknowledged_at=None)
            return self._open_quietly(quiet, fields, *linked)
        return True

    def acknowledge(self, case: Case) -> bool:
        """Tell whoever wrote that it is here; False where they were told enough today, or of it."""
        now = self.clock()
        message, told = self._acknowledgment(case, now)
        limit = self._limit(case, MAIL if case.mail else FORM, now)
        try:
            self.store.transact(self.store.did(case, Step.ACKNOWLEDGE, now), told, limit)
        except ConditionFailed:
            return False
        self.outbox.nudge(message)
        return True

    def listed(self) -> list[Case]:
        """Every case that is not closed."""
        found = (self.store.case(case_id) for case_id in self.store.due())
        return [case for case in found if case and case.open]

    def read(self, case_id: str) -> tuple[Case, dict[str, str]]:
        """What was written, while the case is open and after the ledger says so (PS-67).

        CaseClosed afterwards. A mail's text is in its bucket, and not here.
        """
        case = self._case(case_id)
        if not case.open:
            raise CaseClosed
        if case.subject is None:
            return case, {}
        return case, self.guests.opened(case.subject, Purpose.SUPPORT, f"{COMMAND}:{case.id}")

    def close(self, case_id: str) -> Case:
        """It is answered: nothing is due any more, and what was written is erased in time."""
        case, now = self._case(case_id), self.clock()
        if not case.open:
            return case
        leaves = [self.guests.leave(case.subject, now + KEPT)] if case.subject else []
        try:
            self.store.transact(self.store.close(case, now), *leaves)
        except ConditionFailed as refusal:
            if not refusal.at(0):
                raise
        return self._case(case_id)

    def _case(self, case_id: str) -> Case:
        case = self.store.case(case_id)
        if case is None:
            raise NoSuchCase
        return case

    def _told(self, case: Case, sender: str) -> Case:
        """The case as it is once its sender is told of it, in the transaction that opens it."""
        return replace(
            case, sender=sender, state=State.ACKNOWLEDGED, acknowledged_at=case.created_at
        )

    def _open_and_tell(
        self, case: Case, fields: Mapping[str, str], form: str, link: str = "",
        linked: list[Write] | None = None,
    ) -> None:  # fmt: skip
        """The case, its limit, the sealed words and the acknowledgment: all or nothing."""
        subject, sealed = self._seal(case, fields, FORM if form == FORM else MAIL)
        case = replace(case, subject=subject)
        message, told = self._acknowledgment(case, case.created_at)
        limit = self._limit(case, form, case.created_at)
        self.store.transact(self.store.put(case), limit, *sealed, told, *(linked or []))
        count("case_opened")
        for sent in filter(None, (message, link)):
            self.outbox.nudge(sent)

    def _limit(self, case: Case, way: str, now: int) -> Write:
        return self.attempts.daily(LIMITS[way], case.sender or case.id, MESSAGES_A_DAY, now)

    def _open_quietly(
        self, case: Case, fields: Mapping[str, str], link: str, linked: list[Write]
    ) -> bool:
        """Without an acknowledgment; a link that was proven to be asked for goes all the same."""
        subject, sealed = self._seal(case, fields, MAIL)
        new = self._put(replace(case, subject=subject), *sealed, *linked)
        if new and link:
            self.outbox.nudge(link)
        return new

    def _put(self, case: Case, *others: Write) -> bool:
        try:
            self.store.transact(self.store.put(case), *others)
        except ConditionFailed as refusal:
            if not refusal.at(0):
                raise
            return False
        count("case_opened")
        return True

    def _seal(self, case: Case, fields: Mapping[str, str], form: str) -> tuple[str, list[Write]]:
        about = {"case": case.id}
        return self.guests.receive(Purpose.SUPPORT, fields, None, form, about=about)

    def _acknowledgment(self, case: Case, now: int) -> tuple[str, Write]:
        """Quotes nothing of the message, so that nobody can have us mail their words to others."""
        return self.outbox.message(
            "case_received", fact=(case.id,), account=case.subject,
            arguments={"case": case.id, "about": CALLED[case.kind], "until": day(case.due_at)},
            due=now, now=now,
        )  # fmt: skip

    def _rights(self, case: Case, address: str, now: int) -> tuple[str, list[Write]]:
        """The link, mailed to the address on file; nothing where it is nobody's."""
        claim = self.keyed.of("email", email_identity(address))
        account = self.by_claim(claim)
        if account is None or account.decoy:
            return "", []
        message, write = self.outbox.message(
            "rights_link", fact=(case.id,), claim=claim, arguments={}, due=now, now=now
        )
        link = self.links.make(message, LinkKind.RIGHTS, claim, now, account=account)
        return message, [write, link]

    def _sender(self, address: str) -> str:
        return self.keyed.of("case-sender", email_identity(address))


def day(instant: int) -> str:
    return to_datetime(instant).strftime("%-d %B %Y")
