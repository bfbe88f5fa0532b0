"""Registration: one transaction makes the account, and a mailed link confirms it.

An address that has an account already is answered by the same calls and the same words (G7): the
items written are those of a decoy, sealed fields included, which hold filler instead of what was
typed. The one visible difference is who gets which mail.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import email_identity, login_identity
from chalicelib.accounts.rules import Account, LinkKind, LoginTaken, State
from chalicelib.accounts.store import Claim
from chalicelib.core.clock import day_of
from chalicelib.core.errors import Conflict
from chalicelib.core.ids import new_id
from chalicelib.privacy.choices import GPC, TWICE
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.accounts.links import Links
    from chalicelib.accounts.opt_ins import OptIns
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.privacy.rules import Purpose
    from chalicelib.privacy.service import Vault
    from chalicelib.storage.dynamo import Item, Write

TRIES = 4
FORM = "register"


def filler(fields: Mapping[str, str]) -> dict[str, str]:
    """As long as what was typed, and nothing of it."""
    return {name: "-" * len(value) for name, value in fields.items()}


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered to each question of the form; with `gpc`, by the browser: no to all."""

    given: Mapping[Purpose, bool]
    gpc: bool

    def at_once(self) -> dict[Purpose, bool]:
        """Those that count from here on: every no, and a yes that need not be said twice."""
        return {p: yes for p, yes in self.given.items() if not (yes and p in TWICE)}

    @property
    def why_not(self) -> str:
        """The reason of each no, for the ledger."""
        return GPC if self.gpc else FORM

    def twice(self) -> list[Purpose]:
        return [purpose for purpose, yes in self.given.items() if yes and purpose in TWICE]


@dataclass(frozen=True, slots=True)
class Registration:
    store: AccountStore
    vault: Vault
    opt_ins: OptIns
    outbox: Outbox
    links: Links
    passwords: Passwords
    keyed: KeyedHash
    clock: Clock

    def register(
        self, fields: Mapping[str, str], password: str,
        chosen: Mapping[Purpose, bool] | None = None, *, gpc: bool = False,
    ) -> str | None:  # fmt: skip
        """Make the account, and the message whose id is answered: the welcome, for a new address.

        `chosen` are the answers to what the form asks; with `gpc` the browser has said no to all.
        LoginTaken where another has that login name. The same registration sent again, after a
        crash or by a double click, changes nothing and answers None.
        """
        answers = Answers({p: yes and not gpc for p, yes in (chosen or {}).items()}, gpc)
        for _ in range(TRIES):
            with suppress(ConditionFailed):  # somebody else was faster: look again
                return self._attempt(fields, password, answers)
        raise Conflict

    def _attempt(self, fields: Mapping[str, str], password: str, answers: Answers) -> str | None:
        email = self.keyed.of("email", email_identity(fields["email"]))
        login = self.keyed.of("login", login_identity(fields["login"]))
        holder = self.store.owner(Claim.LOGIN, login)
        standing = self.store.claim(Claim.EMAIL, email)
        if holder:
            self._repeat(holder, email, password)
            return None
        now = self.clock()
        account = Account(
            id=new_id("acc"), state=State.UNCONFIRMED, subject=new_id("sub"), email_claim=email,
            login_claim=login, password=self.passwords.hash(password), created_at=now,
            decoy=standing is not None, opted_out_at=now if answers.gpc else None,
        )  # fmt: skip
        kept = filler(fields) if account.decoy else fields
        message, letter = self._letter(account, standing, now)
        self.store.transact(
            self.store.put_account(account),
            self.store.put_claim(Claim.LOGIN, login, account.id),
            letter,
            self._address(account, standing, now),
            self.links.make(self._welcome(account)[0], LinkKind.CONFIRM, account.id, now),
            *self.vault.collect(
                account.subject, kept, now, FORM, answers.at_once(), declined=answers.why_not
            ),
            *self.opt_ins.begin(account.id, answers.twice(), account.ends_at),
        )
        self.outbox.nudge(message)
        return message

    def _repeat(self, holder: str, email: str, password: str) -> None:
        """The holder's own registration over again, else LoginTaken; the same work either way."""
        account = self.store.account(holder)
        match = self.passwords.match(account.password if account else None, password)
        same = account is not None and account.email_claim == email
        if not (match.right and same and account and not account.active):
            raise LoginTaken

    def _address(self, account: Account, standing: Item | None, now: int) -> Write:
        if standing is None:
            return self.store.put_claim(Claim.EMAIL, account.email_claim, account.id)
        return self.store.tell_owner(standing, day_of(now))

    def _letter(self, account: Account, standing: Item | None, now: int) -> tuple[str, Write]:
        """The welcome, or one word a day to the owner of an address that was registered again.

        After that word the message is the decoy's own, to a claim that nobody has.
        """
        if standing is None:
            return self._welcome(account)
        day = day_of(now)
        told = standing.get("told_on") == day
        return self.outbox.message(
            "already_registered",
            fact=(account.id if told else account.email_claim, day),
            claim=account.id if told else account.email_claim,
            arguments={},
            due=now,
            now=now,
        )

    def _welcome(self, account: Account) -> tuple[str, Write]:
        now = account.created_at
        return self.outbox.message(
            "welcome", fact=(account.id,), account=account.id, arguments={}, due=now, now=now
        )
