"""That it is the owner who asks: the password again, or a link that was mailed to the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.recovery import PASSWORD_ATTEMPTS
from chalicelib.accounts.rules import LinkEnded, LinkKind, State, WrongCredentials
from chalicelib.accounts.sessions import LOGIN_ATTEMPTS
from chalicelib.accounts.store import Claim

if TYPE_CHECKING:
    from chalicelib.accounts.attempts import Attempts
    from chalicelib.accounts.links import Links
    from chalicelib.accounts.passwords import Passwords
    from chalicelib.accounts.rules import Account
    from chalicelib.accounts.sessions import Sessions
    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.clock import Clock
    from chalicelib.storage.dynamo import Write


@dataclass(frozen=True, slots=True)
class Proving:
    accounts: AccountStore
    passwords: Passwords
    attempts: Attempts
    links: Links
    sessions: Sessions
    clock: Clock

    def by_password(self, account_id: str, password: str) -> Write:
        """What to write with the act; WrongCredentials, or TooMany after too many tries."""
        now = self.clock()
        self.attempts.take(PASSWORD_ATTEMPTS, account_id, now)
        account = self.accounts.account(account_id)
        if account is None or not self.passwords.match(account.password, password).right:
            raise WrongCredentials("This is not your password.")
        return self.attempts.give_back(PASSWORD_ATTEMPTS, account_id, now)

    def resting(self, name: str, password: str) -> Account:
        """The deactivated account of this name and password; WrongCredentials for any other."""
        kind, claim = self.sessions.claim_of(name)
        self.attempts.take(LOGIN_ATTEMPTS, claim, self.clock())
        account = self.accounts.account(self.accounts.owner(kind, claim))
        match = self.passwords.match(account.password if account else None, password)
        if account is None or not match.right or account.state is not State.DEACTIVATED:
            raise WrongCredentials("No deactivated account has this name and this password.")
        return account

    def by_link(self, token: str) -> Account:
        """Whose address the link was mailed to; LinkEnded otherwise. Changes nothing.

        It dies like any other: by a new password, a sign-out everywhere, another address.
        """
        link = self.links.read(token, LinkKind.RIGHTS, self.clock())
        account = self.accounts.account(self.accounts.owner(Claim.EMAIL, link.target))
        if account is None or not account.known or not link.was_mailed_to(account):
            raise LinkEnded
        return account

    def use(self, token: str) -> Write:
        return self.links.use(token, LinkKind.RIGHTS, self.clock())
