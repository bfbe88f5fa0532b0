"""Reads a column of numbers from a table in CSV form."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class BadTable(Exception):
    """The file is no table that can be drawn; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One label and one number a row."""

    name: str
    labels: tuple[str, ...]
    values: tuple[float, ...]

    def summary(self) -> str:
        values = sorted(self.values)
        middle = len(values) // 2
        median = values[middle] if len(values) % 2 else sum(values[middle - 1 : middle + 1]) / 2
        mean = math.fsum(values) / len(values)
        return (
            f"{len(values)} rows, lowest {values[0]:g}, highest {values[-1]:g}, "
            f"mean {mean:.3g}, median {median:g}"
        )


def read_column(path: Path, name: str | None = None) -> Column:
    """The named column, or the first whose cells are all numbers; labels from the first column."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadTable(f"{path} cannot be read as a table: {error}") from error
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):  # noqa: PLR2004 - a head and a row
        raise BadTable(f"{path} needs a line of names, then rows of as many cells.")
    head, body = rows[0], rows[1:]
    index = head.index(name) if name in head else _first_numeric(body)
    if index is None or (name is not None and name not in head):
        raise BadTable(f"{path} has no column of numbers{f' named {name}' if name else ''}.")
    return Column(head[index], tuple(row[0] for row in body), _numbers(path, body, index))


def _first_numeric(body: list[list[str]]) -> int | None:
    for index in range(len(body[0])):
        if all(_is_number(row[index]) for row in body):
            return index
    return None


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _numbers(path: Path, body: list[list[str]], index: int) -> tuple[float, ...]:
    for line, row in enumerate(body, start=2):
        if not _is_number(row[index]):
            raise BadTable(f"{path}, row {line}: {row[index]!r} is not a number.")
    return tuple(float(row[index]) for row in body)
