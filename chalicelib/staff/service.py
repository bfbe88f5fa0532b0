"""Staff: who is added and ended by the operator's command, and their signing in and out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.fields import login_identity
from chalicelib.core.errors import TooMany
from chalicelib.core.ids import new_id, new_token
from chalicelib.privacy.rules import Entry, Event, Purpose
from chalicelib.staff.rules import (
    SESSION_LIFE,
    Member,
    NobodyOfThatName,
    Role,
    StaffNameTaken,
    StaffSession,
    State,
    TooManyTries,
    WrongStaffCredentials,
    admits,
)
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.service import Vault
    from chalicelib.staff.store import StaffStore
    from chalicelib.storage.dynamo import Write

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
ATTEMPTS = "staff"


@dataclass(frozen=True, slots=True)
class Staff:
    store: StaffStore
    passwords: Passwords
    attempts: Attempts
    ledger: Ledger
    vault: Vault
    keyed: KeyedHash
    clock: Clock

    def add(self, name: str, password: str, roles: Iterable[Role]) -> Member:
        """A new member; StaffNameTaken where the name is somebody's."""
        now = self.clock()
        member = Member(
            id=new_id("stf"),
            name_claim=self._claim(name),
            password=self.passwords.hash(password),
            roles=frozenset(roles),
            state=State.ACTIVE,
            epoch=0,
            created_at=now,
        )
        entry = Entry(Event.STAFF_ADDED, reason="command:staff")
        begun = self.ledger.begin(member.id, [entry], now)
        try:
            self.store.transact(self.store.put_member(member), self.store.put_name(member), *begun)
        except ConditionFailed:
            raise StaffNameTaken from None
        return member

    def address(self, name: str, email: str) -> Member:
        """Seal the address that they are written to; NobodyOfThatName where nobody is.

        It replaces the one before. ValueError where it is no address.
        """
        from chalicelib.accounts.fields import normal_email

        member, normal = self._here(name), normal_email(email)
        self.vault.commit(
            lambda: [
                self.store.mailed(member.id),
                *self.vault.collect_alone(
                    member.id, Purpose.STAFF, {"email": normal}, "command:staff-email"
                ),
            ]
        )
        return member

    def end(self, name: str) -> Member:
        """Somebody leaves: their address is erased, keys first, and they are signed out at once.

        NobodyOfThatName where nobody does. A death in between leaves somebody without an address,
        whom the same command ends.
        """
        member = self._here(name)
        self.vault.erase(member.id)
        now = self.clock()
        entry = Entry(Event.STAFF_ENDED, reason="command:staff-end")
        self.ledger.commit(
            lambda: [
                self.store.end(member, now),
                self.store.free_name(member),
                *self.ledger.append(member.id, [entry], now),
            ]
        )
        return member

    def sign_in(self, name: str, password: str, *, leaving: str = "") -> str:
        """A new session's token; `leaving` is the one that the browser held until now.

        WrongStaffCredentials for an unknown name and a wrong password alike, by the same calls;
        TooManyTries after too many attempts with this name. Each success is in the ledger.
        """
        claim, now = self._claim(name), self.clock()
        self._take(claim, now)
        member = self.store.member(self.store.owner(claim))
        match = self.passwords.match(member.password if member else None, password)
        if member is None or not match.right or not member.active:
            raise WrongStaffCredentials
        token = new_token()
        session = StaffSession(member.id, member.epoch, now + SESSION_LIFE)
        entry = Entry(Event.STAFF_SIGNED_IN, reason="page:/staff/login")
        self.ledger.commit(
            lambda: [
                self.store.put_session(self._hashed(token), session),
                self.attempts.give_back(ATTEMPTS, claim, now),
                *self._ended(leaving),
                *self.ledger.append(member.id, [entry], now),
            ]
        )
        return token

    def of(self, token: str) -> Member | None:
        """Who is signed in by this token: at most two strong reads."""
        if not TOKEN.fullmatch(token):
            return None
        session = self.store.session(self._hashed(token))
        if session is None:
            return None
        member = self.store.member(session.member)
        return member if member and admits(session, member, self.clock()) else None

    def sign_out(self, token: str) -> None:
        for write in self._ended(token):
            self.store.transact(write)

    def took(self, member_id: str, what: str) -> None:
        """They take figures out: a row on their own ledger, before anything leaves."""
        self.ledger.record(member_id, Entry(Event.OPERATED, reason=what), self.clock())

    def _here(self, name: str) -> Member:
        member = self.store.member(self.store.owner(self._claim(name)))
        if member is None:
            raise NobodyOfThatName
        return member

    def _ended(self, token: str) -> list[Write]:
        return [self.store.delete_session(self._hashed(token))] if TOKEN.fullmatch(token) else []

    def _take(self, claim: str, now: int) -> None:
        try:
            self.attempts.take(ATTEMPTS, claim, now)
        except TooMany as error:
            raise TooManyTries(int(error.headers["Retry-After"])) from None

    def _claim(self, name: str) -> str:
        return self.keyed.of("staff-name", login_identity(name))

    def _hashed(self, token: str) -> str:
        return self.keyed.of("staff-session", token)
