"""Signing in and out: opaque tokens in a cookie, kept only as keyed hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import email_identity, login_identity
from chalicelib.accounts.rules import (
    RESEND_WINDOW,
    RESENDS_A_DAY,
    SESSION_LIFE,
    Account,
    AccountGone,
    Deactivated,
    LinkKind,
    NotConfirmed,
    Session,
    State,
    WrongCredentials,
    admits,
    window,
)
from chalicelib.accounts.store import Claim
from chalicelib.core.clock import day_of
from chalicelib.core.errors import NotFound, Unavailable
from chalicelib.core.ids import new_token
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.passwords import Match, Passwords
    from chalicelib.accounts.session_store import SessionStore
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.outbox import Outbox
    from chalicelib.storage.dynamo import Write

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
LOGIN_ATTEMPTS = "login"
TRIES = 4


@dataclass(frozen=True, slots=True)
class Held:
    """Who is signed in, and by which session."""

    account: Account
    session: Session
    hashed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A session as its account's page shows it: `here` is the browser that looks at the page."""

    name: str
    started_at: int
    used_on: str
    here: bool


@dataclass(frozen=True, slots=True)
class Sessions:
    store: AccountStore
    kept: SessionStore
    outbox: Outbox
    links: Links
    passwords: Passwords
    attempts: Attempts
    keyed: KeyedHash
    clock: Clock

    def sign_in(self, name: str, password: str, *, leaving: str = "") -> str:
        """A new session's token; `leaving` is the one that the browser held until now.

        WrongCredentials for an unknown name and a wrong password alike, by the same calls;
        NotConfirmed once the password is right for a login name, Deactivated where the account
        rests; TooMany after too many attempts with this name.
        """
        kind, claim = self.claim_of(name)
        now = self.clock()
        self.attempts.take(LOGIN_ATTEMPTS, claim, now)
        account = self.store.account(self.store.owner(kind, claim))
        match = self.passwords.match(account.password if account else None, password)
        if account is None or not match.right or not answers_to(kind, account):
            raise WrongCredentials
        if account.state is State.DEACTIVATED:
            raise Deactivated
        if not account.active:
            self._send_again(account, now)
            raise NotConfirmed
        token, started = self.start(account, now)
        given = self.attempts.give_back(LOGIN_ATTEMPTS, claim, now)
        self.store.transact(*started, given, *self._upgrade(account, match), *self.ended(leaving))
        if not account.indexed:  # confirmed before there was an index of active accounts
            self.store.enter_index(account.id)
        return token

    def start(
        self, account: Account, now: int, *, epoch: int | None = None
    ) -> tuple[str, list[Write]]:
        """A session's token, and the writes that make it, for the caller's transaction."""
        token = new_token()
        since = account.epoch if epoch is None else epoch
        session = Session(account.id, since, now, now + SESSION_LIFE, day_of(now))
        return token, self.kept.put_session(self._hashed(token), session)

    def account_of(self, token: str) -> Account | None:
        """Who is signed in by this token: at most two strong reads."""
        found = self.held(token)
        return found.account if found else None

    def held(self, token: str) -> Held | None:
        """The account and the session of this token, if it admits."""
        if not TOKEN.fullmatch(token):
            return None
        hashed = self._hashed(token)
        session = self.kept.session(hashed)
        if session is None:
            return None
        account = self.store.account(session.account)
        if account is None or not admits(session, account, self.clock()):
            return None
        return Held(account, session, hashed)

    # the account's list of them

    def used(self, held: Held) -> None:
        """Remembers the day, once a day."""
        day = day_of(self.clock())
        if held.session.used_on != day:
            self.kept.use_session(held.hashed, held.session, day)

    def listed(self, here: str, before: str | None, limit: int) -> tuple[list[Listed], str | None]:
        """A page of the live sessions of whose this one is, newest first, and where to go on.

        `here` is the token of the browser that asks; AccountGone where it admits nobody any more.
        """
        held = self.held(here)
        if held is None:
            raise AccountGone
        found = list(islice(self._live(held, before), limit + 1))
        return found[:limit], found[limit - 1].name if len(found) > limit else None

    def _live(self, held: Held, before: str | None) -> Iterator[Listed]:
        now = self.clock()
        for name, hashed in self.kept.sessions_of(held.account.id, before):
            session = self.kept.session(hashed)
            if session and admits(session, held.account, now):
                yield Listed(name, session.created_at, session.used_on, hashed == held.hashed)

    def end_one(self, account_id: str, name: str) -> None:
        """NotFound where the account has no such session, whoever else may have it."""
        hashed = self.kept.session_named(account_id, name)
        if hashed is None:
            raise NotFound
        self.kept.end_session(account_id, name, hashed)

    def end_others(self, here: str) -> None:
        """Every other session of the account is dead at once; AccountGone where this one is."""
        for _ in range(TRIES):
            held = self.held(here)
            if held is None:
                raise AccountGone
            try:
                self.kept.keep_session(held.account, held.hashed)
            except ConditionFailed:
                continue
            return
        raise Unavailable

    def sign_out(self, token: str) -> None:
        for write in self.ended(token):
            self.store.transact(write)

    def sign_out_everywhere(self, account_id: str) -> None:
        self.store.raise_epoch(account_id)

    def ended(self, token: str) -> list[Write]:
        """What ends the session of a token, if it is one."""
        return [self.kept.delete_session(self._hashed(token))] if TOKEN.fullmatch(token) else []

    def claim_of(self, name: str) -> tuple[Claim, str]:
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
        """The link to confirm, once more an hour and three times a day, while it can still work.

        A decoy's goes to a claim that nobody has.
        """
        if not account.may_still_confirm(now):
            return
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
            self.store.transact(
                self.links.make(message, LinkKind.CONFIRM, account.id, now),
                write,
                self.attempts.daily("resend", account.id, RESENDS_A_DAY, now),
            )
        except ConditionFailed:
            return  # this hour's link is on its way already, or enough of them this day
        self.outbox.nudge(message)

    def _hashed(self, token: str) -> str:
        return self.keyed.of("session", token)


def answers_to(kind: Claim, account: Account) -> bool:
    """Whether a person may be known by this name yet: by an address only once it is confirmed.

    Else whoever registers an address would learn here whether the account made was a decoy.
    """
    return kind is Claim.LOGIN or account.known
