"""The export as a person reads it: sections in plain words, of the very data that programs get.

Every value stands in it, in the words of the account's pages. What these tables do not know, a
section or a key that is new, is shown by its own name: nothing is left out because nobody said how
it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.edge.pages import environment
from chalicelib.privacy.receipts import STATES
from chalicelib.privacy.rules import Event, Purpose, When, known_policies
from chalicelib.rights.reading_ways import Column, Section, Value, Words, by_its_name, plain, time
from chalicelib.rights.reading_words import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chalicelib.rights.reading_ways import Cell
    from chalicelib.rights.rules import Beside

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A section with its rows; each row is the cells of each column, in order."""

    id: str
    section: Section
    columns: tuple[Column, ...]
    rows: list[list[list[Cell]]]


def file_of(found: Json, beside: Beside, home: str) -> str:
    """The whole document of an export, or of one of its further files."""
    macros: Any = environment().get_template("privacy/macros.html").module
    titles = {str(purpose): str(macros.use_title(purpose)).strip() for purpose in Purpose}
    words = Words(beside, titles, names_of(found.get("licenses", ())))
    return environment().get_template("rights/export_read.html").render(
        parts=parts(found, words), made=time(Value(found["made_at"], found, words)),
        whole="account" in found, older=bool(found.get("further_files")),
        version=beside.version, zone=beside.zone, home=home,
    )  # fmt: skip


def parts(found: Json, words: Words) -> list[Part]:
    """Every section of an export in the order of SECTIONS, with the choices among them."""
    known = {**SECTIONS, **{name: by_its_name(name) for name in found if name not in SECTIONS}}
    held = {**found, "choices": list(answers(found.get("uses", ())))}
    return [
        part(name, known[name], held[name], words)
        for name in known
        if name in held and name != "made_at"
    ]


def part(name: str, section: Section, value: Any, words: Words) -> Part:
    rows: list[Json] = [value] if isinstance(value, dict) else as_rows(value)
    columns = (*section.columns, *unknown(section, rows))
    told = [[column.cells(words, row) for column in columns] for row in rows]
    return Part(name.replace("_", "-"), section, columns, told)


def as_rows(value: Any) -> list[Json]:
    """Rows of what is a list; anything else is one row of one value."""
    if isinstance(value, list):
        return [row if isinstance(row, dict) else {"value": row} for row in value]
    return [{"value": value}]


def unknown(section: Section, rows: Iterable[Json]) -> Iterator[Column]:
    """A column for each key that nobody said how to read."""
    known = {*section.told, *(key for column in section.columns for key in column.ways)}
    for key in dict.fromkeys(key for row in rows for key in row if key not in known):
        yield Column(by_its_name(key).title, {key: plain})


def names_of(licenses: Iterable[Json]) -> dict[str, str]:
    """What each license is called where it is only named by its id."""
    known = (one for one in licenses if "application" in one)
    return {one["license"]: f"{one['application']}, {one['plan']}" for one in known}


def answers(uses: Iterable[Json]) -> Iterator[Json]:
    """The rows that are a person's answers, newest last; a yes beside the field is one too."""
    for row in uses:
        policy = known_policies().get(row["policy"])
        event = row["event"]
        if policy is None or event not in STATES or row["purpose"] not in policy.uses:
            continue
        if policy.uses[Purpose(row["purpose"])].when is When.CHOICE:
            yes = event == Event.COLLECTED
            yield {**row, "event": str(Event.GRANTED) if yes else event}
