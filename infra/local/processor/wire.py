"""Stripe's request encoding: `a[b][0]=c` forms in, typed parameters out."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from infra.local.processor.errors import ApiError, JsonObject, invalid_param, missing_param

_PART = re.compile(r"[^\[\]]+")
_INTEGER = re.compile(r"-?\d{1,15}")
_MAX_METADATA_KEYS = 50
_MAX_METADATA_VALUE = 500
_TRUTH = {"true": True, "false": False}


def decode(text: str) -> JsonObject:
    """The nested parameters of a form body or a query string."""
    return nest(parse_qsl(text, keep_blank_values=True))


def nest(pairs: Iterable[tuple[str, str]]) -> JsonObject:
    tree: JsonObject = {}
    for key, value in pairs:
        parts = _PART.findall(key) or [key]
        if key.endswith("[]"):
            parts.append(str(len(tree.get(parts[0], {}))))
        branch = tree
        for part in parts[:-1]:
            branch = branch.setdefault(part, {})
            if not isinstance(branch, dict):
                raise invalid_param(f"Invalid object: {key}", key)
        branch[parts[-1]] = value
    return tree


def text(params: JsonObject, name: str) -> str | None:
    value = params.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise invalid_param(f"Invalid string: {name}", name)
    return value


def required(params: JsonObject, name: str) -> str:
    value = text(params, name)
    if value is None:
        raise missing_param(name)
    return value


def integer(params: JsonObject, name: str) -> int | None:
    value = text(params, name)
    if value is None:
        return None
    if not _INTEGER.fullmatch(value):
        raise invalid_param(f"Invalid integer: {value}", name, "parameter_invalid_integer")
    return int(value)


def boolean(params: JsonObject, name: str) -> bool:
    value = text(params, name)
    if value is None:
        return False
    if value not in _TRUTH:
        raise invalid_param(f"Invalid boolean: {value}", name)
    return _TRUTH[value]


def mapping(params: JsonObject, name: str) -> JsonObject:
    value = params.get(name)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise invalid_param(f"Invalid object: {name}", name)
    return value


def items(params: JsonObject, name: str) -> list[str]:
    """The strings of a list parameter, in order."""
    return [str(value) for value in mapping(params, name).values()]


def metadata(params: JsonObject, name: str = "metadata") -> dict[str, str]:
    """At most 50 strings of at most 500 characters, as Stripe allows."""
    given = mapping(params, name)
    if len(given) > _MAX_METADATA_KEYS:
        raise ApiError("Metadata can have up to 50 keys.", param=name)
    for key, value in given.items():
        if not isinstance(value, str) or len(value) > _MAX_METADATA_VALUE:
            raise ApiError(
                f"Metadata values can have up to {_MAX_METADATA_VALUE} characters.",
                param=f"{name}[{key}]",
            )
    return dict(given)
