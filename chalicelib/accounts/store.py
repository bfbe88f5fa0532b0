"""Keys and conditions of accounts, their claims, sessions, mail links and attempts.

| table | pk | sk | holds |
|---|---|---|---|
| accounts | `ACCOUNT#<id>` | `ACCOUNT` | the account |
| accounts | `EMAIL#<keyed hash>` | `EMAIL` | whose address it is, and when it was told |
| accounts | `LOGIN#<keyed hash>` | `LOGIN` | whose login name it is |
| usage | `SESSION#<keyed hash>` | `SESSION` | a signed-in browser |
| usage | `LINK#<keyed hash>` | `LINK` | a single-use mail link |
| usage | `RATE#<use>#<claim>#<window>` | `RATE` | attempts in a window |
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import Account, Link, LinkKind, Session, State
from chalicelib.core.clock import purge_at
from chalicelib.storage.dynamo import ABSENT, PRESENT, ConditionFailed

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item, Table, Write

VERSION = 1
NOBODY = "acc_nobody"
FACTS = ("subject", "email_claim", "login_claim", "password", "created_at", "epoch", "confirmed_at")


class Claim(StrEnum):
    EMAIL = "EMAIL"
    LOGIN = "LOGIN"


def to_account(item: Item) -> Account:
    return Account(
        id=item["pk"].removeprefix("ACCOUNT#"),
        state=State(item["state"]),
        decoy=item.get("decoy", False),
        **{name: item[name] for name in FACTS if name in item},
    )


class AccountStore:
    def __init__(self, accounts: Table, usage: Table) -> None:
        self.accounts, self.usage = accounts, usage

    def transact(self, *writes: Write) -> None:
        self.accounts.transact(*writes)

    # accounts and claims

    def account(self, account_id: str | None) -> Account | None:
        """One strong read, also where there is nobody to read."""
        item = self.accounts.get(f"ACCOUNT#{account_id or NOBODY}", "ACCOUNT")
        return to_account(item) if item else None

    def claim(self, kind: Claim, claim: str) -> Item | None:
        return self.accounts.get(f"{kind}#{claim}", kind)

    def owner(self, kind: Claim, claim: str) -> str | None:
        item = self.claim(kind, claim)
        return str(item["account"]) if item else None

    def put_account(self, account: Account) -> Write:
        item = {name: getattr(account, name) for name in FACTS}
        return self.accounts.put(
            {
                "pk": f"ACCOUNT#{account.id}", "sk": "ACCOUNT", "type": "account", "v": VERSION,
                "state": str(account.state), "decoy": account.decoy or None, **item,
            },
            ABSENT,
        )  # fmt: skip

    def put_claim(self, kind: Claim, claim: str, account: str) -> Write:
        return self.accounts.put(
            {
                "pk": f"{kind}#{claim}", "sk": str(kind), "type": f"{kind.lower()}_claim",
                "v": VERSION, "account": account,
            },
            ABSENT,
        )  # fmt: skip

    def tell_owner(self, standing: Item, day: str) -> Write:
        """Remember the day on which the owner of an address was told of a second registration.

        A put, because the claim of a new address is one too.
        """
        item = {**standing, "told_on": day}
        return self.accounts.put(item, "account = :account", {":account": standing["account"]})

    def check_active(self, account: str) -> Write:
        return self.accounts.check(
            f"ACCOUNT#{account}", "ACCOUNT", "#s = :active", {":active": str(State.ACTIVE)},
            names={"#s": "state"},
        )  # fmt: skip

    def confirm(self, account: Account, now: int) -> Write:
        """Unconfirmed becomes active, for a real account only."""
        return self.accounts.update(
            f"ACCOUNT#{account.id}",
            "ACCOUNT",
            "SET #s = :active, confirmed_at = :now",
            {":active": str(State.ACTIVE), ":unconfirmed": str(State.UNCONFIRMED), ":now": now},
            condition="#s = :unconfirmed AND attribute_not_exists(decoy)",
            names={"#s": "state"},
        )

    def set_password(self, account: Account, verifier: str, now: int) -> Write:
        """A new password: every session ends, and who could read the mail is confirmed by it."""
        return self.accounts.update(
            f"ACCOUNT#{account.id}",
            "ACCOUNT",
            "SET #s = :active, password = :new, epoch = :next, "
            "confirmed_at = if_not_exists(confirmed_at, :now)",
            {
                ":active": str(State.ACTIVE), ":seen": str(account.state), ":new": verifier,
                ":epoch": account.epoch, ":next": account.epoch + 1, ":now": now,
                ":old": account.password,
            },
            condition="#s = :seen AND epoch = :epoch AND password = :old "
            "AND attribute_not_exists(decoy)",
            names={"#s": "state"},
        )  # fmt: skip

    def upgrade_password(self, account: Account, verifier: str) -> Write:
        """The same password under stronger parameters; sessions stay."""
        return self.accounts.update(
            f"ACCOUNT#{account.id}",
            "ACCOUNT",
            "SET password = :new",
            {":new": verifier, ":old": account.password},
            condition="password = :old",
        )

    def raise_epoch(self, account: str) -> None:
        """Every session of the account is dead from here on."""
        self.accounts.apply(
            self.accounts.update(
                f"ACCOUNT#{account}", "ACCOUNT", "SET epoch = epoch + :one", {":one": 1},
                condition=PRESENT,
            )
        )  # fmt: skip

    # sessions

    def session(self, hashed: str) -> Session | None:
        item = self.usage.get(f"SESSION#{hashed}", "SESSION")
        if item is None:
            return None
        return Session(item["account"], item["epoch"], item["created_at"], item["ends_at"])

    def put_session(self, hashed: str, session: Session) -> Write:
        return self.usage.put(
            {
                "pk": f"SESSION#{hashed}", "sk": "SESSION", "type": "session", "v": VERSION,
                "account": session.account, "epoch": session.epoch,
                "created_at": session.created_at, "ends_at": session.ends_at,
                "purge_at": purge_at(session.ends_at),
            },
            ABSENT,
        )  # fmt: skip

    def delete_session(self, hashed: str) -> Write:
        return self.usage.delete(f"SESSION#{hashed}", "SESSION")

    # mail links

    def link(self, hashed: str) -> Link | None:
        item = self.usage.get(f"LINK#{hashed}", "LINK")
        if item is None:
            return None
        used = item.get("used_at") is not None
        return Link(LinkKind(item["kind"]), item["target"], item["ends_at"], used)

    def put_link(self, hashed: str, link: Link) -> Write:
        return self.usage.put(
            {
                "pk": f"LINK#{hashed}", "sk": "LINK", "type": "link", "v": VERSION,
                "kind": str(link.kind), "target": link.target, "ends_at": link.ends_at,
                "purge_at": purge_at(link.ends_at),
            },
            ABSENT,
        )  # fmt: skip

    def use_link(self, hashed: str, kind: LinkKind, now: int) -> Write:
        """The link works once, and not after its end."""
        return self.usage.update(
            f"LINK#{hashed}",
            "LINK",
            "SET used_at = :now",
            {":now": now, ":kind": str(kind)},
            condition="kind = :kind AND ends_at > :now AND attribute_not_exists(used_at)",
        )

    # attempts

    def take_attempt(self, key: str, limit: int, ends_at: int) -> bool:
        """Count one attempt; False once the window holds `limit` of them."""
        write = self.usage.update(
            f"RATE#{key}",
            "RATE",
            "SET #t = :type, v = :v, purge_at = :purge ADD n :one",
            {
                ":type": "rate",
                ":v": VERSION,
                ":purge": purge_at(ends_at),
                ":one": 1,
                ":limit": limit,
            },
            condition="attribute_not_exists(n) OR n < :limit",
            names={"#t": "type"},
        )  # fmt: skip
        try:
            self.usage.apply(write)
        except ConditionFailed:
            return False
        return True

    def give_back_attempt(self, key: str) -> Write:
        return self.usage.update(
            f"RATE#{key}", "RATE", "ADD n :minus", {":minus": -1}, condition=PRESENT
        )
