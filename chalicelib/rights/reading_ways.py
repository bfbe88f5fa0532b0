"""Ways in which a value of an export is told to a person, whatever section it stands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import from_text, to_text
from chalicelib.core.money import Money
from chalicelib.edge import filters
from chalicelib.mail.mornings import zone_of
from chalicelib.mail.occasions import moment
from chalicelib.privacy.rules import known_policies
from chalicelib.privacy.wording import why_of

if TYPE_CHECKING:
    from chalicelib.rights.rules import Beside

Json = dict[str, Any]
TABLE, FACTS, RECORDS = "table", "facts", "records"
"""A row a line; one row, a line a fact; or many rows with many facts, each under a heading."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a value needs to be told: the person's zone, and what ids are called."""

    beside: Beside
    titles: Mapping[str, str]
    licenses: Mapping[str, str]

    def moment(self, instant: int) -> str:
        return moment(instant, zone_of(self.beside.zone))


@dataclass(frozen=True, slots=True)
class Cell:
    """One value in words: `code` is what it is in our records, `at` an instant or day exactly."""

    text: str = ""
    code: str = ""
    at: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a row, with what is known around it."""

    value: Any
    row: Json
    words: Words


Way = Callable[[Value], Cell]


@dataclass(frozen=True, slots=True)
class Column:
    label: str
    ways: Mapping[str, Way]

    def cells(self, words: Words, row: Json) -> list[Cell]:
        """What the row says of these keys; what is empty says nothing."""
        return [
            way(Value(row[key], row, words))
            for key, way in self.ways.items()
            if key in row and row[key] not in (None, "", [])
        ]


@dataclass(frozen=True, slots=True)
class Section:
    """`none` is said where there is no row; `told` are keys that stand in another's words."""

    title: str
    says: str
    none: str
    shape: str
    columns: tuple[Column, ...] = ()
    told: frozenset[str] = frozenset()


# ways to tell a value


def spoken(value: str) -> str:
    return value.replace("_", " ").capitalize()


def plain(of: Value) -> Cell:
    if isinstance(of.value, bool):
        return Cell("Yes" if of.value else "No")
    return Cell(", ".join(map(str, of.value)) if isinstance(of.value, list) else str(of.value))


def code(of: Value) -> Cell:
    return Cell(code=str(of.value))


def known_as(text: str) -> Way:
    """An id, with the word for what it is the id of."""
    return lambda of: Cell(text, code=str(of.value))


def how_often(of: Value) -> Cell:
    text = filters.every(of.value)
    return Cell(text if text.startswith("every") else f"once {text}")


def one_of(names: Mapping[Any, str]) -> Way:
    return lambda of: Cell(names.get(of.value) or spoken(str(of.value)))


def some_of(names: Mapping[Any, str], join: str = ", ") -> Way:
    return lambda of: Cell(join.join(names.get(v) or spoken(v) for v in of.value))


def time(of: Value) -> Cell:
    instant = of.value if isinstance(of.value, int) else from_text(of.value)
    return Cell(of.words.moment(instant), at=to_text(instant))


def day(of: Value) -> Cell:
    return Cell(filters.day(of.value), at=of.value)


def used(of: Value) -> Cell:
    return Cell(filters.duration(of.value))


def money(of: Value) -> Cell:
    return Cell(str(Money(of.value, of.row["currency"])))


def use(of: Value) -> Cell:
    return Cell(of.words.titles.get(of.value) or spoken(of.value))


def version(of: Value) -> Cell:
    policy = known_policies().get(of.value)
    return Cell(f"version {policy.number}") if policy else Cell(code=of.value)


def fingerprint(of: Value) -> Cell:
    return Cell(version(of).text, code=of.value)


def why(of: Value) -> Cell:
    return Cell(why_of(of.value), code=of.value)


def license_name(of: Value) -> Cell:
    return Cell(of.words.licenses.get(of.value, ""), code=of.value)


def accepted(of: Value) -> Cell:
    return Cell("Member" if of.value else "Invited, not answered yet")


def launches(of: Value) -> Cell:
    return Cell("No, blocked" if of.value else "Yes")


def address(of: Value) -> Cell:
    return Cell(of.value, href=of.value)


def by_its_name(name: str) -> Section:
    """How a section reads that nobody said anything of."""
    return Section(spoken(name), "", "Nothing.", TABLE)
