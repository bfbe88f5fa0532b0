"""Signing in and out: opaque tokens in a cookie, kept only as keyed hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import email_identity, login_identity
from chalicelib.accounts.rules import (
    RESEND_WINDOW,
    SESSION_LIFE,
    Account,
    LinkKind,
    NotConfirmed,
    Session,
    WrongCredentials,
    admits,
    window,
)
from chalicelib.accounts.store import Claim
from chalicelib.core.ids import new_token
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.passwords import Match, Passwords
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.storage.dynamo import Write

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
LOGIN_ATTEMPTS = "login"


@dataclass(frozen=True, slots=True)
class Sessions:
    store: AccountStore
    outbox: Outbox
    links: Links
    passwords: Passwords
    attempts: Attempts
    keyed: KeyedHash
    clock: Clock

    def sign_in(self, name: str, password: str, *, leaving: str = "") -> str:
        """A new session's token; `leaving` is the one that the browser held until now.

        WrongCredentials for an unknown name and a wrong password alike, by the same calls;
        NotConfirmed once the password is right for a login name; TooMany after too many attempts
        with this name.
        """
        kind, claim = self._claim_of(name)
        now = self.clock()
        self.attempts.take(LOGIN_ATTEMPTS, claim, now)
        account = self.store.account(self.store.owner(kind, claim))
        match = self.passwords.match(account.password if account else None, password)
        if account is None or not match.right or not answers_to(kind, account):
            raise WrongCredentials
        if not account.active:
            self._send_again(account, now)
            raise NotConfirmed
        token, started = self.start(account, now)
        given = self.attempts.give_back(LOGIN_ATTEMPTS, claim, now)
        self.store.transact(started, given, *self._upgrade(account, match), *self.ended(leaving))
        return token

    def start(self, account: Account, now: int, *, epoch: int | None = None) -> tuple[str, Write]:
        """A session's token, and the write that makes it, for the caller's transaction."""
        token = new_token()
        since = account.epoch if epoch is None else epoch
        session = Session(account.id, since, now, now + SESSION_LIFE)
        return token, self.store.put_session(self._hashed(token), session)

    def account_of(self, token: str) -> Account | None:
        """Who is signed in by this token: at most two strong reads."""
        if not TOKEN.fullmatch(token):
            return None
        session = self.store.session(self._hashed(token))
        if session is None:
            return None
        account = self.store.account(session.account)
        return account if admits(session, account, self.clock()) else None

    def sign_out(self, token: str) -> None:
        for write in self.ended(token):
            self.store.transact(write)

    def sign_out_everywhere(self, account_id: str) -> None:
        self.store.raise_epoch(account_id)

    def ended(self, token: str) -> list[Write]:
        """What ends the session of a token, if it is one."""
        return [self.store.delete_session(self._hashed(token))] if TOKEN.fullmatch(token) else []

    def _claim_of(self, name: str) -> tuple[Claim, str]:
        """By which claim a person names the account; an impossible address is only unknown."""
        if "@" not in name:
            return Claim.LOGIN, self.keyed.of("login", login_identity(name))
        try:
            identity = email_identity(name)
        except ValueError:
            identity = name
        return Claim.EMAIL, self.keyed.of("email", identity)

    def _upgrade(self, account: Account, match: Match) -> list[Write]:
        return [self.store.upgrade_password(account, match.upgraded)] if match.upgraded else []

    def _send_again(self, account: Account, now: int) -> None:
        """The link to confirm, once more an hour; a decoy's goes to a claim that nobody has."""
        number, _ = window(now, RESEND_WINDOW)
        message, write = self.outbox.message(
            "confirm_address",
            fact=(account.id, number),
            claim=account.id if account.decoy else account.email_claim,
            arguments={},
            due=now,
            now=now,
        )
        try:
            self.store.transact(self.links.make(message, LinkKind.CONFIRM, account.id, now), write)
        except ConditionFailed:
            return  # this hour's link is on its way already
        self.outbox.nudge(message)

    def _hashed(self, token: str) -> str:
        return self.keyed.of("session", token)


def answers_to(kind: Claim, account: Account) -> bool:
    """Whether a person may be known by this name yet: by an address only once it is confirmed.

    Else whoever registers an address would learn here whether the account made was a decoy.
    """
    return kind is Claim.LOGIN or account.active
