"""Cases: opened by the form or by a mail, acknowledged in the same transaction, and closed.

What a person wrote is sealed for the answer alone, as a guest's who leaves ninety days after the
case is closed. The case's id is derived from the message, so that what comes twice is one case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import email_identity, normal_email
from chalicelib.accounts.rules import LinkKind
from chalicelib.cases.rules import (
    CALLED,
    KEPT,
    MESSAGES_A_DAY,
    UNPROVEN_A_DAY,
    Case,
    CaseClosed,
    Kind,
    NoSuchCase,
    State,
    Step,
    opened,
)
from chalicelib.core.clock import day_of, to_datetime
from chalicelib.core.ids import derived_id
from chalicelib.observability import count
from chalicelib.privacy.acts import OPERATOR, commanded
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
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.storage.dynamo import Write

FORM, MAIL, COMMAND = "page:/contact", "mail:inbound", "command:case"
PROVEN = "mail:proven"
LIMITS = {
    FORM: ("case", MESSAGES_A_DAY),
    MAIL: ("case-mail", UNPROVEN_A_DAY),
    PROVEN: ("case-proven", MESSAGES_A_DAY),
}
"""How many acknowledgments a day one address gets: counted apart, so that what strangers send in
somebody's name uses up nothing that is theirs."""


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
    ledger: Ledger
    clock: Clock

    def from_form(self, kind: Kind, fields: Mapping[str, str]) -> str:
        """The case's id; the same words sent again on the same day are the same case.

        Anybody may type any address. So it is told of so many a day and of no more, then or later,
        and nothing says to whoever typed it how many others did.
        """
        now = self.clock()
        sender, address = self._sender(fields["email"]), email_identity(fields["email"])
        words = self.keyed.of("case", f"{address}|{kind}|{fields['message']}|{day_of(now)}")
        case = opened(derived_id("cas", words), kind, now)
        try:
            self._open_and_tell(self._told(case, sender), fields, FORM)
        except ConditionFailed as refusal:
            if refusal.at(0):
                return case.id  # the same again
            if not refusal.at(1):
                raise
            self._open_quietly(case, fields)
        return case.id

    def from_mail(self, key: str, kind: Kind, address: str, *, proven: bool) -> bool:
        """One case for each object of the mail bucket; False where it was opened before.

        `address` is whom an answer may go to, "" for nobody. Where it is `proven` that its owner
        wrote, and it is that of an account, a request about data brings a link there too (PS-72).
        What is above the day's count is acknowledged later where it is proven, and else never.
        """
        now = self.clock()
        case = replace(opened(derived_id("cas", key), kind, now), mail=key)
        try:
            normal_email(address)
        except ValueError:
            return self._put(case)
        sender, fields = self._sender(address), {"email": normal_email(address)}
        linked = self._rights(case, address, now) if proven and kind is Kind.DATA else ("", [])
        try:
            way = PROVEN if proven else MAIL
            self._open_and_tell(self._told(case, sender), fields, way, *linked)
        except ConditionFailed as refusal:
            if refusal.at(0):
                return False
            if not refusal.at(1):
                raise
            if not proven:
                return self._put(case)
            return self._open_quietly(replace(case, sender=sender), fields, *linked)
        return True

    def acknowledge(self, case: Case) -> bool:
        """Tell whoever wrote that it is here; False where they were told enough today, or of it.

        What waits for this is mail that is proven to be theirs, and nothing else.
        """
        now = self.clock()
        message, told = self._acknowledgment(case, now)
        limit = self._limit(case, PROVEN, now)
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
        return case, self.guests.as_written(case.subject, COMMAND, case.id)

    def close(self, case_id: str) -> Case:
        """It is answered: nothing is due any more, and what was written is erased in time.

        The operator's chain says that it was closed, once.
        """
        case, now = self._case(case_id), self.clock()
        if not case.open:
            return case
        leaves = [self.guests.leave(case.subject, now + KEPT)] if case.subject else []
        row = commanded("case-close", case.id)
        try:
            self.ledger.commit(
                lambda: [
                    self.store.close(case, now), *leaves, *self.ledger.append(OPERATOR, [row], now),
                ]
            )  # fmt: skip
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
        self, case: Case, fields: Mapping[str, str], way: str, link: str = "",
        linked: list[Write] | None = None,
    ) -> None:  # fmt: skip
        """The case, its limit, the sealed words and the acknowledgment: all or nothing."""
        subject, sealed = self._seal(case, fields)
        case = replace(case, subject=subject)
        message, told = self._acknowledgment(case, case.created_at)
        limit = self._limit(case, way, case.created_at)
        self.store.transact(self.store.put(case), limit, *sealed, told, *(linked or []))
        count("case_opened")
        for sent in filter(None, (message, link)):
            self.outbox.nudge(sent)

    def _limit(self, case: Case, way: str, now: int) -> Write:
        use, limit = LIMITS[way]
        return self.attempts.daily(use, case.sender or case.id, limit, now)

    def _open_quietly(
        self, case: Case, fields: Mapping[str, str], link: str = "",
        linked: list[Write] | None = None,
    ) -> bool:  # fmt: skip
        """Without an acknowledgment; a link that was proven to be asked for goes all the same."""
        subject, sealed = self._seal(case, fields)
        new = self._put(replace(case, subject=subject), *sealed, *(linked or []))
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

    def _seal(self, case: Case, fields: Mapping[str, str]) -> tuple[str, list[Write]]:
        about, form = {"case": case.id}, MAIL if case.mail else FORM
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
        """Whose mailbox it is: what follows a plus is another name of the same one.

        Counted by nothing wider: by its domain, one could silence all users of a provider.
        """
        local, _, domain = email_identity(address).rpartition("@")
        return self.keyed.of("case-sender", f"{local.partition('+')[0] or local}@{domain}")


def day(instant: int) -> str:
    return to_datetime(instant).strftime("%-d %B %Y")
