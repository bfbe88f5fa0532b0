"""Which version of the policy is in force: the one that was last published, by a row that says so.

A version's content is code and never changes; that it holds from now on is a fact of the data, so
that old and new functions collect under the same version at any instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from chalicelib.privacy import policies
from chalicelib.privacy.rules import policy

if TYPE_CHECKING:
    from chalicelib.storage.dynamo import Item, Table

PK = "POLICY"
IN_FORCE = "IN_FORCE"


@dataclass(frozen=True, slots=True)
class Publication:
    """That version `number`, with this id, is in force since `at`, in milliseconds."""

    number: int
    id: str
    at: int


class Published:
    def __init__(self, table: Table) -> None:
        self.table = table

    def number(self) -> int:
        """The version in force, read strongly; the code's own where none was published since."""
        item = self.table.get(PK, IN_FORCE)
        return max(int(item["number"]), policies.IN_FORCE) if item else policies.IN_FORCE

    def history(self) -> list[Publication]:
        """Every publication, oldest first: by number, as no key sorts them."""
        found = map(to_publication, self.table.query(PK, prefix="VERSION#"))
        return sorted(found, key=attrgetter("number"))


def first_versions() -> tuple[str, ...]:
    """The ids of the versions that hold without a row, which the heads sign instead."""
    return tuple(policy(n).id for n in sorted(policies.VERSIONS) if n <= policies.IN_FORCE)


def to_publication(item: Item) -> Publication:
    return Publication(item["number"], item["policy"], item["at"])
