"""The gateway's own errors, answered through the template's GatewayResponses.

A response of API Gateway has one status and its bodies by media type for the whole API: it cannot
differ by path. What a path must answer otherwise is the app's, by a `{proxy+}` route.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.front.http import Answer, Request

EXTENSION = "x-amazon-apigateway-gateway-responses"
DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}
VARIABLE = re.compile(r"\$(context|stageVariables|method)\.([\w.\-]+\w)")


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of error the gateway makes, with what API Gateway says where nothing is customized."""

    kind: str
    status: int
    error_type: str
    message: str

    @property
    def fallback(self) -> str:
        return "DEFAULT_4XX" if self.status < 500 else "DEFAULT_5XX"


UNKNOWN_ROUTE = Fault(
    "MISSING_AUTHENTICATION_TOKEN",
    403,
    "MissingAuthenticationTokenException",
    "Missing Authentication Token",
)
TOO_LARGE = Fault("REQUEST_TOO_LARGE", 413, "RequestTooLargeException", "Request Too Long")
BAD_FUNCTION = Fault("DEFAULT_5XX", 502, "InternalServerErrorException", "Internal server error")
TIMED_OUT = Fault(
    "INTEGRATION_TIMEOUT", 504, "EndpointRequestTimedOutException", "Endpoint request timed out"
)


class GatewayResponses:
    """Answers a fault as the template says: its status, its headers, its body by Accept."""

    def __init__(self, swagger: Mapping[str, Any]) -> None:
        self.customized: Mapping[str, Any] = swagger.get(EXTENSION) or {}

    def answer(self, fault: Fault, request: Request, context: Mapping[str, Any]) -> Answer:
        """Render the fault; `context` holds requestId, path, stage and the like."""
        custom = self.customized.get(fault.kind) or self.customized.get(fault.fallback) or {}
        variables = _Variables(request, {**context, "error": _error(fault)})
        templates = custom.get("responseTemplates") or DEFAULT_TEMPLATES
        media_type = choose(request.header("Accept"), list(templates))
        headers = {
            "content-type": ("Content-Type", media_type),
            "x-amzn-requestid": ("x-amzn-RequestId", str(context.get("requestId", ""))),
            "x-amzn-errortype": ("x-amzn-ErrorType", fault.error_type),
        }
        for name, value in _custom_headers(custom, variables):
            headers[name.lower()] = (name, value)
        body = variables.fill(templates[media_type]).encode()
        return Answer(int(custom.get("statusCode") or fault.status), tuple(headers.values()), body)


def resolved(value: Any, parameters: Mapping[str, str]) -> Any:
    """Fill in `Ref` and `Fn::Sub` of the stack's parameters, the only intrinsics taken here."""
    if isinstance(value, list):
        return [resolved(item, parameters) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return parameters[value["Ref"]]
    if set(value) == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return re.sub(r"\$\{(\w+)\}", lambda found: parameters[found[1]], value["Fn::Sub"])
    return {name: resolved(item, parameters) for name, item in value.items()}


def _error(fault: Fault) -> dict[str, str]:
    return {
        "message": fault.message,
        "messageString": json.dumps(fault.message),
        "responseType": fault.kind,
    }


def _custom_headers(custom: Mapping[str, Any], variables: _Variables) -> list[tuple[str, str]]:
    parameters: Mapping[str, str] = custom.get("responseParameters") or {}
    return [
        (name.removeprefix("gatewayresponse.header."), variables.value(str(expression)))
        for name, expression in parameters.items()
        if name.startswith("gatewayresponse.header.")
    ]


@dataclass(frozen=True, slots=True)
class _Variables:
    """The simple substitutions of gateway responses: `$context.x`, `$method.request.header.x`."""

    request: Request
    context: Mapping[str, Any]

    def fill(self, template: str) -> str:
        return VARIABLE.sub(lambda found: self._look_up(found[1], found[2]), template)

    def value(self, expression: str) -> str:
        """Evaluate a response parameter: `'literal'`, or a variable without its dollar sign."""
        if expression.startswith("'"):
            return expression[1:-1]
        root, _, rest = expression.partition(".")
        return self._look_up(root, rest)

    def _look_up(self, root: str, name: str) -> str:
        if root == "method":
            header = name.removeprefix("request.header.")
            return (self.request.header(header) or "") if header != name else ""
        value: Any = self.context if root == "context" else {}
        for part in name.split("."):
            value = value.get(part, "") if isinstance(value, Mapping) else ""
        return str(value)


def choose(accept: str | None, offered: list[str]) -> str:
    """Pick the offered media type that Accept likes best; where none fits, a JSON one."""
    default = next((m for m in sorted(offered) if m.endswith(("/json", "+json"))), offered[0])
    for wanted in _preferred(accept or "*/*"):
        if wanted == "*/*":
            return default
        for media_type in offered:
            if wanted in (media_type, media_type.partition("/")[0] + "/*"):
                return media_type
    return default


def _preferred(accept: str) -> list[str]:
    ranked = [_weighed(part) for part in accept.split(",") if part.strip()]
    ranked.sort(key=lambda pair: -pair[0])
    return [media_type for weight, media_type in ranked if weight > 0]


def _weighed(part: str) -> tuple[float, str]:
    media_type, _, parameters = part.partition(";")
    found = re.search(r"\bq\s*=\s*([01](?:\.\d{0,3})?)", parameters)
    return float(found[1]) if found else 1.0, media_type.strip().lower()
