"""Reads a table with a header line from CSV text, and writes it back the way it came."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

SEPARATORS = ",;\t|"
SNIFFED = 64_000
LARGEST_CELL = 1_000_000


class BadTable(Exception):
    """The text is no table that can be tallied; the message says what is wrong with it."""


@dataclass(frozen=True)
class Table:
    """`lines` holds the line of the text on which each row ends; the header is on the first."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    separator: str

    def places(self, names: Iterable[str]) -> list[int]:
        """Where the named columns are; all columns where none is named."""
        wanted = list(names)
        missing = [name for name in wanted if name not in self.header]
        if missing:
            raise BadTable(
                f"There is no column {missing[0]!r}; there are {', '.join(self.header)}."
            )
        return [self.header.index(name) for name in wanted] or list(range(len(self.header)))


def read_table(data: bytes) -> Table:
    """The table in UTF-8 text, with a comma, semicolon, tab or bar between the cells."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTable(f"The text is not UTF-8: byte {error.start} cannot be read.") from error
    separator = _separator(text[:SNIFFED])
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if not row:
                continue
            if not header:
                header = row
                continue
            if len(row) != len(header):
                raise BadTable(
                    f"Line {reader.line_num} has {len(row)} cells, the header {len(header)}."
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise BadTable(f"Line {reader.line_num} cannot be read: {error}.") from error
    if not header:
        raise BadTable("There is no header line.")
    return Table(header, rows, lines, separator)


def write_rows(out: TextIO, separator: str, rows: Iterable[Iterable[object]]) -> None:
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)


def _separator(text: str) -> str:
    try:
        return csv.Sniffer().sniff(text, SEPARATORS).delimiter
    except csv.Error:
        return ","  # a single column has nothing to sniff
