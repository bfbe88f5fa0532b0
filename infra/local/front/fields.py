"""Reads the small JSON and form bodies of the control surface; names the field that is wrong."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from infra.local.front.http import Answer, Request, as_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_ADVANCE = 20 * 366 * 86_400
"""Seconds that the clock may be moved at once: twenty years."""
FORM = "application/x-www-form-urlencoded"


class BadField(Exception):
    """A field of a body or query that cannot be taken; answered as 400 with its name."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field

    def answer(self) -> Answer:
        flaw = {"field": self.field, "detail": str(self)}
        detail = f"{self.field}: {self}"
        return as_problem(400, "invalid_field", "Bad Request", detail, errors=[flaw])


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one body; each is taken once, and none may be left over."""

    values: dict[str, Any]
    is_form: bool

    def has(self, name: str) -> bool:
        return name in self.values

    def refuse_others(self, known: Iterable[str]) -> None:
        for name in self.values:
            if name not in known:
                raise BadField(name, "There is no such field here.")

    def number(self, name: str) -> float:
        """Return a number of seconds from 0 to twenty years; a form's text counts as a number."""
        value = self.values[name]
        if self.is_form:
            value = _parsed(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadField(name, "This must be a number.")
        if not math.isfinite(value) or not 0 <= value <= LONGEST_ADVANCE:
            raise BadField(name, f"This must be from 0 to {LONGEST_ADVANCE} seconds.")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self.values[name]
        if self.is_form:
            value = {"true": True, "false": False}.get(value, value)
        if not isinstance(value, bool):
            raise BadField(name, "This must be true or false.")
        return value

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise BadField(name, "This must be text.")
        return value

    def word(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.values.get(name)
        if value not in choices:
            raise BadField(name, f"This must be one of: {', '.join(choices)}.")
        return str(value)


def read_fields(request: Request) -> Fields:
    """Read a JSON object, or a browser's form; JSON sent without its content type is JSON too."""
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise BadField("body", "The body must be UTF-8.") from None
    kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    if kind == FORM and not text.lstrip().startswith(("{", "[")):
        return Fields(dict(parse_qsl(text, keep_blank_values=True)), is_form=True)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadField("body", "The body must be a JSON object.") from None
    if not isinstance(value, dict):
        raise BadField("body", "The body must be a JSON object.")
    return Fields(value, is_form=False)


def read_count(query: Mapping[str, str], name: str) -> int:
    """Return a whole number of the query from 0 on; 0 where it is absent."""
    text = query.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadField(name, "This must be a whole number from 0 on.")
    return int(text)


def _parsed(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
