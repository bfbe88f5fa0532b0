"""Writes the messages of mailings to the outbox: one a mailing and person, however often it runs.

Of what was submitted it counts first whom it could go to at most: whoever sends it is told.

It walks the index of active accounts from a cursor. The index only nominates: each account is read
again, and the mailer looks once more, at the state, the grant and the text, when it hands over.
Of what people use it knows nothing: its role does not reach that table (PS-36).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.mail.rules import Unapproved
from chalicelib.mail.templates import TEMPLATES
from chalicelib.mailings.rules import LATEST, WAITING, Count, State, established
from chalicelib.mailings.texts import KINDS, Kind
from chalicelib.observability import count, failure
from chalicelib.privacy.rules import Purpose, PurposeDenied
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from chalicelib.accounts.rules import Account
    from chalicelib.core.clock import Clock
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mailings.rules import Bought, Mailing
    from chalicelib.mailings.store import MailingStore
    from chalicelib.storage.dynamo import Write

ENOUGH = 200  # seconds that one run writes for; the next goes on behind the cursor
STRIDE = 50  # accounts between two marks of the cursor
CHOSEN = frozenset({Purpose.MARKETING, Purpose.PARTNER_MAIL})


@dataclass(frozen=True, slots=True)
class Members:
    """What the planner must know of accounts, asked of the features that know it.

    `active` answers the accounts of one of so many shards behind one of them; `owns` whether an
    account has, or had, a license of an application.
    """

    shards: int
    active: Callable[[int, str], Iterator[str]]
    account: Callable[[str], Account | None]
    granted: Callable[[str], Collection[Purpose]]
    orders: Callable[[str], Iterable[Bought]]
    owns: Callable[[str, str], bool]


class PlanningIncomplete(Exception):
    """Some mailings failed; the others were walked, and a later run tries again."""


class MailingPlanner:
    def __init__(
        self, store: MailingStore, outbox: Outbox, members: Members, clock: Clock
    ) -> None:  # fmt: skip
        self.store, self.outbox, self.members, self.clock = store, outbox, members, clock

    def run(self) -> dict[str, int]:
        """How many mailings were done, and how many messages were written."""
        ends = time.monotonic() + ENOUGH
        done = {"finished": 0, "messages": 0, "failed": 0}
        for mailing_id in self.store.due(self.clock()):
            try:
                self._send(mailing_id, done, ends)
            except ConditionFailed:
                count("mailing_overtaken")  # stopped, or begun by another run
            except Exception as error:  # noqa: BLE001 - one mailing must not stop the others
                failure("mailing_failed", error, mailing=mailing_id)
                done["failed"] += 1
        for name, value in done.items():
            count(f"mailing_{name}", value)
        if done["failed"]:
            raise PlanningIncomplete(f"{done['failed']} mailings failed")
        return done

    def _send(self, mailing_id: str, done: dict[str, int], ends: float) -> None:
        mailing = self.store.mailing(mailing_id)
        if mailing and mailing.state in WAITING:
            self._count(mailing)
            return
        if mailing is None or mailing.state not in {State.SCHEDULED, State.SENDING}:
            return
        try:
            mailing.as_approved()
        except Unapproved as error:
            failure("mailing_unapproved", error, mailing=mailing_id)
            return
        if mailing.state is State.SCHEDULED:
            self.store.begin(mailing)
        for shard in range(self.members.shards):
            if not self._walk(mailing, shard, done, ends):
                return
        done["finished"] += self.store.finish(mailing)

    def _count(self, mailing: Mailing) -> None:
        """Everybody who is active, whatever they chose: it goes to no more, and tells of nobody."""
        shards = range(self.members.shards)
        people = sum(1 for shard in shards for _ in self.members.active(shard, ""))
        self.store.counted(mailing, Count(people, self.clock()))

    def _walk(self, mailing: Mailing, shard: int, done: dict[str, int], ends: float) -> bool:
        """Write to everybody of the shard behind the cursor; False where the time was over."""
        after, at = mailing.cursors.get(shard, ""), 0
        for at, account_id in enumerate(self.members.active(shard, after), 1):
            if time.monotonic() > ends:
                self._mark(mailing, shard, after)
                return False
            done["messages"] += self._write(mailing, account_id)
            after = account_id
            if at % STRIDE == 0:
                self._mark(mailing, shard, after)
        if at % STRIDE:
            self._mark(mailing, shard, after)
        return True

    def _mark(self, mailing: Mailing, shard: int, after: str) -> None:
        if after:
            self.store.table.apply(self.store.reached(mailing, shard, after))

    def _write(self, mailing: Mailing, account_id: str) -> bool:
        """Whether a message was written; False where it stands already, or goes not to them."""
        account = self.members.account(account_id)
        if account is None or not account.active or not self._goes_to(mailing, account):
            return False
        try:
            self.store.table.apply(self.message(mailing, account_id))
        except ConditionFailed:
            return False
        return True

    def message(self, mailing: Mailing, account_id: str) -> Write:
        """The one message of a mailing to an account.

        PurposeDenied for a service notice about an application that the account does not own.
        """
        now, at = self.clock(), mailing.at or 0
        application = mailing.content.application
        if application and not self.members.owns(account_id, application):
            raise PurposeDenied
        _, write = self.outbox.message(
            template_of(mailing.content.kind), fact=(mailing.id, account_id), account=account_id,
            arguments={"mailing": mailing.id}, due=now, now=now, not_after=at + LATEST,
        )  # fmt: skip
        return write

    def _goes_to(self, mailing: Mailing, account: Account) -> bool:
        content = mailing.content
        if content.application:
            return self.members.owns(account.id, content.application)
        chosen = TEMPLATES[template_of(content.kind)].purpose
        if chosen in CHOSEN and chosen not in self.members.granted(account.subject):
            return False
        if content.kind is Kind.OFFER:
            return established(account.confirmed_at, self.members.orders(account.id))
        return True


def template_of(kind: Kind) -> str:
    """The template that its mails are made by; LookupError for what is no mail."""
    mail_class = KINDS[kind].mail_class
    names = {"announcement", "service_notice", "offer", "partner_mail"}
    return next(name for name in sorted(names) if TEMPLATES[name].mail_class is mail_class)
