"""What a function answered, as the HTTP answer that API Gateway makes of it."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from infra.local.front.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ANSWER = 6 * 1024 * 1024
"""Bytes of body that a function may answer with."""
REMAPPED = frozenset(
    {"connection", "content-length", "date", "server", "transfer-encoding", "www-authenticate"}
)
"""Headers of a function that API Gateway renames to `x-amzn-Remapped-...`."""


class BadAnswer(Exception):
    """A function's answer that API Gateway turns into 502 (Malformed Lambda proxy response)."""


def binary_types_of(swagger: Any) -> frozenset[str]:
    return frozenset(swagger.get("x-amazon-apigateway-binary-media-types", ()))


def is_binary(media_type: str, binary_types: Iterable[str]) -> bool:
    """Say whether a content type, parameters aside, is one of the API's binary types."""
    bare = media_type.partition(";")[0].strip().lower()
    kinds = set(binary_types)
    return "*/*" in kinds or (bool(bare) and bare in kinds)


def http_answer(result: Any, accept: str, binary_types: Iterable[str]) -> Answer:
    """Translate a function's answer, or raise BadAnswer where API Gateway says 502.

    A base64 body is decoded only if the *first* type of Accept is a binary one; every other
    client gets the base64 text, as deployed.
    """
    if not isinstance(result, dict) or "errorMessage" in result:
        raise BadAnswer("not a proxy answer")
    body = _body(result, is_binary(accept.partition(",")[0], binary_types))
    return Answer(_status(result), _headers(result), body)


def _status(result: dict[str, Any]) -> int:
    status = result.get("statusCode", 200)
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    if type(status) is not int or not 200 <= status <= 599:
        raise BadAnswer("statusCode is not an HTTP status")
    return int(status)


def _headers(result: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Merge both header maps: where one name stands in both, the multi-value map wins."""
    single, multi = result.get("headers") or {}, result.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multi, dict):
        raise BadAnswer("headers are not a map")
    merged = {str(name).lower(): (str(name), [value]) for name, value in single.items()}
    for name, values in multi.items():
        if not isinstance(values, list):
            raise BadAnswer(f"multiValueHeaders.{name} is not a list")
        merged[str(name).lower()] = (str(name), values)
    merged.setdefault("content-type", ("Content-Type", ["application/json"]))
    return tuple(
        (_remapped(name), _header_value(name, value))
        for name, values in merged.values()
        for value in values
    )


def _remapped(name: str) -> str:
    return f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name


def _header_value(name: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else value
    text = str(text) if isinstance(text, int | float) else text
    if not isinstance(text, str) or any(c in text for c in "\r\n\0") or not text.isascii():
        raise BadAnswer(f"the value of {name} cannot be sent")
    return text


def _body(result: dict[str, Any], decode: bool) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadAnswer("body is not text")
    data = body.encode()
    if result.get("isBase64Encoded") and decode:
        try:
            data = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise BadAnswer("body is not base64") from None
    if len(data) > MAX_ANSWER:
        raise BadAnswer("body is over 6 MB")
    return data
