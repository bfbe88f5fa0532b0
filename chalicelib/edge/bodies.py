"""JSON bodies of programs: frozen dataclasses whose fields say what they accept.

    @dataclass(frozen=True, slots=True)
    class Renewal:
        lease: str = text(longest=8192)
        seq: int = whole(least=1)
        shown: str | None = text(longest=2048, optional=True)

    renewal = read_json(request, Renewal)

The same metadata makes the JSON Schema of the published contract. Not pydantic, because these are
the bodies of the hot path and it alone would cost more than all the rest of a cold start.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from chalicelib.core.errors import InvalidInput, Malformed
from chalicelib.edge.fields import printable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from chalicelib.edge.request import Request

    Body = TypeVar("Body", bound=DataclassInstance)

MAX_BODY = 32 * 1024
MOST = 2**53 - 1  # what every JSON reader holds exactly
UNUSABLE = frozenset({"Cc", "Cs", "Co", "Cn"})
NEEDED = "This is needed."
TWICE = "This was sent twice."
NO_SUCH = "This call has no such field."
UNREADABLE = "The body is not JSON in UTF-8."


class Kind(Protocol):
    """What a field accepts: `read` answers the clean value; ValueError says what is wrong."""

    def read(self, value: Any) -> Any: ...

    def schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Text:
    longest: int
    shortest: int
    pattern: re.Pattern[str] | None

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("This must be text.")  # noqa: TRY004 - a flaw of the input, not a bug
        if len(value) > self.longest:
            raise ValueError(f"This is too long: at most {self.longest} characters.")
        if len(value) < self.shortest:
            raise ValueError(f"This is too short: at least {self.shortest} characters.")
        if any(unicodedata.category(c) in UNUSABLE for c in value):
            raise ValueError("This holds characters that cannot be used.")
        if self.pattern and not self.pattern.fullmatch(value):
            raise ValueError("This is not of the form that is documented.")
        return value

    def schema(self) -> dict[str, Any]:
        found = {"type": "string", "minLength": self.shortest, "maxLength": self.longest}
        return {**found, "pattern": f"^{self.pattern.pattern}$"} if self.pattern else found


@dataclass(frozen=True, slots=True)
class Whole:
    least: int
    most: int

    def read(self, value: Any) -> int:
        # In JSON, 1.0 is the same number as 1.
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if not whole or isinstance(value, bool):
            raise ValueError("This must be a whole number.")
        if not self.least <= value <= self.most:
            raise ValueError(f"This must be from {self.least} to {self.most}.")
        return int(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public JWK of a kind that proofs may use; only the members that make the key are kept."""

    def read(self, value: Any) -> dict[str, str]:
        from chalicelib.core import signing

        if not isinstance(value, dict):
            raise ValueError("This must be a public key as a JWK.")  # noqa: TRY004 - as above
        try:
            signing.load_public(value)
        except signing.BadSignature:
            raise ValueError("This must be a public Ed25519 or P-256 key as a JWK.") from None
        return signing.public_members(value)

    def schema(self) -> dict[str, Any]:
        member = {"type": "string", "maxLength": 64}
        return {
            "type": "object",
            "description": "A public JWK: OKP with Ed25519, or EC with P-256.",
            "properties": {
                "kty": {"enum": ["OKP", "EC"]}, "crv": {"enum": ["Ed25519", "P-256"]},
                "x": member, "y": member,
            },
            "required": ["kty", "crv", "x"],
        }  # fmt: skip


def declared(kind: Kind, *, optional: bool) -> Any:
    if optional:
        return field(default=None, metadata={"kind": kind})
    return field(metadata={"kind": kind})


def text(
    *, longest: int, shortest: int = 1, pattern: str | None = None, optional: bool = False
) -> Any:
    compiled = re.compile(pattern) if pattern else None
    return declared(Text(longest, shortest, compiled), optional=optional)


def whole(*, least: int = 0, most: int = MOST, optional: bool = False) -> Any:
    return declared(Whole(least, most), optional=optional)


def public_key(*, optional: bool = False) -> Any:
    return declared(PublicKey(), optional=optional)


class _SentTwice(ValueError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(TWICE)


def read_json(request: Request, model: type[Body]) -> Body:
    """The body as this dataclass; Malformed or InvalidInput names every flaw."""
    return build(model, read_object(request.body(MAX_BODY)))


def build(model: type[Body], given: dict[str, Any]) -> Body:
    """The object as this dataclass; InvalidInput names every flaw."""
    known = {declaration.name: declaration for declaration in fields(model)}
    errors = {printable(name, "body"): NO_SUCH for name in given if name not in known}
    values: dict[str, Any] = {}
    for name, declaration in known.items():
        optional = declaration.default is not MISSING
        if name not in given or (given[name] is None and optional):
            if not optional:
                errors[name] = NEEDED
            continue
        try:
            values[name] = declaration.metadata["kind"].read(given[name])
        except ValueError as flaw:
            errors[name] = str(flaw)
    if errors:
        raise InvalidInput(errors=errors)
    return model(**values)


def read_object(data: bytes) -> dict[str, Any]:
    """One JSON object with each name once; no NaN, no other encoding."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=distinct, parse_constant=refuse)
    except _SentTwice as flaw:
        raise InvalidInput(errors={printable(flaw.name, "body"): TWICE}) from None
    except (ValueError, RecursionError):
        raise Malformed(UNREADABLE, errors={"body": UNREADABLE}) from None
    if not isinstance(found, dict):
        raise InvalidInput(errors={"body": "The body must be a JSON object."})
    return found


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _SentTwice(name)
        found[name] = value
    return found


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def schema_of(model: type[DataclassInstance]) -> dict[str, Any]:
    """The JSON Schema of what `read_json` accepts."""
    properties, required = {}, []
    for declaration in fields(model):
        found = declaration.metadata["kind"].schema()
        if declaration.default is MISSING:
            required.append(declaration.name)
        else:
            found = {**found, "type": [found["type"], "null"]}
        properties[declaration.name] = found
    return {
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": False,
    }  # fmt: skip
