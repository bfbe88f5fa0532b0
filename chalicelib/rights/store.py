"""Rows of those who leave, in `accounts`: how far they are, their tombstone, the fiscal minimum.

In `keys`, which is in no backup, one more word of each who was erased, and of each who rests: a
restore cannot undo it.

| item | pk | sk | gsi1 |
|---|---|---|---|
| on the way out, or back | `ACCOUNT#<id>` | `LEAVING` | `LEAVING_DUE` / due, while there is work |
| tombstone of an erased account | `ACCOUNT#<id>` | `ERASED` | |
| that the keys of an account were ended, in `keys` | `ERASED` | `ACCOUNT#<id>` | |
| that an account rests, while its keys are on hold, in `keys` | `RESTS` | `ACCOUNT#<id>` | |
| key of what the law keeps of a payer | `FISCAL#<account>` | `KEY` | `FISCAL_ENDS` / end |
| what the law keeps, sealed | `FISCAL#<account>` | `SEALED` | |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import due_key
from chalicelib.core.ids import derived_id
from chalicelib.privacy.rules import Purpose
from chalicelib.privacy.store import Grant
from chalicelib.rights.rules import FISCAL_PREFIX, Kind, Leaving, Stage
from chalicelib.storage.dynamo import ABSENT, PRESENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.privacy.store import Kept
    from chalicelib.storage.dynamo import Item, Table, Write

DUE, FISCAL_ENDS = "LEAVING_DUE", "FISCAL_ENDS"
ERASED, RESTS = "ERASED", "RESTS"


class LeavingStore:
    def __init__(self, accounts: Table, keys: Table) -> None:
        self.accounts, self.keys = accounts, keys

    def leaving(self, account: str) -> Leaving | None:
        item = self.accounts.get(f"ACCOUNT#{account}", "LEAVING")
        return to_leaving(item) if item else None

    def due(self, now: int) -> Iterator[str]:
        """Accounts with something to do, as the index nominates them."""
        found = self.accounts.index(
            "gsi1", "gsi1pk", DUE, range_name="gsi1sk", up_to=due_key(now)
        )  # fmt: skip
        return (key.pk.removeprefix("ACCOUNT#") for key in list(found))

    def put(self, leaving: Leaving, before: Leaving | None) -> Write:
        """In place of the one that was read; refused where another came in between."""
        item = {
            "pk": f"ACCOUNT#{leaving.account}", "sk": "LEAVING", "type": "leaving", "v": 1,
            "leaving": str(leaving.kind), "stage": str(leaving.stage), "asked_at": leaving.asked_at,
            "due": leaving.due, "canceled": set(leaving.canceled) or None,
            "reason": leaving.reason or None,
            "gsi1pk": DUE, "gsi1sk": due_key(leaving.due),
        }  # fmt: skip
        if before is None:
            return self.accounts.put(item, ABSENT)
        condition, values = as_read(before)
        return self.accounts.put(item, condition, values)

    def turn_back(self, before: Leaving, now: int) -> Write:
        """What rests, or was being put to rest, is taken up again; what it canceled stays known."""
        condition, values = as_read(before)
        return self.accounts.update(
            f"ACCOUNT#{before.account}", "LEAVING",
            "SET leaving = :back, stage = :running, asked_at = :now, due = :now, "
            "gsi1pk = :index, gsi1sk = :due",
            {
                **values, ":back": str(Kind.REACTIVATION), ":running": str(Stage.RUNNING),
                ":now": now, ":index": DUE, ":due": due_key(now),
            },
            condition=condition,
        )  # fmt: skip

    def begin(self, leaving: Leaving, now: int) -> Write:
        """The cooling-off is over, and nobody stopped it: from here on there is no way back."""
        return self.accounts.update(
            f"ACCOUNT#{leaving.account}", "LEAVING", "SET stage = :running",
            {
                ":running": str(Stage.RUNNING), ":waiting": str(Stage.WAITING), ":now": now,
                ":kind": str(Kind.ERASURE),
            },
            condition="leaving = :kind AND stage = :waiting AND due <= :now",
        )  # fmt: skip

    def stop(self, leaving: Leaving) -> Write:
        """Planned no more; refused once it has begun."""
        values = {":kind": str(Kind.ERASURE), ":waiting": str(Stage.WAITING)}
        return self._delete(leaving, "leaving = :kind AND stage = :waiting", values)

    def stands(self, leaving: Leaving) -> Write:
        """A condition: what was read is what goes on."""
        condition, values = as_read(leaving)
        return self.accounts.check(f"ACCOUNT#{leaving.account}", "LEAVING", condition, values)

    def none(self, account: str) -> Write:
        """A condition: it is neither on its way out nor back."""
        return self.accounts.check(f"ACCOUNT#{account}", "LEAVING", ABSENT)

    def will_cancel(self, leaving: Leaving, license_id: str) -> None:
        """Remembered before it is done, so that coming back can undo it."""
        condition, values = as_read(leaving)
        self.accounts.apply(
            self.accounts.update(
                f"ACCOUNT#{leaving.account}", "LEAVING", "ADD canceled :these",
                {**values, ":these": {license_id}}, condition=condition,
            )
        )  # fmt: skip

    def rest(self, leaving: Leaving) -> Write:
        """Nothing is left to do until its owner comes back."""
        condition, values = as_read(leaving)
        return self.accounts.update(
            f"ACCOUNT#{leaving.account}", "LEAVING", "SET stage = :done REMOVE gsi1pk, gsi1sk",
            {**values, ":done": str(Stage.DONE)}, condition=condition,
        )  # fmt: skip

    def forget(self, leaving: Leaving) -> Write:
        condition, values = as_read(leaving)
        return self._delete(leaving, condition, values)

    def look_later(self, account: str, now: int, due: int) -> None:
        """Behind the others, by its key alone; nothing where it is not due now."""
        write = self.accounts.update(
            f"ACCOUNT#{account}", "LEAVING", "SET gsi1sk = :due",
            {":due": due_key(due), ":now": due_key(now)}, condition="gsi1sk <= :now",
        )  # fmt: skip
        try:
            self.accounts.apply(write)
        except ConditionFailed:
            return  # somebody else took it further

    def tombstone(self, account: str, day: str) -> Write:
        """That there was an account and is none: no name, no claim, no pseudonym."""
        item = {"pk": f"ACCOUNT#{account}", "sk": "ERASED", "type": "tombstone", "v": 1}
        return self.accounts.put({**item, "erased_on": day})

    def erased(self) -> Iterator[str]:
        """Every account whose keys were ended, whatever a restore has brought back of it."""
        found = self.keys.query(ERASED, prefix="ACCOUNT#")
        return (item["sk"].removeprefix("ACCOUNT#") for item in found)

    def remember(self, account: str, day: str) -> Write:
        """That its keys were ended, beside where they were; no name, no claim, no pseudonym."""
        item = {"pk": ERASED, "sk": f"ACCOUNT#{account}", "type": "erased", "v": 1}
        return self.keys.put({**item, "erased_on": day})

    def resting(self) -> Iterator[str]:
        """Every account whose keys are on hold, whatever a restore says of it."""
        found = self.keys.query(RESTS, prefix="ACCOUNT#")
        return (item["sk"].removeprefix("ACCOUNT#") for item in found)

    def note_rest(self, account: str, now: int) -> Write:
        """That its keys are on hold, beside where they are; in the transaction that moves them."""
        item = {"pk": RESTS, "sk": f"ACCOUNT#{account}", "type": "rests", "v": 1}
        return self.keys.put({**item, "at": now})

    def end_rest(self, account: str) -> Write:
        """Its keys are in their place again, or gone."""
        return self.keys.delete(RESTS, f"ACCOUNT#{account}")

    def _delete(self, leaving: Leaving, condition: str, values: Item) -> Write:
        return self.accounts.delete(f"ACCOUNT#{leaving.account}", "LEAVING", condition, values)


class FiscalStore:
    """The one personal record that outlives its account, under a key that is backed up with it."""

    def __init__(self, accounts: Table) -> None:
        self.accounts = accounts

    def put(self, account: str, kept: Kept, ends_at: int) -> list[Write]:
        pk = f"FISCAL#{account}"
        key: Item = {
            "pk": pk, "sk": "KEY", "type": "fiscal_key", "v": 1, "policy": kept.grant.policy,
            "data_key": kept.grant.wrapped, "ends_at": ends_at, "gsi1pk": FISCAL_ENDS,
            "gsi1sk": due_key(ends_at),
        }  # fmt: skip
        sealed: Item = {
            "pk": pk, "sk": "SEALED", "type": "fiscal", "v": 1, "fields": dict(kept.sealed),
        }  # fmt: skip
        return [self.accounts.put(key, ABSENT), self.accounts.put(sealed, ABSENT), *kept.rows]

    def found(self, account: str) -> tuple[Grant, Mapping[str, bytes]] | None:
        key = self.accounts.get(f"FISCAL#{account}", "KEY")
        sealed = self.accounts.get(f"FISCAL#{account}", "SEALED")
        if key is None or sealed is None:
            return None
        grant = Grant(fiscal_subject(account), Purpose.FISCAL, key["policy"], key["data_key"])
        return grant, sealed["fields"]

    def ends_at(self, account: str) -> int | None:
        key = self.accounts.get(f"FISCAL#{account}", "KEY")
        return int(key["ends_at"]) if key else None

    def keep_until(self, account: str, ends_at: int) -> None:
        """A later payment came to light; never earlier than it says."""
        write = self.accounts.update(
            f"FISCAL#{account}", "KEY", "SET ends_at = :end, gsi1sk = :index",
            {":end": ends_at, ":index": due_key(ends_at)},
            condition=f"{PRESENT} AND ends_at < :end",
        )  # fmt: skip
        try:
            self.accounts.apply(write)
        except ConditionFailed:
            return

    def over(self, now: int) -> Iterator[str]:
        found = self.accounts.index(
            "gsi1", "gsi1pk", FISCAL_ENDS, range_name="gsi1sk", up_to=due_key(now)
        )
        return (key.pk.removeprefix("FISCAL#") for key in list(found))

    def end(self, account: str, now: int) -> list[Write]:
        """Key and content together; refused before its day."""
        pk = f"FISCAL#{account}"
        return [
            self.accounts.delete(pk, "KEY", "ends_at <= :now", {":now": now}),
            self.accounts.delete(pk, "SEALED"),
        ]


def fiscal_subject(account: str) -> str:
    """Whose ledger tells of the fiscal record: it leads to no other."""
    return derived_id(FISCAL_PREFIX, account)


def as_read(leaving: Leaving) -> tuple[str, Item]:
    values: Item = {
        ":kind": str(leaving.kind), ":stage": str(leaving.stage), ":asked": leaving.asked_at,
    }  # fmt: skip
    return "leaving = :kind AND stage = :stage AND asked_at = :asked", values


def to_leaving(item: Item) -> Leaving:
    return Leaving(
        item["pk"].removeprefix("ACCOUNT#"), Kind(item["leaving"]), Stage(item["stage"]),
        item["asked_at"], item["due"], frozenset(item.get("canceled") or ()),
        item.get("reason", ""),
    )  # fmt: skip
