"""What a mailed link can do: confirm a new account, and set a new password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.rules import (
    FORGOT_WINDOW,
    RESETS_A_DAY,
    Account,
    AccountGone,
    LinkEnded,
    LinkKind,
    State,
    WrongCredentials,
    window,
)
from chalicelib.accounts.store import Claim
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.choosing import Choosing
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.accounts.sessions import Sessions
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.storage.dynamo import Write

CONFIRM_ATTEMPTS = "confirm"
PASSWORD_ATTEMPTS = "password"  # noqa: S105 - the name of a use, not a secret


@dataclass(frozen=True, slots=True)
class Recovery:
    store: AccountStore
    outbox: Outbox
    links: Links
    passwords: Passwords
    attempts: Attempts
    sessions: Sessions
    choosing: Choosing
    keyed: KeyedHash
    clock: Clock

    def check_link(self, token: str, kind: LinkKind) -> None:
        """LinkEnded where the link no longer works; changes nothing."""
        self.links.read(token, kind, self.clock())

    def rests(self, token: str) -> bool:
        """Whether a link to a new password is of an account that rests; changes nothing.

        LinkEnded where the link no longer works.
        """
        return self._to_reset(token, self.clock()).state is State.DEACTIVATED

    def confirm(self, token: str, password: str, *, leaving: str = "") -> str:
        """Address and password are the account's own: it becomes active, and a session starts.

        WrongCredentials leaves the link as it was; LinkEnded where it no longer works.
        """
        now = self.clock()
        link = self.links.read(token, LinkKind.CONFIRM, now)
        self.attempts.take(CONFIRM_ATTEMPTS, link.target, now)
        account = self.store.account(link.target)
        match = self.passwords.match(account.password if account else None, password)
        if account is None or not match.right:
            raise WrongCredentials("This is not the password that the account was made with.")
        session, started = self.sessions.start(account, now)
        letters, wishes = self.choosing.letters(account, now)
        writes = [
            self.links.use(token, LinkKind.CONFIRM, now),
            self.store.confirm(account, now),
            *started,
            *wishes,
            *self.sessions.ended(leaving),
        ]
        self._once(lambda: writes)
        self._nudge(*letters)
        return session

    def forgot(self, email: str) -> None:
        """Mail a link to the address, whoever has it or not: the same items, the same calls."""
        claim = self.keyed.of("email", email_identity(email))
        now = self.clock()
        number, _ = window(now, FORGOT_WINDOW)
        account = self.store.account(self.store.owner(Claim.EMAIL, claim))
        message, write = self.outbox.message(
            "password_reset", fact=(claim, number), claim=claim, arguments={}, due=now, now=now
        )
        try:
            self.store.transact(
                self.links.make(message, LinkKind.RESET, claim, now, account=account),
                write,
                self.attempts.daily("reset", claim, RESETS_A_DAY, now),
            )
        except ConditionFailed:
            return  # a link of this window is on its way already, or enough of them this day
        self.outbox.nudge(message)

    def reset(self, token: str, password: str, *, leaving: str = "") -> str | None:
        """A new password by mail: every session ends, and one starts here.

        None where the account rests: it goes on resting until its owner says what becomes of it.
        """
        now = self.clock()
        account = self._to_reset(token, now)
        used = self.links.use(token, LinkKind.RESET, now)
        if account.state is State.DEACTIVATED:
            renewed = self.store.renew_password(account, self.passwords.hash(password))
            self._once(lambda: [renewed, used])
            return None
        return self._replace(account, password, now, used, *self.sessions.ended(leaving))

    def _to_reset(self, token: str, now: int) -> Account:
        """Whose password the link sets; LinkEnded once that has happened, or anything since."""
        link = self.links.read(token, LinkKind.RESET, now)
        account = self.store.account(self.store.owner(Claim.EMAIL, link.target))
        if account is None or account.state is State.ENDING or not link.was_mailed_to(account):
            raise LinkEnded
        return account

    def change_password(
        self, account_id: str, current: str, password: str, *, leaving: str = ""
    ) -> str:
        """A new password by the old one; WrongCredentials where that does not match."""
        now = self.clock()
        self.attempts.take(PASSWORD_ATTEMPTS, account_id, now)
        account = self.store.account(account_id)
        if account is None or not account.active:
            raise AccountGone
        if not self.passwords.match(account.password, current).right:
            raise WrongCredentials("This is not your present password.")
        given = self.attempts.give_back(PASSWORD_ATTEMPTS, account_id, now)
        return self._replace(account, password, now, given, *self.sessions.ended(leaving))

    def _replace(self, account: Account, password: str, now: int, *others: Write) -> str:
        """The new password, and a session; an account that it confirms starts with no choice made.

        Nobody has said yes from the mailbox before that.
        """
        fresh = replace(account, epoch=account.epoch + 1, state=State.ACTIVE)
        message, notice = self.outbox.message(
            "password_changed",
            fact=(account.id, fresh.epoch),
            account=account.id,
            arguments={},
            due=now,
            now=now,
        )
        session, started = self.sessions.start(fresh, now)
        verifier = self.passwords.hash(password)

        def writes() -> list[Write]:
            ended = [] if account.active else self.choosing.take_back(account)
            replaced = self.store.set_password(account, verifier, now)
            return [replaced, *started, notice, *ended, *others]

        self._once(writes)
        self._nudge(message)
        return session

    def _nudge(self, *messages: str) -> None:
        for message in messages:
            self.outbox.nudge(message)

    def _once(self, build: Callable[[], list[Write]]) -> None:
        try:
            self.choosing.vault.commit(build)
        except ConditionFailed as error:
            raise AccountGone from error
