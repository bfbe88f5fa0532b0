"""Attempts at a password, limited per name that is tried, known or not.

The limit ends by itself with its window and never touches mailed links, so nobody is locked out
for good, and a stranger who uses it up cannot keep the owner out. What is mailed to one address is
limited by the day in the same way: links that were mailed work on while no more are sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import ATTEMPT_WINDOW, ATTEMPTS, window
from chalicelib.core.clock import DAY, SECOND
from chalicelib.core.errors import TooMany

if TYPE_CHECKING:
    from chalicelib.accounts.store import AccountStore
    from chalicelib.storage.dynamo import Write


@dataclass(frozen=True, slots=True)
class Attempts:
    store: AccountStore

    def take(self, use: str, name: str, now: int) -> None:
        """Count one attempt; TooMany, with the seconds to wait, once the window is full."""
        _, left = window(now, ATTEMPT_WINDOW)
        if not self.store.take_attempt(key(use, name, now), ATTEMPTS, now + left):
            raise TooManyAttempts(-(-left // SECOND))

    def daily(self, use: str, name: str, limit: int, now: int) -> Write:
        """One more of what the name may have `limit` of in a day (UTC), for a transaction."""
        number, left = window(now, DAY)
        return self.store.count(f"{use}#{name}#{number}", limit, now + left)

    def give_back(self, use: str, name: str, now: int) -> Write:
        """A right password costs nothing; for the transaction that signs in."""
        return self.store.give_back_attempt(key(use, name, now))


class TooManyAttempts(TooMany):
    code = "too_many_attempts"
    detail = "There were too many attempts with this name. Wait, or use a link by mail instead."


def key(use: str, name: str, now: int) -> str:
    number, _ = window(now, ATTEMPT_WINDOW)
    return f"{use}#{name}#{number}"
