"""Grants (wrapped data keys, in `keys`) and sealed fields (in `accounts`): keys and conditions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chalicelib.privacy.rules import Purpose
from chalicelib.storage.dynamo import ABSENT, PRESENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.storage.dynamo import Item, Table, Write


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission itself: without its wrapped key nothing of this purpose opens."""

    subject: str
    purpose: Purpose
    policy: str
    wrapped: bytes = field(repr=False)
    at: int = 0
    on_hold: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A payer's minimum under a key of its own, and the first rows of a ledger of its own."""

    grant: Grant
    sealed: Mapping[str, bytes] = field(repr=False)
    rows: list[Write] = field(repr=False)


class VaultStore:
    def __init__(self, accounts: Table, keys: Table) -> None:
        self.accounts, self.keys = accounts, keys

    def grant(self, subject: str, purpose: Purpose) -> Grant | None:
        item = self.keys.get(f"SUBJECT#{subject}", f"KEY#{purpose}")
        return to_grant(subject, item) if item else None

    def grants(self, subject: str) -> list[Grant]:
        items = self.keys.query(f"SUBJECT#{subject}", prefix="KEY#")
        return [to_grant(subject, item) for item in items]

    def put_grant(self, grant: Grant, now: int) -> Write:
        return self.keys.put(to_item(grant, now), ABSENT)

    def renew_grant(self, held: Grant, renewed: Grant, now: int) -> Write:
        """Another key in the place of the one that was read; whatever that one sealed is shut."""
        values = {":held": held.wrapped}
        return self.keys.put(to_item(renewed, now), "data_key = :held", values)

    def holds(self, grant: Grant) -> Write:
        """The grant still stands as it was read, and where it was read."""
        return self.keys.check(*place_of(grant), "data_key = :held", {":held": grant.wrapped})

    def lacks(self, subject: str, purpose: Purpose) -> Write:
        """Nothing is granted for the purpose."""
        return self.keys.check(f"SUBJECT#{subject}", f"KEY#{purpose}", ABSENT)

    def stands(self, subject: str, purpose: Purpose = Purpose.ACCOUNT) -> Write:
        """The key, the account's own as a rule, is in its place: neither on hold nor ended."""
        return self.keys.check(f"SUBJECT#{subject}", f"KEY#{purpose}", PRESENT)

    def rests(self, subject: str) -> Write:
        """The account's own key is on hold."""
        return self.keys.check(f"HELD#{subject}", f"KEY#{Purpose.ACCOUNT}", PRESENT)

    def end_grant(self, grant: Grant) -> Write:
        """Without a condition: the ledger's row beside it says which of two that end it does."""
        return self.keys.delete(*place_of(grant))

    # keys on hold: those of a deactivated account, where no purpose looks

    def held(self, subject: str) -> list[Grant]:
        items = self.keys.query(f"HELD#{subject}", prefix="KEY#")
        return [replace(to_grant(subject, item), on_hold=True) for item in items]

    def held_grant(self, subject: str, purpose: Purpose) -> Grant | None:
        item = self.keys.get(f"HELD#{subject}", f"KEY#{purpose}")
        return replace(to_grant(subject, item), on_hold=True) if item else None

    def hold(self, grant: Grant) -> list[Write]:
        """The very key that was read, out of its place."""
        place, values = (
            (f"SUBJECT#{grant.subject}", f"KEY#{grant.purpose}"),
            {":key": grant.wrapped},
        )
        item = {**to_item(grant, grant.at), "pk": f"HELD#{grant.subject}", "type": "held_grant"}
        return [
            self.keys.delete(*place, "data_key = :key", values), self.keys.put(item, ABSENT)
        ]  # fmt: skip

    def release(self, grant: Grant) -> list[Write]:
        """The very key that was held, back in its place."""
        values = {":key": grant.wrapped}
        place = f"HELD#{grant.subject}", f"KEY#{grant.purpose}"
        return [
            self.keys.delete(*place, "data_key = :key", values),
            self.keys.put(to_item(grant, grant.at), ABSENT),
        ]

    def end_held(self, grant: Grant) -> Write:
        return self.keys.delete(f"HELD#{grant.subject}", f"KEY#{grant.purpose}")

    def sealed(self, subject: str, purpose: Purpose) -> Mapping[str, bytes] | None:
        item = self.accounts.get(f"SUBJECT#{subject}", f"SEALED#{purpose}")
        return item["fields"] if item else None

    def put_sealed(
        self, grant: Grant, fields: Mapping[str, bytes], now: int, *, first: bool
    ) -> Write:
        """`first` collects; otherwise the values collected before are replaced."""
        item: Item = {
            "pk": f"SUBJECT#{grant.subject}",
            "sk": f"SEALED#{grant.purpose}",
            "type": "sealed",
            "v": 1,
            "policy": grant.policy,
            "fields": dict(fields),
            "at": now,
        }
        return self.accounts.put(item, ABSENT if first else PRESENT)

    def put_one(self, grant: Grant, name: str, sealed: bytes | None, now: int) -> Write:
        """One field of many in its place, or None to take it away; the others stay."""
        values: Item = {":now": now}
        update = "REMOVE #fields.#name SET #at = :now"
        if sealed is not None:
            update, values[":sealed"] = "SET #fields.#name = :sealed, #at = :now", sealed
        return self.accounts.update(
            f"SUBJECT#{grant.subject}", f"SEALED#{grant.purpose}", update, values,
            condition=PRESENT, names={"#fields": "fields", "#name": name, "#at": "at"},
        )  # fmt: skip

    def end_sealed(self, subject: str, purpose: Purpose) -> Write:
        return self.accounts.delete(f"SUBJECT#{subject}", f"SEALED#{purpose}")

    def erase_sealed(self, subject: str) -> None:
        """Delete every sealed item of the subject; again after a crash it deletes the rest."""
        for item in self.accounts.query(f"SUBJECT#{subject}", prefix="SEALED#"):
            self.accounts.apply(self.accounts.delete(item["pk"], item["sk"]))


def place_of(grant: Grant) -> tuple[str, str]:
    partition = "HELD" if grant.on_hold else "SUBJECT"
    return f"{partition}#{grant.subject}", f"KEY#{grant.purpose}"


def to_item(grant: Grant, now: int) -> Item:
    return {
        "pk": f"SUBJECT#{grant.subject}",
        "sk": f"KEY#{grant.purpose}",
        "type": "grant",
        "v": 1,
        "purpose": grant.purpose,
        "policy": grant.policy,
        "data_key": grant.wrapped,
        "at": now,
    }


def to_grant(subject: str, item: Item) -> Grant:
    """The subject is the one asked for and the purpose the key's: neither is taken on trust."""
    purpose = Purpose(item["sk"].removeprefix("KEY#"))
    return Grant(subject, purpose, item["policy"], item["data_key"], item.get("at", 0))
