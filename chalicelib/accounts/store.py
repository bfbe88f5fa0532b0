"""Keys and conditions of accounts, their claims, mail links and attempts.

| table | pk | sk | holds |
|---|---|---|---|
| accounts | `ACCOUNT#<id>` | `ACCOUNT` | the account; in the index as one that waits or is active |
| accounts | `EMAIL#<keyed hash>` | `EMAIL` | whose address it is, and when it was told |
| accounts | `LOGIN#<keyed hash>` | `LOGIN` | whose login name it is |
| usage | `LINK#<keyed hash>` | `LINK` | a single-use mail link |
| usage | `RATE#<use>#<claim>#<window>` | `RATE` | attempts in a window |
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.accounts.items import (
    ENTER,
    SHARDS,
    UNCONFIRMED,
    VERSION,
    Claim,
    active_shard,
    from_account,
    placed,
    to_account,
    to_link,
)
from chalicelib.accounts.rules import NOBODY, Account, Link, LinkKind, State
from chalicelib.core.clock import due_key, purge_at
from chalicelib.storage.dynamo import ABSENT, PRESENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item, Table, Write

__all__ = ["SHARDS", "VERSION", "AccountStore", "Claim", "active_shard"]


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
        return self.accounts.put(from_account(account), ABSENT)

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
            f"SET #s = :active, confirmed_at = :now, {ENTER}",
            {
                ":active": str(State.ACTIVE), ":unconfirmed": str(State.UNCONFIRMED), ":now": now,
                **placed(account.id),
            },
            condition="#s = :unconfirmed AND attribute_not_exists(decoy)",
            names={"#s": "state"},
        )  # fmt: skip

    def set_password(self, account: Account, verifier: str, now: int) -> Write:
        """A new password: every session ends, and who could read the mail is confirmed by it.

        Refused for whoever has left or is leaving: a password brings nobody back.
        """
        return self.accounts.update(
            f"ACCOUNT#{account.id}",
            "ACCOUNT",
            "SET #s = :active, password = :new, epoch = :next, "
            f"confirmed_at = if_not_exists(confirmed_at, :now), {ENTER}",
            {
                ":active": str(State.ACTIVE), ":unconfirmed": str(State.UNCONFIRMED),
                ":seen": str(account.state), ":new": verifier,
                ":epoch": account.epoch, ":next": account.epoch + 1, ":now": now,
                ":old": account.password, **placed(account.id),
            },
            condition="#s = :seen AND #s IN (:active, :unconfirmed) AND epoch = :epoch "
            "AND password = :old AND attribute_not_exists(decoy)",
            names={"#s": "state"},
        )  # fmt: skip

    def renew_password(self, account: Account, verifier: str) -> Write:
        """A new password for whoever rests: links of before are dead, and it goes on resting."""
        return self.accounts.update(
            f"ACCOUNT#{account.id}",
            "ACCOUNT",
            "SET password = :new, epoch = :next",
            {
                ":new": verifier, ":old": account.password, ":epoch": account.epoch,
                ":next": account.epoch + 1, ":resting": str(State.DEACTIVATED),
            },
            condition="#s = :resting AND epoch = :epoch AND password = :old",
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

    # accounts that are active

    def active(self, shard: int, after: str = "") -> Iterator[str]:
        """Active accounts of a shard behind this one in the order of ids, as the index nominates.

        The index lags behind and never decides: whoever acts on an account reads it again.
        """
        found = self.accounts.index(
            "gsi1", "gsi1pk", f"ACTIVE#{shard}", range_name="gsi1sk", above=after or None
        )
        return (key.pk.removeprefix("ACCOUNT#") for key in found)

    def listed_active(self, account: str) -> bool:
        """Whether the index of active accounts names it; no row of anybody is read."""
        found = self.accounts.index(
            "gsi1", "gsi1pk", f"ACTIVE#{active_shard(account)}", range_name="gsi1sk",
            between=(account, account),
        )  # fmt: skip
        return any(found)

    def enter_index(self, account: str) -> None:
        """For an account that was active before there was the index; nothing once it has left."""
        with suppress(ConditionFailed):
            self.accounts.apply(
                self.accounts.update(
                    f"ACCOUNT#{account}", "ACCOUNT", f"SET {ENTER}",
                    {":active": str(State.ACTIVE), **placed(account)},
                    condition="#s = :active AND attribute_not_exists(gsi1pk)",
                    names={"#s": "state"},
                )
            )  # fmt: skip

    # accounts that rest or leave

    def rest(self, account: Account, now: int) -> Write:
        """Active becomes deactivated: every session ends, and it leaves the index."""
        return self.accounts.update(
            f"ACCOUNT#{account.id}", "ACCOUNT",
            "SET #s = :to, epoch = :next, deactivated_at = :now REMOVE gsi1pk, gsi1sk",
            {
                ":to": str(State.DEACTIVATED), ":from": str(State.ACTIVE), ":now": now,
                ":epoch": account.epoch, ":next": account.epoch + 1,
            },
            condition="#s = :from AND epoch = :epoch", names={"#s": "state"},
        )  # fmt: skip

    def wake(self, account: Account, verifier: str | None = None) -> Write:
        """Deactivated becomes active, in the index as before; with a verifier, under that."""
        return self.accounts.update(
            f"ACCOUNT#{account.id}", "ACCOUNT",
            f"SET #s = :to, epoch = :next, password = :password, {ENTER} REMOVE deactivated_at",
            {
                ":to": str(State.ACTIVE), ":from": str(State.DEACTIVATED),
                ":epoch": account.epoch, ":next": account.epoch + 1,
                ":password": account.password if verifier is None else verifier,
                **placed(account.id),
            },
            condition="#s = :from AND epoch = :epoch", names={"#s": "state"},
        )  # fmt: skip

    def depart(
        self, account: Account, now: int, its_own: frozenset[Claim] = frozenset(Claim)
    ) -> list[Write]:
        """It is ending for good, its sessions are dead and its names free: for one transaction.

        `its_own` are the names that it has; after a restore another may have them.
        """
        names = {Claim.LOGIN: account.login_claim, Claim.EMAIL: account.email_claim}
        freed = [
            self.release_claim(kind, claim, account.id)
            for kind, claim in names.items() if kind in its_own
        ]  # fmt: skip
        return [
            self.accounts.update(
                f"ACCOUNT#{account.id}", "ACCOUNT",
                "SET #s = :ending, epoch = :next, ending_since = :now REMOVE gsi1pk, gsi1sk",
                {
                    ":ending": str(State.ENDING), ":seen": str(account.state),
                    ":epoch": account.epoch, ":next": account.epoch + 1, ":now": now,
                    ":email": account.email_claim,
                },
                condition="#s = :seen AND epoch = :epoch AND email_claim = :email",
                names={"#s": "state"},
            ),
            *freed,
        ]  # fmt: skip

    def check_state(self, account: str, state: State) -> Write:
        return self.accounts.check(
            f"ACCOUNT#{account}", "ACCOUNT", "#s = :state", {":state": str(state)},
            names={"#s": "state"},
        )  # fmt: skip

    def standing(self, account: str) -> list[Write]:
        """The condition that a known account is as it is now; nothing where there is none."""
        found = self.account(account)
        return [self.check_state(account, found.state)] if found and found.known else []

    # accounts that nobody confirmed

    def unconfirmed(self, now: int) -> Iterator[str]:
        """Accounts whose time is over, as the index nominates them."""
        found = self.accounts.index(
            "gsi1", "gsi1pk", UNCONFIRMED, range_name="gsi1sk", up_to=due_key(now)
        )
        return (key.pk.removeprefix("ACCOUNT#") for key in list(found))

    def release(self, account: Account, now: int) -> list[Write]:
        """The unconfirmed account is ending, and its names are free: one transaction."""
        writes = [
            self.accounts.update(
                f"ACCOUNT#{account.id}", "ACCOUNT", "SET #s = :ending, ending_since = :now",
                {
                    ":ending": str(State.ENDING), ":unconfirmed": str(State.UNCONFIRMED),
                    ":now": now,
                },
                condition="#s = :unconfirmed", names={"#s": "state"},
            ),
            self.release_claim(Claim.LOGIN, account.login_claim, account.id),
        ]  # fmt: skip
        if not account.decoy:
            writes.append(self.release_claim(Claim.EMAIL, account.email_claim, account.id))
        return writes

    def release_claim(self, kind: Claim, claim: str, account: str) -> Write:
        """Free again, from this very account."""
        return self.accounts.delete(
            f"{kind}#{claim}", str(kind), "account = :account", {":account": account}
        )

    def forget(self, account: str) -> Write:
        """The last of an account that was released."""
        return self.accounts.delete(
            f"ACCOUNT#{account}", "ACCOUNT", "attribute_exists(ending_since)"
        )

    # mail links

    def link(self, hashed: str) -> Link | None:
        item = self.usage.get(f"LINK#{hashed}", "LINK")
        return to_link(item) if item else None

    def put_link(self, hashed: str, link: Link) -> Write:
        return self.usage.put(
            {
                "pk": f"LINK#{hashed}", "sk": "LINK", "type": "link", "v": VERSION,
                "kind": str(link.kind), "target": link.target, "ends_at": link.ends_at,
                "account": link.account, "epoch": link.epoch, "made_at": link.made_at,
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
        try:
            self.usage.apply(self.count(key, limit, ends_at))
        except ConditionFailed:
            return False
        return True

    def count(self, key: str, limit: int, ends_at: int) -> Write:
        """One more, for a transaction that is refused once the window holds `limit` of them."""
        return self.usage.update(
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

    def give_back_attempt(self, key: str) -> Write:
        return self.usage.update(
            f"RATE#{key}", "RATE", "ADD n :minus", {":minus": -1}, condition=PRESENT
        )
