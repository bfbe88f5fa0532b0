"""Accounts as items: what their row holds, and where it stands in the index.

An account stands in `gsi1` while it waits for its link, and while it is active; the write that
changes its state changes its place.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import Account, Link, LinkKind, State
from chalicelib.core.clock import due_key

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item

VERSION = 1
UNCONFIRMED = "UNCONFIRMED"  # the index partition of accounts that wait for their link
SHARDS = 4  # of the index of accounts that are active
ENTER = "gsi1pk = :shard, gsi1sk = :place"  # the index of active accounts; `placed` has the values
FACTS = (
    "subject", "email_claim", "login_claim", "password", "created_at", "epoch", "confirmed_at",
    "addressed_at", "opted_out_at",
)  # fmt: skip


class Claim(StrEnum):
    EMAIL = "EMAIL"
    LOGIN = "LOGIN"


def active_shard(account: str) -> int:
    return sum(account.encode()) % SHARDS


def placed(account: str) -> Item:
    """Values of `ENTER`: where an active account stands in the index, in the order of ids."""
    return {":shard": f"ACTIVE#{active_shard(account)}", ":place": account}


def first_place(account: Account) -> Item:
    """Where a new account stands in the index."""
    if account.active:
        place = placed(account.id)
        return {"gsi1pk": place[":shard"], "gsi1sk": place[":place"]}
    return {"gsi1pk": UNCONFIRMED, "gsi1sk": due_key(account.ends_at)}


def to_account(item: Item) -> Account:
    return Account(
        id=item["pk"].removeprefix("ACCOUNT#"),
        state=State(item["state"]),
        decoy=item.get("decoy", False),
        undone=tuple((since, until) for since, until in item.get("undone", ())),
        indexed="gsi1pk" in item,
        **{name: item[name] for name in FACTS if name in item},
    )


def from_account(account: Account) -> Item:
    return {
        "pk": f"ACCOUNT#{account.id}", "sk": "ACCOUNT", "type": "account", "v": VERSION,
        "state": str(account.state), "decoy": account.decoy or None,
        **{name: getattr(account, name) for name in FACTS}, **first_place(account),
    }  # fmt: skip


def to_link(item: Item) -> Link:
    used = item.get("used_at") is not None
    return Link(
        LinkKind(item["kind"]), item["target"], item["ends_at"], used,
        item.get("account"), item.get("epoch"), item.get("made_at", 0),
    )  # fmt: skip
