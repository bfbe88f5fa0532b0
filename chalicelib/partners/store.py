"""Keys and conditions of what partners get.

| table | pk | sk | holds |
|---|---|---|---|
| accounts | `PARTNERS` | `<partner>` | a partner, and until when its contract runs |
| accounts | `EPSILON#<yyyy>` | `EPSILON` | what the year's files have cost, and their hashes |
| accounts | `AGGREGATES` | `<yyyy-mm>` | a month's file: where it is, and the hash of its bytes |
| usage | `PARTNERLINK#<keyed hash>` | `PARTNERLINK` | a link that fetches one file, once |
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from chalicelib.core.clock import purge_at
from chalicelib.partners.rules import (
    MONTH_COST,
    YEAR_BUDGET,
    AlreadyDrawn,
    BudgetSpent,
    NoSuchFile,
    Partner,
)
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item, Table, Write

THOUSANDTHS = 1_000  # the budget is kept in thousandths of epsilon: whole numbers


@dataclass(frozen=True, slots=True)
class Released:
    """One month's file; asking again gives these very bytes."""

    month: str
    key: str
    sha256: str
    at: int


@dataclass(frozen=True, slots=True)
class FileLink:
    hashed: str
    partner: str
    month: str
    ends_at: int
    used: bool


class PartnerStore:
    def __init__(self, accounts: Table, usage: Table) -> None:
        self.accounts, self.usage = accounts, usage

    # the register

    def put(self, partner: Partner, now: int) -> Write:
        """A partner, or another end of its contract."""
        item: Item = {
            "pk": "PARTNERS", "sk": partner.id, "type": "partner", "v": 1, "name": partner.name,
            "ends_at": partner.ends_at, "at": now,
        }  # fmt: skip
        return self.accounts.put(item)

    def partner(self, partner_id: str) -> Partner | None:
        item = self.accounts.get("PARTNERS", partner_id)
        return to_partner(item) if item else None

    def partners(self) -> list[Partner]:
        return [to_partner(item) for item in self.accounts.query("PARTNERS")]

    # the budget

    def spend(self, month: str) -> None:
        """Reserve the month's share of its year, once; BudgetSpent where the year is used up.

        It is taken before anything is drawn, so that no crash can make a file that nobody paid for.
        """
        cost = int(MONTH_COST * THOUSANDTHS)
        values: Item = {
            ":cost": cost, ":most": int(YEAR_BUDGET * THOUSANDTHS) - cost, ":month": month,
            ":months": {month}, ":type": "epsilon", ":one": 1, ":none": {},
        }  # fmt: skip
        write = self.accounts.update(
            f"EPSILON#{month[:4]}", "EPSILON",
            "SET #type = :type, v = :one, files = if_not_exists(files, :none) "
            "ADD spent :cost, months :months", values,
            condition="attribute_not_exists(pk) OR (NOT contains(months, :month) AND "
            "spent <= :most)",
            names={"#type": "type"}, old=True,
        )  # fmt: skip
        try:
            self.accounts.apply(write)
        except ConditionFailed:
            if month not in self.spent(month[:4])[1]:
                raise BudgetSpent from None

    def spent(self, year: str) -> tuple[Fraction, frozenset[str]]:
        """The epsilon of a year's files, and the months that it was spent on."""
        item = self.accounts.get(f"EPSILON#{year}", "EPSILON")
        if item is None:
            return Fraction(0), frozenset()
        return Fraction(item["spent"], THOUSANDTHS), frozenset(item["months"])

    # the files

    def drawn(self, month: str) -> str | None:
        """The hash of the one file that the month's share was spent on, once there is one."""
        item = self.accounts.get(f"EPSILON#{month[:4]}", "EPSILON") or {}
        found: str | None = item.get("files", {}).get(month)
        return found

    def release(self, released: Released) -> None:
        """Once a month, and for good with these bytes: AlreadyDrawn where others were paid for.

        The hash stands in the row of the budget, so that a file that is lost, and the row of its
        release with it, is never drawn again for the same money: two draws tell more than one.
        """
        item: Item = {
            "pk": "AGGREGATES", "sk": released.month, "type": "aggregate", "v": 1,
            "key": released.key, "sha256": released.sha256, "at": released.at,
        }  # fmt: skip
        bound = self.accounts.update(
            f"EPSILON#{released.month[:4]}", "EPSILON", "SET files.#month = :file",
            {":file": released.sha256, ":month": released.month},
            condition="contains(months, :month) AND "
            "(attribute_not_exists(files.#month) OR files.#month = :file)",
            names={"#month": released.month},
        )  # fmt: skip
        try:
            self.accounts.transact(bound, self.accounts.put(item, ABSENT))
        except ConditionFailed as refusal:
            if refusal.at(0):
                raise AlreadyDrawn from None

    def released(self, month: str) -> Released | None:
        item = self.accounts.get("AGGREGATES", month)
        return to_released(item) if item else None

    # links

    def put_link(self, link: FileLink) -> Write:
        item: Item = {
            "pk": f"PARTNERLINK#{link.hashed}", "sk": "PARTNERLINK", "type": "partner_link", "v": 1,
            "partner": link.partner, "month": link.month, "ends_at": link.ends_at, "used": False,
            "purge_at": purge_at(link.ends_at),
        }  # fmt: skip
        return self.usage.put(item, ABSENT)

    def link(self, hashed: str) -> FileLink:
        """NoSuchFile where there is none."""
        item = self.usage.get(f"PARTNERLINK#{hashed}", "PARTNERLINK")
        if item is None:
            raise NoSuchFile
        return FileLink(hashed, item["partner"], item["month"], item["ends_at"], item["used"])

    def use_link(self, hashed: str, now: int) -> Write:
        return self.usage.update(
            f"PARTNERLINK#{hashed}", "PARTNERLINK", "SET used = :yes",
            {":yes": True, ":no": False, ":now": now},
            condition="used = :no AND ends_at > :now",
        )  # fmt: skip


def to_partner(item: Item) -> Partner:
    return Partner(item["sk"], item["name"], item["ends_at"])


def to_released(item: Item) -> Released:
    return Released(item["sk"], item["key"], item["sha256"], item["at"])
