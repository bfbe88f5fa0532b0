"""When to look at which account next, in `accounts`: one row an account that has something to use.

| item | pk | sk | gsi1 while the account is looked at |
|---|---|---|---|
| when to look next | AGENDA#<account> | AGENDA | MORNINGS#<shard> / instant |
| how far licenses were walked | CURSOR#mail_planner | CURSOR | |

The index nominates whom it is morning for, so a run costs what is due and not what there is. A look
moves the row from the state that it read, in the transaction that writes the messages.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING

from chalicelib.core.clock import due_key
from chalicelib.mail.store import SHARDS
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.storage.dynamo import Item, Table, Write

ASLEEP = "attribute_not_exists(gsi1pk)"
AWAKE = "attribute_exists(gsi1pk)"
AS_READ = "looked_until = :since AND look_at = :was AND attribute_exists(gsi1pk)"


def shard_of(account: str) -> str:
    return f"MORNINGS#{sum(account.encode()) % SHARDS}"


@dataclass(frozen=True, slots=True)
class Agenda:
    """All up to `looked_until` was looked at; the next look is at `look_at`. Asleep: never."""

    account: str
    looked_until: int
    look_at: int
    awake: bool


class AgendaStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    def due(self, up_to: int) -> Iterator[tuple[str, int]]:
        """Accounts that the index nominates and since when, whoever has waited longest first.

        That is over all shards: a run that is cut short leaves nobody behind twice.
        """
        shards = (self._waiting(number, up_to) for number in range(SHARDS))
        return heapq.merge(*shards, key=itemgetter(1))

    def _waiting(self, shard: int, up_to: int) -> Iterator[tuple[str, int]]:
        found = self.table.index(
            "gsi1", "gsi1pk", f"MORNINGS#{shard}", range_name="gsi1sk", up_to=due_key(up_to)
        )
        return ((key.pk.removeprefix("AGENDA#"), int(key.place)) for key in found)

    def agenda(self, account: str) -> Agenda | None:
        item = self.table.get(f"AGENDA#{account}", "AGENDA")
        if item is None:
            return None
        return Agenda(account, item["looked_until"], item["look_at"], "gsi1pk" in item)

    def wake(self, account: str, now: int) -> bool:
        """Have the account looked at from now on; False where it is already."""
        values = {":now": now, **self._place(account, now), ":type": "agenda", ":one": 1}
        write = self._update(
            account,
            "SET #type = :type, v = :one, looked_until = :now, look_at = :now,"
            " gsi1pk = :shard, gsi1sk = :index",
            values, ASLEEP,
        )  # fmt: skip
        try:
            self.table.apply(write)
        except ConditionFailed:
            return False
        return True

    def look_at(self, account: str, at: int) -> bool:
        """Look at that instant instead: mornings are elsewhere now. False where it is asleep."""
        update = "SET look_at = :at, gsi1sk = :index"
        values = {":at": at, ":index": due_key(at)}
        try:
            self.table.apply(self._update(account, update, values, AWAKE))
        except ConditionFailed:
            return False
        return True

    def move(self, seen: Agenda, looked_until: int, look_at: int) -> Write:
        """The look is done; ConditionFailed where somebody else did it."""
        update = "SET looked_until = :until, look_at = :next, gsi1sk = :index"
        values = {":until": looked_until, ":next": look_at, ":index": due_key(look_at)}
        return self._update(seen.account, update, {**values, **as_read(seen)}, AS_READ)

    def sleep(self, seen: Agenda) -> Write:
        """Nothing of the account is looked at any more, until it is woken."""
        return self._update(seen.account, "REMOVE gsi1pk, gsi1sk", as_read(seen), AS_READ)

    def cursor(self) -> str:
        """Where the walk over the licenses goes on; "" at their beginning."""
        item = self.table.get("CURSOR#mail_planner", "CURSOR")
        return str(item["after"]) if item else ""

    def move_cursor(self, after: str) -> None:
        """The last one written counts: two walks at once only walk some stretch twice."""
        item: Item = {"pk": "CURSOR#mail_planner", "sk": "CURSOR", "type": "cursor", "v": 1}
        self.table.apply(self.table.put({**item, "after": after}))

    def _place(self, account: str, at: int) -> Item:
        return {":shard": shard_of(account), ":index": due_key(at)}

    def _update(self, account: str, update: str, values: Item, condition: str) -> Write:
        names = {"#type": "type"} if "#type" in update else {}
        return self.table.update(
            f"AGENDA#{account}", "AGENDA", update, values, condition=condition, names=names
        )


def as_read(seen: Agenda) -> Item:
    return {":since": seen.looked_until, ":was": seen.look_at}
