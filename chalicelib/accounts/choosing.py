"""What a person chose about their data, and how they change it: each answer counts at once.

    asked --no---> declined <-----no-----+
      |               |                  |
      +-----yes-------+--yes--> granted--+
      |               |            ^
      +--yes, twice---+--> waiting-+ the button behind the mailed link

A purpose of `TWICE` is granted only from the mailbox itself: until then a wish of its own waits.
Silence changes nothing (PS-81).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import (
    LINK_LIFE,
    OPT_INS_A_DAY,
    AccountGone,
    LinkEnded,
    LinkKind,
    TooManyWishes,
)
from chalicelib.privacy.choices import GPC, TWICE, NotAChoice, questions
from chalicelib.privacy.rules import Entry, Event, Purpose, When, known_policies, policy, policy_for
from chalicelib.privacy.sinks import page
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.opt_ins import OptIns
    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.mail.outbox import Outbox
    from chalicelib.privacy.choices import Question
    from chalicelib.privacy.rules import Policy, Row
    from chalicelib.privacy.service import Vault
    from chalicelib.storage.dynamo import Write

PAGE = "page:/account/privacy"
LINK = "page:/choices"
RESET = "page:/reset"
TEMPLATE = "partner_opt_in"
ANSWERS = frozenset({Event.COLLECTED, Event.GRANTED, Event.DECLINED, Event.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class Choice:
    """How one question stands: `answer` is the ledger's row of it, None where it is unanswered.

    `stopped` is since when a yes brings no mail, because a mail or a complaint ended it.
    """

    question: Question
    granted: str | None
    waiting: bool
    answer: Row | None
    stopped: int | None = None


@dataclass(frozen=True, slots=True)
class Choosing:
    store: AccountStore
    opt_ins: OptIns
    vault: Vault
    outbox: Outbox
    links: Links
    attempts: Attempts
    clock: Clock
    lift: Callable[[str, Purpose, str], None]
    """Lets mail for a purpose go to an address again, where its owner once stopped it."""
    stopped: Callable[[str], Mapping[Purpose, int]]
    """Since when mail for which purposes does not go to an address, by its owner's wish."""

    def standing(self, account_id: str, address: str) -> list[Choice]:
        """Each choice of the policy in force, and each yes to what it no longer asks.

        `address` is the account's own, as the page has opened it; nothing more is opened.
        """
        return self._standing(account_id, self.stopped(address))

    def today(self, account_id: str) -> dict[str, Choice]:
        """How each question stands before it is answered anew, by its field; opens nothing."""
        return {choice.question.name: choice for choice in self._standing(account_id, {})}

    def unanswered(self, account_id: str, came: Mapping[int, int]) -> list[Question]:
        """What versions that came after the account ask, in their order; opens nothing.

        `came` is when each version was published, in milliseconds. No answer to what is new can be
        older than that, so that no more of a long history is read.
        """
        account, number = self._present(account_id), self.vault.in_force()
        since = {
            q: came.get(policy_for(q.purpose, number).number, 0) for q in questions(policy(number))
        }
        new = [question for question, at in since.items() if at > account.created_at]
        if not new:
            return []
        first = min(since[question] for question in new)
        rows = takewhile(lambda row: row.at >= first, self.vault.ledger.back(account.subject))
        answered = {row.entry.purpose for row in rows if row.entry.event in ANSWERS}
        answered |= set(self.opt_ins.waiting(account.id))
        return [question for question in new if question.purpose not in answered]

    def _standing(self, account_id: str, stopped: Mapping[Purpose, int]) -> list[Choice]:
        account = self._present(account_id)
        granted = self.vault.granted(account.subject)
        asked = self._asked(granted)
        waiting = self.opt_ins.waiting(account.id)
        answers = self._answers(account.subject, {question.purpose for question in asked})
        return [
            Choice(
                q, granted.get(q.purpose), q.purpose in waiting, answers.get(q.purpose),
                stopped.get(q.purpose) if q.purpose in granted else None,
            )
            for q in asked
        ]  # fmt: skip

    def change(self, account_id: str, purpose: Purpose, *, yes: bool, gpc: bool = False) -> bool:
        """The person's own answer, in force from here on; NotAChoice for any other purpose.

        True where it is a yes that waits for a link, which was mailed.

        A no said again is harmless, even where the question has been given up since.
        With `gpc` the browser says no to all in general: a yes is an exception made knowingly, and
        that browser's word is not taken again.
        """
        account = self._present(account_id)
        if yes:
            if gpc:
                self.opt_ins.heard_opt_out(account, self.clock())
            return self._accept(account, purpose)
        self._refuse(account, purpose, PAGE)
        return False

    def opt_out(self, account: Account) -> None:
        """The browser's own no, taken once: whatever was chosen is withdrawn."""
        if account.opted_out_at is not None:
            return
        for purpose, version in self.vault.granted(account.subject).items():
            if chosen_under(known_policies().get(version), purpose):
                self.vault.withdraw(account.subject, purpose, GPC)
        for purpose in self.opt_ins.waiting(account.id):
            self.store.transact(self.opt_ins.forget(account.id, purpose))
        self.opt_ins.heard_opt_out(account, self.clock())

    def take_back(self, account: Account) -> list[Write]:
        """Nothing is chosen and no wish waits, as if all had been answered no; for `commit`.

        Whoever registered the address may have been a stranger to the mailbox, who said yes in the
        name of somebody else.
        """
        vault, subject = self.vault, account.subject
        head = vault.ledger.head(subject)
        chosen = [
            grant for grant in vault.store.grants(subject)
            if chosen_under(known_policies().get(grant.policy), grant.purpose)
        ]  # fmt: skip
        rows = [Entry(Event.WITHDRAWN, g.purpose, g.policy, RESET) for g in chosen]
        return [
            *(vault.store.end_grant(grant) for grant in chosen),
            *(vault.store.end_sealed(subject, grant.purpose) for grant in chosen),
            *(self.opt_ins.forget(account.id, p) for p in self.opt_ins.waiting(account.id)),
            *vault.ledger.after(head, subject, rows, self.clock()),
        ]

    # a yes that is said twice

    def letters(self, account: Account, now: int) -> tuple[list[str], list[Write]]:
        """A mail for each wish that waits, for the transaction that confirms the account."""
        return self._letters(account, self.opt_ins.waiting(account.id), now)

    def address(self, token: str) -> str:
        """The address that the link would grant; LinkEnded where it no longer works."""
        account = self._wishing(token, self.clock())
        return self._address(account, LINK)

    def say_again(self, token: str) -> None:
        """The wish counts from here on, once."""
        now = self.clock()
        account = self._wishing(token, now)
        fields = {"email": self._address(account, LINK)}
        self.lift(account.id, Purpose.PARTNER_MAIL, fields["email"])
        try:
            self.vault.commit(
                lambda: [
                    self.links.use(token, LinkKind.OPT_IN, now),
                    self.opt_ins.fulfill(account.id, Purpose.PARTNER_MAIL),
                    self.opt_ins.check_addressed(account),
                    *self.vault.grant(account.subject, Purpose.PARTNER_MAIL, fields, LINK),
                ]
            )
        except ConditionFailed as refusal:
            raise LinkEnded from refusal

    def _accept(self, account: Account, purpose: Purpose) -> bool:
        if purpose not in {q.purpose for q in questions(policy(self.vault.in_force()))}:
            raise NotAChoice
        if self.vault.granted(account.subject).get(purpose):
            # The yes stands, from the mailbox where it needs that: a mail may have stopped it,
            # and may have taken it back by now.
            self.lift(account.id, purpose, self._address(account, PAGE))
            if self.vault.granted(account.subject).get(purpose):
                return False
        if purpose in TWICE:
            self._ask_again(account, purpose)
            return True
        fields = {"email": self._address(account, PAGE)}
        # Before the grant: whoever dies in between has lifted what no grant makes use of.
        self.lift(account.id, purpose, fields["email"])
        self.vault.commit(
            lambda: [
                *self.vault.grant(account.subject, purpose, fields, PAGE),
                self.opt_ins.check_addressed(account),
            ]
        )
        return False

    def _ask_again(self, account: Account, purpose: Purpose) -> None:
        now = self.clock()
        messages, writes = self._letters(account, [purpose], now)
        counted = self.attempts.daily("opt_in", account.id, OPT_INS_A_DAY, now)
        try:
            self.store.transact(counted, self.opt_ins.check_addressed(account), *writes)
        except ConditionFailed as refusal:
            if refusal.at(0):
                raise TooManyWishes from refusal
            if refusal.at(1):
                raise AccountGone from refusal
            return  # a double click: the link of this very instant is on its way
        for message in messages:
            self.outbox.nudge(message)

    def _refuse(self, account: Account, purpose: Purpose, form: str) -> None:
        if not self._chosen(account.subject, purpose):
            if self._answered_no(account.subject, purpose):
                return  # said before, when it was asked: it holds
            raise NotAChoice
        self.store.transact(self.opt_ins.forget(account.id, purpose))
        if self.vault.withdraw(account.subject, purpose, form):
            return
        if not self._answered_no(account.subject, purpose):
            self.vault.commit(lambda: self.vault.decline(account.subject, purpose, form))

    def _answered_no(self, subject: str, purpose: Purpose) -> bool:
        """Whether the newest answer to it is a no."""
        answer = self._answers(subject, {purpose}).get(purpose)
        return answer is not None and answer.entry.event in {Event.DECLINED, Event.WITHDRAWN}

    def _chosen(self, subject: str, purpose: Purpose) -> bool:
        """Whether the purpose is one to choose: as the yes was given, or as is asked today.

        A later version may name it no longer, and whoever said yes under another can still say no.
        """
        if version := self.vault.granted(subject).get(purpose):
            return chosen_under(known_policies().get(version), purpose)
        return chosen_under(policy(self.vault.in_force()), purpose)

    def _asked(self, granted: Mapping[Purpose, str]) -> tuple[Question, ...]:
        """What is asked today, and what was said yes to when it was asked."""
        asked = questions(policy(self.vault.in_force()))
        named = {question.purpose for question in asked}
        before = (
            question
            for purpose, version in granted.items()
            if purpose not in named and (then := known_policies().get(version))
            for question in questions(then)
            if question.purpose == purpose
        )
        return (*asked, *before)

    def _letters(
        self, account: Account, purposes: Iterable[Purpose], now: int
    ) -> tuple[list[str], list[Write]]:
        messages, writes = [], []
        for purpose in purposes:
            message, letter = self.outbox.message(
                TEMPLATE, fact=(account.id, purpose, now), account=account.id, arguments={},
                due=now, now=now, not_after=now + LINK_LIFE,
            )  # fmt: skip
            link = self.links.make(message, LinkKind.OPT_IN, account.id, now, account=account)
            writes += [self.opt_ins.ask(account.id, purpose, now + LINK_LIFE), letter, link]
            messages.append(message)
        return messages, writes

    def _wishing(self, token: str, now: int) -> Account:
        """Whose wish the link is about, while it waits; LinkEnded after it."""
        link = self.links.read(token, LinkKind.OPT_IN, now)
        account = self.store.account(link.target)
        if account is None or not account.active or not link.was_mailed_to(account):
            raise LinkEnded
        if Purpose.PARTNER_MAIL not in self.opt_ins.waiting(account.id):
            raise LinkEnded
        return account

    def _answers(self, subject: str, purposes: set[Purpose]) -> dict[Purpose, Row]:
        """The newest answer to each, read backwards until all are found."""
        found: dict[Purpose, Row] = {}
        for row in self.vault.ledger.back(subject):
            if purposes <= found.keys():
                break
            purpose = row.entry.purpose
            if purpose in purposes and row.entry.event in ANSWERS:
                found.setdefault(purpose, row)
        return found

    def _address(self, account: Account, reason: str) -> str:
        opened = self.vault.open(account.subject, Purpose.ACCOUNT, reason)
        return page(opened, account.subject)["email"]

    def _present(self, account_id: str) -> Account:
        account = self.store.account(account_id)
        if account is None or not account.active:
            raise AccountGone
        return account


def chosen_under(version: Policy | None, purpose: Purpose) -> bool:
    """Whether that version asks a person about the purpose; None is one that we do not know."""
    use = version.uses.get(purpose) if version else None
    return use is not None and use.when is When.CHOICE
