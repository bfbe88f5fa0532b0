"""Forms: strict parsing, then a pydantic model; every flaw names its field."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_to_bytes

from chalicelib.core.errors import CetrusError, InvalidInput, Malformed
from chalicelib.edge import csrf
from chalicelib.edge.fields import printable
from chalicelib.edge.pages import render
from chalicelib.edge.responses import html

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from chalice.app import Response
    from pydantic import BaseModel, ValidationError

    from chalicelib.core.keyed import KeyedHash
    from chalicelib.edge.request import Request

    Form = TypeVar("Form", bound=BaseModel)

MAX_FIELDS = 64
YES, NO = "yes", "no"
UNANSWERED = "Answer yes or no."
LINE_BREAKS = re.compile(r"\r\n?")
UNUSABLE = frozenset({"Cc", "Cs", "Co", "Cn"})
SENTENCES = {
    "missing": "This is needed.",
    "extra_forbidden": "This form has no such field.",
    "string_too_long": "This is too long: at most {max_length} characters.",
    "string_too_short": "This is too short: at least {min_length} characters.",
    "value_error": "{error}",
}


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form shows again: the values that were typed, and what is wrong with which."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


def read_fields(request: Request, boxes: Collection[str] = ()) -> dict[str, str]:
    """The fields, each once, as clean Unicode; Malformed or InvalidInput names what is not.

    A field of `boxes` may come as a no and then a yes, which counts: a hidden no stands before the
    box, so that one that was left empty is an answer too.
    """
    fields: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, raw in pairs(request):
        try:
            value = clean(name, decoded(raw))
        except ValueError as error:
            errors.setdefault(printable(name, "form"), str(error))
            continue
        ticked = name in boxes and (fields.get(name), value) == (NO, YES)
        if name in fields and not ticked:
            errors[printable(name, "form")] = "This was sent twice."
        fields[name] = value
    if errors:
        raise InvalidInput(errors=errors)
    return fields


def pairs(request: Request) -> list[tuple[str, str]]:
    """Names and still encoded values; Malformed where the body is not a form at all."""
    try:
        parts = [part for part in request.body().decode("ascii").split("&") if part]
        found = [(decoded(n), v) for n, eq, v in (part.partition("=") for part in parts) if eq]
    except ValueError:
        raise Malformed("The form cannot be read.") from None
    if len(found) != len(parts) or len(parts) > MAX_FIELDS:
        raise Malformed("The form cannot be read.")
    return found


def decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise ValueError("This is not text in UTF-8.") from None


def clean(name: str, value: str) -> str:
    """Normalized and trimmed; control characters are refused, line breaks become one newline."""
    value = unicodedata.normalize("NFC", LINE_BREAKS.sub("\n", value))
    if any(unicodedata.category(c) in UNUSABLE and c != "\n" for c in value):
        raise ValueError("This holds characters that cannot be used.")
    return value if is_secret(name) else value.strip()


def is_secret(name: str) -> bool:
    """Whether a field is neither trimmed nor ever shown again."""
    return name.endswith("password") or name == csrf.FIELD


def typed(request: Request) -> dict[str, str]:
    """What can be shown again of a form that was refused: never a password."""
    values: dict[str, str] = {}
    with suppress(Malformed):
        for name, raw in pairs(request):
            with suppress(ValueError):
                values[name] = clean(name, decoded(raw))
    return {name: value for name, value in values.items() if not is_secret(name)}


def read_form(request: Request, model: type[Form], keyed: KeyedHash) -> Form:
    """The validated form of this very browser; the errors keep nothing of what was typed."""
    fields = read_fields(request)
    csrf.require(request, fields.pop(csrf.FIELD, ""), keyed)
    return validate(model, fields)


def read_answered(
    request: Request, model: type[Form], keyed: KeyedHash, questions: Collection[str]
) -> tuple[Form, dict[str, bool]]:
    """The form, and the answer to each question on it; one that was not answered is a flaw."""
    fields = read_fields(request, questions)
    csrf.require(request, fields.pop(csrf.FIELD, ""), keyed)
    answers = {name: fields.pop(name, "") for name in questions}
    errors = {name: UNANSWERED for name in questions if answers[name] not in {YES, NO}}
    try:
        form = validate(model, fields)
    except InvalidInput as error:
        raise InvalidInput(errors={**error.errors, **errors}) from None
    if errors:
        raise InvalidInput(errors=errors)
    return form, {name: answer == YES for name, answer in answers.items()}


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
        name = (
            printable(".".join(str(part) for part in flaw["loc"]), "form")
            if flaw["loc"]
            else "form"
        )
        template = SENTENCES.get(flaw["type"], "This is not right.")
        found.setdefault(name, template.format(**flaw.get("ctx", {})))
    return found


def form_page(
    request: Request,
    keyed: KeyedHash,
    template: str,
    *,
    filled: Filled | None = None,
    status: int = 200,
    **values: Any,
) -> Response:
    """A page with a form on it, tied to the browser that asks for it."""
    token, cookies = csrf.issue(request, keyed)
    body = render(request, template, csrf=token, form=filled or Filled(), **values)
    return html(body, status=status, cookies=cookies)


def form_again(
    request: Request, keyed: KeyedHash, template: str, error: CetrusError, **values: Any
) -> Response:
    """The form once more, with what was typed and what was wrong; programs get the problem."""
    if not request.wants_html or isinstance(error, csrf.ForeignForm):
        raise error
    errors = error.errors or {"form": error.detail}
    filled = Filled(typed(request), errors)
    page = form_page(request, keyed, template, filled=filled, status=error.status, **values)
    page.headers.update(error.headers)
    return page
