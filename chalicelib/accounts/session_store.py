"""Keys and conditions of signed-in browsers: each session, and its place in its account's list.

| table | pk | sk | holds |
|---|---|---|---|
| usage | `SESSION#<keyed hash>` | `SESSION` | a signed-in browser |
| usage | `SESSIONS#<account>` | `<start>_<derived id>` | where a session of the account is |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.accounts.items import VERSION
from chalicelib.accounts.rules import Session
from chalicelib.core.clock import purge_at
from chalicelib.storage.dynamo import ABSENT, PRESENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.accounts.rules import Account
    from chalicelib.storage.dynamo import Table, Write


class SessionStore:
    """`accounts` is for the epoch, under which alone a session admits."""

    def __init__(self, accounts: Table, usage: Table) -> None:
        self.accounts, self.usage = accounts, usage

    def session(self, hashed: str) -> Session | None:
        item = self.usage.get(f"SESSION#{hashed}", "SESSION")
        if item is None:
            return None
        facts = (item["account"], item["epoch"], item["created_at"], item["ends_at"])
        return Session(*facts, used_on=item.get("used_on", ""))

    def put_session(self, hashed: str, session: Session) -> list[Write]:
        """The session, and its place in its account's list."""
        item = {
            "pk": f"SESSION#{hashed}", "sk": "SESSION", "type": "session", "v": VERSION,
            "account": session.account, "epoch": session.epoch,
            "created_at": session.created_at, "ends_at": session.ends_at,
            "used_on": session.used_on, "purge_at": purge_at(session.ends_at),
        }  # fmt: skip
        return [self.usage.put(item, ABSENT), self._listed(hashed, session)]

    def _listed(self, hashed: str, session: Session) -> Write:
        """It says where the session is and nothing of it, so that the two never disagree."""
        return self.usage.put(
            {
                "pk": f"SESSIONS#{session.account}", "sk": session.name(hashed),
                "type": "session_listed", "v": VERSION, "session": hashed,
                "purge_at": purge_at(session.ends_at),
            }
        )  # fmt: skip

    def delete_session(self, hashed: str) -> Write:
        return self.usage.delete(f"SESSION#{hashed}", "SESSION")

    def use_session(self, hashed: str, session: Session, day: str) -> None:
        """Remembers the day; one that was started before there was a list is listed now."""
        used = self.usage.update(
            f"SESSION#{hashed}", "SESSION", "SET used_on = :day", {":day": day}, condition=PRESENT
        )
        try:
            self.usage.transact(used, self._listed(hashed, session))
        except ConditionFailed:
            return  # signed out by this very request

    def sessions_of(self, account: str, before: str | None) -> Iterator[tuple[str, str]]:
        """Name and keyed hash of each, newest first; some may have ended."""
        pk = f"SESSIONS#{account}"
        for item in self.usage.query(pk, below=before, forward=False, limit=50):
            yield item["sk"], item["session"]

    def session_named(self, account: str, name: str) -> str | None:
        item = self.usage.get(f"SESSIONS#{account}", name)
        return str(item["session"]) if item else None

    def end_session(self, account: str, name: str, hashed: str) -> None:
        listed = self.usage.delete(f"SESSIONS#{account}", name)
        self.usage.transact(self.delete_session(hashed), listed)

    def keep_session(self, account: Account, hashed: str) -> None:
        """Every session of the account but one is dead from here on."""
        numbers = {":was": account.epoch, ":next": account.epoch + 1}
        self.usage.transact(
            self.accounts.update(
                f"ACCOUNT#{account.id}", "ACCOUNT", "SET epoch = :next", numbers,
                condition="epoch = :was",
            ),
            self.usage.update(
                f"SESSION#{hashed}", "SESSION", "SET epoch = :next", numbers,
                condition="epoch = :was",
            ),
        )  # fmt: skip
