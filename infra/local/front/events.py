"""The event that API Gateway hands to a function for one request (Lambda proxy, REST API)."""

from __future__ import annotations

import base64
import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.local.front.http import Request
    from infra.local.front.routes import Match

ACCOUNT = "123456789012"
API_ID = "local"
DROPPED = frozenset(
    {"connection", "keep-alive", "te", "transfer-encoding", "content-length", "expect"}
)
"""Request headers that end at the gateway."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request arrived: `path` without the stage, `full_path` as the viewer wrote it."""

    path: str
    full_path: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """The facts of one request that belong to the gateway: its id, its instant, who sent it."""

    request_id: str
    at: float
    viewer: str


def address_of(path: str, stage: str) -> Address:
    """Read a path under the stage as the execute-api URL, all else as a domain's root."""
    prefix = f"/{stage}"
    if path == prefix or path.startswith(f"{prefix}/"):
        return Address(path.removeprefix(prefix) or "/", path)
    return Address(path, path)


def viewer_of(request: Request) -> str:
    """Return the viewer's address: the last entry of X-Forwarded-For, else who connected."""
    last = (request.header("X-Forwarded-For") or "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return request.peer


def proxy_event(
    request: Request, match: Match, address: Address, arrival: Arrival, stage: str, binary: bool
) -> dict[str, Any]:
    """Build the event; repeated headers and parameters stand whole in the multi-value maps."""
    headers = _grouped(_one_spelling(_forwarded(request)))
    query = _grouped(parse_qsl(request.query, keep_blank_values=True))
    return {
        "resource": match.resource.path,
        "path": address.path,
        "httpMethod": request.method,
        "headers": _last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": match.parameters or None,
        "stageVariables": None,
        "requestContext": _context(request, match, address, arrival, stage),
        "body": _body(request.body, binary),
        "isBase64Encoded": binary and bool(request.body),
    }


def _body(body: bytes, binary: bool) -> str | None:
    if not body:
        return None
    return base64.b64encode(body).decode() if binary else body.decode("utf-8", "replace")


def _forwarded(request: Request) -> list[tuple[str, str]]:
    """Return the headers a function sees; who and how is the gateway's to say, not the viewer's."""
    own = {"x-forwarded-proto", "x-forwarded-port"}
    kept = [(k, v) for k, v in request.headers if k.lower() not in DROPPED | own]
    if request.header("X-Forwarded-For") is None:
        kept.append(("X-Forwarded-For", request.peer))
    port = (request.header("Host") or "").rpartition(":")[2]
    return [*kept, ("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", port)]


def _one_spelling(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Spell a repeated header as it came first."""
    spelling: dict[str, str] = {}
    return [(spelling.setdefault(name.lower(), name), value) for name, value in headers]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return groups


def _last(groups: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in groups.items()}


def _context(
    request: Request, match: Match, address: Address, arrival: Arrival, stage: str
) -> dict[str, Any]:
    host = (request.header("Host") or "localhost").partition(":")[0]
    moment = time.gmtime(arrival.at)
    return {
        "accountId": ACCOUNT,
        "apiId": API_ID,
        "deploymentId": "local",
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "extendedRequestId": arrival.request_id,
        "httpMethod": request.method,
        "identity": _identity(request, arrival.viewer),
        "path": address.full_path,
        "protocol": "HTTP/1.1",
        "requestId": arrival.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", moment),
        "requestTimeEpoch": int(arrival.at * 1000),
        "resourceId": match.resource.path,
        "resourcePath": match.resource.path,
        "stage": stage,
    }


def _identity(request: Request, viewer: str) -> dict[str, str | None]:
    unknown = (
        "accessKey accountId caller cognitoAuthenticationProvider cognitoAuthenticationType "
        "cognitoIdentityId cognitoIdentityPoolId principalOrgId user userArn"
    )
    identity: dict[str, str | None] = dict.fromkeys(unknown.split())
    return {**identity, "sourceIp": viewer, "userAgent": request.header("User-Agent")}
