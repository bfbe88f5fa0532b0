"""What people do not want, in `accounts`: by address for good, and by account as they chose.

| item | pk | sk |
|---|---|---|
| a class of mail is not wanted | SUPPRESSION#<keyed hash> | CLASS#<class> |
| one kind of notice is not wanted | SUPPRESSION#<keyed hash> | TOPIC#<template> |
| mail to it came back for good | SUPPRESSION#<keyed hash> | BOUNCED |
| its owner called our mail spam | SUPPRESSION#<keyed hash> | COMPLAINED |
| what a link in a mail stops | UNSUBSCRIBE#<keyed hash> | UNSUBSCRIBE |
| that such a link stops it for an account | MESSAGE#<account> | STOPS#<keyed hash> |
| an account's choices about mail | NOTICES#<account> | NOTICES |

A suppression names an address by its keyed hash, so that it outlives the account. It is never
deleted: lifting it leaves the instant, so that a late copy of an old event cannot bring it back.

    suppressed at            lifted_at
      |------------------------|----------------->
      nothing optional goes    a later event counts, an earlier one does not
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, purge_at
from chalicelib.mail.listing import lead
from chalicelib.mail.rules import MailClass, normalized
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.core.keyed import KeyedHash
    from chalicelib.storage.dynamo import Item, Table, Write

BOUNCED, COMPLAINED = "BOUNCED", "COMPLAINED"
EVENTS = {BOUNCED: "bounced", COMPLAINED: "complained"}  # and what their attributes begin with
NOBODY_AGAINST = "attribute_not_exists(pk) OR attribute_exists(lifted_at)"
NEWS = "attribute_not_exists(pk) OR lifted_at < :at"
IN_FORCE = "attribute_exists(pk) AND attribute_not_exists(lifted_at)"
NOT_OFF = "NOT contains(topics_off, :topic)"
LISTED = "STOPS#"
KEPT = 90 * DAY
"""A link goes on stopping mail to its address for so long after its account is erased."""


def suppression_of(keyed: KeyedHash, address: str) -> str:
    """What is kept in place of an address that wants no more of some mail."""
    return keyed.of("suppression", normalized(address))


def class_row(mail_class: MailClass) -> str:
    return f"CLASS#{mail_class}"


def topic_row(template: str) -> str:
    return f"TOPIC#{template}"


@dataclass(frozen=True, slots=True)
class WayOut:
    """What a link at the foot of an optional mail stops: `row` of a suppression, for an account."""

    suppression: str
    row: str
    account: str | None

    @property
    def topic(self) -> str | None:
        """The template whose notices end, where it is not a whole class."""
        name = self.row.removeprefix("TOPIC#")
        return name if name != self.row else None

    @property
    def whole(self) -> MailClass | None:
        """The class that ends, where it is not one kind of notice."""
        name = self.row.removeprefix("CLASS#")
        return MailClass(name) if name != self.row else None

    def token(self, keyed: KeyedHash) -> str:
        """The same for every mail of this kind to this address, and never stored."""
        return keyed.token("unsubscribe", f"{self.suppression}|{self.row}")


def way_out_hash(keyed: KeyedHash, token: str) -> str:
    """What is stored in place of the token."""
    return keyed.of("unsubscribe-hash", token)


@dataclass(frozen=True, slots=True)
class Choices:
    """How an account wants to be written to: hours in `zone`, no notice of `topics_off`.

    `bounced_at` is since when mail to it comes back, `complained_at` when it was called spam.
    """

    zone: str | None = None
    topics_off: frozenset[str] = frozenset()
    bounced_at: int | None = None
    complained_at: int | None = None


class WishStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    # suppressions

    def suppress(self, suppression: str, row: str, source: str, at: int) -> bool:
        """False where it is in force already, or was lifted after `at`."""
        write = self.suppression(suppression, row, source, at)
        try:
            self.table.apply(write)
        except ConditionFailed:
            return False
        return True

    def suppression(self, suppression: str, row: str, source: str, at: int) -> Write:
        item: Item = {
            "pk": f"SUPPRESSION#{suppression}",
            "sk": row,
            "type": "suppression",
            "v": 1,
            "source": source,
            "at": at,
        }
        return self.table.put(item, NEWS, {":at": at})

    def lift(self, suppression: str, rows: Iterable[str], now: int) -> None:
        """The person asked for this mail again; what was not suppressed stays as it is."""
        for row in rows:
            write = self.table.update(
                f"SUPPRESSION#{suppression}", row, "SET lifted_at = :now", {":now": now},
                condition=IN_FORCE,
            )  # fmt: skip
            try:
                self.table.apply(write)
            except ConditionFailed:
                continue

    def follow(self, old: str, new: str, now: int) -> list[Write]:
        """What was stopped at one address is stopped at another of the same person.

        Mail that came back says something of the mailbox alone, and stays behind.
        """
        held = {item["sk"] for item in self.in_force(new)}
        return [
            self.suppression(new, item["sk"], item["source"], now)
            for item in self.in_force(old)
            if item["sk"] not in held | {BOUNCED}
        ]

    def in_force(self, suppression: str) -> list[Item]:
        found = self.table.query(f"SUPPRESSION#{suppression}")
        return [item for item in found if "lifted_at" not in item]

    # optional mail, right before it is handed over

    def unopposed(self, way: WayOut, mail_class: MailClass, hashed: str) -> list[Write]:
        """Conditions that hold while nobody is against this mail, and what its link will stop."""
        rows = {class_row(mail_class), way.row, BOUNCED, COMPLAINED}
        checks = [
            self.table.check(f"SUPPRESSION#{way.suppression}", row, NOBODY_AGAINST)
            for row in sorted(rows)
        ]
        if way.topic and way.account:
            pk, values = f"NOTICES#{way.account}", {":topic": way.topic}
            checks.append(self.table.check(pk, "NOTICES", NOT_OFF, values))
        return [*checks, *self._link(way, hashed)]

    def _link(self, way: WayOut, hashed: str) -> list[Write]:
        """The same rows for every mail of this kind to this address."""
        item: Item = {
            "pk": f"UNSUBSCRIBE#{hashed}",
            "sk": "UNSUBSCRIBE",
            "type": "unsubscribe",
            "v": 1,
            "suppression": way.suppression,
            "row": way.row,
            "account": way.account,
        }
        if way.account is None:
            return [self.table.put(item)]
        listed = lead(self.table, way.account, f"{LISTED}{hashed}", "unsubscribe_listed")
        return [self.table.put(item), listed]

    def part(self, account: str, now: int) -> None:
        """No link leads from an address to the account any more; each goes on stopping mail.

        For a while: then the broom deletes it. One that is another account's by now is left alone.
        """
        for item in list(self.table.query(f"MESSAGE#{account}", prefix=LISTED)):
            self._part(item["sk"].removeprefix(LISTED), account, now)
            self.table.apply(self.table.delete(item["pk"], item["sk"]))

    def _part(self, hashed: str, account: str, now: int) -> None:
        write = self.table.update(
            f"UNSUBSCRIBE#{hashed}", "UNSUBSCRIBE", "REMOVE #account SET purge_at = :at",
            {":account": account, ":at": purge_at(now + KEPT)},
            condition="#account = :account", names={"#account": "account"},
        )  # fmt: skip
        try:
            self.table.apply(write)
        except ConditionFailed:
            return

    def way_out(self, hashed: str) -> WayOut | None:
        item = self.table.get(f"UNSUBSCRIBE#{hashed}", "UNSUBSCRIBE")
        return WayOut(item["suppression"], item["row"], item.get("account")) if item else None

    # an account's choices

    def choices(self, account: str) -> Choices:
        item = self.table.get(f"NOTICES#{account}", "NOTICES")
        if item is None:
            return Choices()
        return Choices(
            item.get("time_zone"), frozenset(item.get("topics_off") or ()), item.get("bounced_at"),
            item.get("complained_at"),
        )  # fmt: skip

    def set_zone(self, account: str, zone: str) -> Write:
        return self._choose(account, "time_zone = :zone", {":zone": zone})

    def turn_off(self, account: str, topic: str) -> Write:
        return self._choose(account, "", {":topic": {topic}}, "ADD topics_off :topic")

    def turn_on(self, account: str, topic: str) -> Write:
        return self._choose(account, "", {":topic": {topic}}, "DELETE topics_off :topic")

    def mark(self, account: str, event: str, at: int) -> bool:
        """Keep since when mail to the account comes back; False where that is old news."""
        since, cleared = f"{EVENTS[event]}_at", f"{EVENTS[event]}_cleared_at"
        write = self._choose(
            account, f"{since} = if_not_exists({since}, :at)", {":at": at},
            condition=f"attribute_not_exists({cleared}) OR {cleared} < :at",
        )  # fmt: skip
        try:
            self.table.apply(write)
        except ConditionFailed:
            return False
        return True

    def clear(self, account: str, event: str, now: int) -> Write:
        since, cleared = f"{EVENTS[event]}_at", f"{EVENTS[event]}_cleared_at"
        return self._choose(account, f"{cleared} = :now", {":now": now}, f"REMOVE {since}")

    def _choose(
        self, account: str, change: str, values: Item, more: str = "", condition: str = ""
    ) -> Write:
        """The row comes to be with the first choice; one choice leaves the others alone."""
        pk, keep = f"NOTICES#{account}", "#type = :type, v = :one"
        return self.table.update(
            pk, "NOTICES", f"SET {keep}{', ' if change else ''}{change} {more}".strip(),
            {**values, ":type": "notices", ":one": 1},
            condition=condition or "attribute_not_exists(pk) OR #type = :type",
            names={"#type": "type"},
        )  # fmt: skip
