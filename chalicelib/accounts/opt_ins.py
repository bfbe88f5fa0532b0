"""Wishes that count only once they were said again from the mailbox itself (double opt-in).

A wish is a row of its own until then: it grants nothing, and the sweep deletes it at its end. And
that a browser's own no was heard, which is a fact of the account.

| table | pk | sk | holds | index `gsi1` |
|---|---|---|---|---|
| accounts | `OPTIN#<account>` | `<purpose>` | a yes that waits for its link | `OPT_INS` / end |
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.accounts.rules import State
from chalicelib.accounts.store import VERSION
from chalicelib.core.clock import due_key
from chalicelib.privacy.rules import Purpose
from chalicelib.storage.dynamo import PRESENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chalicelib.accounts.rules import Account
    from chalicelib.storage.dynamo import Table, Write

OPT_INS = "OPT_INS"
PREFIX = "OPTIN#"


class OptIns:
    def __init__(self, accounts: Table) -> None:
        self.accounts = accounts

    def begin(self, account: str, purposes: Iterable[Purpose], ends_at: int) -> list[Write]:
        """The wishes of a new account, for as long as it may stay unconfirmed."""
        return [self.ask(account, purpose, ends_at) for purpose in purposes]

    def ask(self, account: str, purpose: Purpose, ends_at: int) -> Write:
        """The wish, until its link ends; in the place of an older one."""
        return self.accounts.put(
            {
                "pk": f"{PREFIX}{account}", "sk": str(purpose), "type": "opt_in", "v": VERSION,
                "gsi1pk": OPT_INS, "gsi1sk": due_key(ends_at),
            }
        )  # fmt: skip

    def waiting(self, account: str) -> list[Purpose]:
        return [Purpose(item["sk"]) for item in self.accounts.query(f"{PREFIX}{account}")]

    def forget(self, account: str, purpose: Purpose) -> Write:
        """No such wish any more, whether there was one or not."""
        return self.accounts.delete(f"{PREFIX}{account}", str(purpose))

    def fulfill(self, account: str, purpose: Purpose) -> Write:
        """The wish was said again; refused where it does not wait any more."""
        return self.accounts.delete(f"{PREFIX}{account}", str(purpose), PRESENT)

    def check_addressed(self, account: Account) -> Write:
        """Still active, and at the address that was just read."""
        return self.accounts.check(
            f"ACCOUNT#{account.id}", "ACCOUNT", "#s = :active AND email_claim = :claim",
            {":active": str(State.ACTIVE), ":claim": account.email_claim}, names={"#s": "state"},
        )  # fmt: skip

    def heard_opt_out(self, account: Account, now: int) -> None:
        """Remembers that a browser's own no was taken, so that it is taken once."""
        self.accounts.apply(
            self.accounts.update(
                f"ACCOUNT#{account.id}", "ACCOUNT",
                "SET opted_out_at = if_not_exists(opted_out_at, :now)", {":now": now},
                condition=PRESENT,
            )
        )  # fmt: skip

    def due(self, now: int) -> Iterator[str]:
        """Accounts with a wish whose time is over, as the index nominates them."""
        found = self.accounts.index(
            "gsi1", "gsi1pk", OPT_INS, range_name="gsi1sk", up_to=due_key(now)
        )
        return iter(sorted({key.pk.removeprefix(PREFIX) for key in found}))

    def lapse(self, account: str, now: int) -> bool:
        """Those whose time is over are gone; False where there was none."""
        ended = [
            item for item in self.accounts.query(f"{PREFIX}{account}")
            if item["gsi1sk"] <= due_key(now)
        ]  # fmt: skip
        for item in ended:
            seen = {":seen": item["gsi1sk"]}
            with suppress(ConditionFailed):  # asked for again meanwhile
                self.accounts.apply(
                    self.accounts.delete(item["pk"], item["sk"], "gsi1sk = :seen", seen)
                )
        return bool(ended)
