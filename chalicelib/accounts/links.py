"""Single-use mail links, which neither the outbox nor the table can open.

The token is derived from the message that carries it, and only its keyed hash is stored. Both are
made by a key that those alone read who make, mail or open links: it is as good as any mailbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import LINK_LIFE, NOBODY, Account, Link, LinkEnded, LinkKind
from chalicelib.mail.links import link_hash, link_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.accounts.store import AccountStore
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.storage.dynamo import Write


@dataclass(frozen=True, slots=True)
class Links:
    store: AccountStore
    keyed: Callable[[], KeyedHash]

    def make(
        self, message_id: str, kind: LinkKind, target: str, now: int, *,
        account: Account | None = None, life: int = LINK_LIFE,
    ) -> Write:  # fmt: skip
        """The link that this message will carry, for the transaction that writes the message.

        With `account` it ends when that account's epoch rises.
        """
        token = link_token(self.keyed(), message_id)
        link = Link(
            kind, target, now + life, account=account.id if account else NOBODY,
            epoch=account.epoch if account else 0, made_at=now,
        )  # fmt: skip
        return self.store.put_link(self.hashed(token), link)

    def read(self, token: str, kind: LinkKind, now: int) -> Link:
        """The link, still open; LinkEnded otherwise."""
        link = self.store.link(self.hashed(token))
        if link is None or not link.open(kind, now):
            raise LinkEnded
        return link

    def use(self, token: str, kind: LinkKind, now: int) -> Write:
        return self.store.use_link(self.hashed(token), kind, now)

    def hashed(self, token: str) -> str:
        return link_hash(self.keyed(), token)
