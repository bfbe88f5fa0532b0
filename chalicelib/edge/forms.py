"""Forms: strict parsing, then a pydantic model; every flaw names its field."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from chalicelib.core.errors import InvalidInput, Malformed
from chalicelib.edge import csrf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, ValidationError

    from chalicelib.core.keyed import KeyedHash
    from chalicelib.edge.request import Request

    Form = TypeVar("Form", bound=BaseModel)

MAX_FIELDS = 64
LINE_BREAKS = re.compile(r"\r\n?")
SENTENCES = {
    "missing": "This is needed.",
    "extra_forbidden": "This form has no such field.",
    "string_too_long": "This is too long: at most {max_length} characters.",
    "string_too_short": "This is too short: at least {min_length} characters.",
    "value_error": "{error}",
}


def read_fields(request: Request) -> dict[str, str]:
    """The fields, each once, as clean Unicode; Malformed or InvalidInput otherwise."""
    try:
        text = request.body().decode("ascii")
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidInput(errors={printable(name): "This was sent twice."})
        fields[name] = clean(name, value)
    return fields


def clean(name: str, value: str) -> str:
    """Normalized and trimmed; control characters are refused, line breaks become one newline."""
    value = unicodedata.normalize("NFC", LINE_BREAKS.sub("\n", value))
    if any(unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"} and c != "\n" for c in value):
        raise InvalidInput(errors={printable(name): "This holds characters that cannot be used."})
    return value if name == "password" else value.strip()


def printable(name: str) -> str:
    return "".join(c for c in name if c.isalnum() or c in "_-.")[:64] or "form"


def read_form(request: Request, model: type[Form], keyed: KeyedHash) -> Form:
    """The validated form of this very browser; the errors keep nothing of what was typed."""
    fields = read_fields(request)
    csrf.require(request, fields.pop(csrf.FIELD, ""), keyed)
    return validate(model, fields)


def validate(model: type[Form], fields: Mapping[str, str]) -> Form:
    from pydantic import ValidationError

    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(errors=sentences(error)) from None


def sentences(error: ValidationError) -> dict[str, str]:
    """One sentence a field, without the input."""
    found: dict[str, str] = {}
    for flaw in error.errors(include_url=False, include_input=False):
        name = printable(".".join(str(part) for part in flaw["loc"])) if flaw["loc"] else "form"
        template = SENTENCES.get(flaw["type"], "This is not right.")
        found.setdefault(name, template.format(**flaw.get("ctx", {})))
    return found
