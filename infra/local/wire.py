"""Reads which cloud call an HTTP request is, and writes refusals the way its service would."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

Environ = dict[str, Any]
Answer = tuple[int, list[tuple[str, str]], bytes]

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/[^/]+/([^/]+)/aws4_request")
_REST = {"s3", "sesv2", "lambda", "scheduler", "apigateway"}


@dataclass(slots=True)
class Call:
    """One cloud call: boto's names of service and action, and its parameters."""

    service: str
    action: str
    access_key: str
    parameters: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    presigned: bool = False


def read(environ: Environ) -> Call | None:
    """The call a request makes; unsigned ones are S3's, or None where they are moto's own.

    Unsigned requests have no access key: they come from the S3 front, which has judged them.
    """
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    signed = environ.get("HTTP_AUTHORIZATION", "")
    presigned = "X-Amz-Credential" in query
    found = _SCOPE.search(f"Credential={query['X-Amz-Credential']}" if presigned else signed)
    if not found and environ["PATH_INFO"].startswith("/moto-api"):
        return None
    access_key, service = found.groups() if found else ("", "s3")
    if service == "ses" and environ["PATH_INFO"].startswith("/v2/"):
        service = "sesv2"
    call = Call(_boto_name(service), "", access_key, headers=_headers(environ), presigned=presigned)
    _fill(call, environ, query)
    return call


def _boto_name(service: str) -> str:
    return {"monitoring": "cloudwatch", "email": "ses"}.get(service, service)


def _headers(environ: Environ) -> dict[str, str]:
    return {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and isinstance(value, str)
    }


def _fill(call: Call, environ: Environ, query: dict[str, str]) -> None:
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        call.action = target.rsplit(".", 1)[-1]
        call.parameters = json.loads(_body(environ) or b"{}")
    elif call.service in _REST:
        _fill_rest(call, environ, query)
    else:
        form = parse_qs(_body(environ).decode(), keep_blank_values=True)
        call.parameters = {name: values[-1] for name, values in form.items()}
        call.action = call.parameters.get("Action", query.get("Action", ""))


def _fill_rest(call: Call, environ: Environ, query: dict[str, str]) -> None:
    from moto.core.request import Request
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import NotFound

    try:
        operation, in_path = get_service_router(call.service).match(Request(dict(environ)))
    except (NotFound, NotImplementedError):
        call.action = "Unknown"
        return
    call.action = operation.name
    call.parameters = {**query, **in_path}
    if call.service != "s3":
        body = _body(environ)
        call.parameters |= json.loads(body) if body[:1] == b"{" else {}


def _body(environ: Environ) -> bytes:
    """Read the body and put it back for whoever comes next."""
    if not environ.get("CONTENT_LENGTH"):
        return b""
    body: bytes = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["local.read"] = True
    return body


def refusal(service: str, status: int, code: str, message: str) -> Answer:
    """An error in the shape the service's clients parse: `code` is what boto shows."""
    if service == "s3":
        return _xml(
            status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        )
    if service in {"ses", "sts", "iam", "sns"}:
        inner = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message>"
        outer = f"<Error>{inner}</Error><RequestId>local</RequestId>"
        return _xml(status, f"<ErrorResponse>{outer}</ErrorResponse>")
    body = json.dumps({"__type": code, "message": message, "Message": message}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", code)]
    return status, headers, body


def _xml(status: int, text: str) -> Answer:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return status, [("Content-Type", "application/xml")], (head + text).encode()
