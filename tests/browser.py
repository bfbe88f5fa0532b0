"""A browser's side of the front door: REST events in, pages out, cookies kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import app
from tests.context import CONTEXT

FORM_TYPE = "application/x-www-form-urlencoded"
CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    cookies: tuple[str, ...]
    text: str

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def words(self) -> str:
        """What a person reads."""
        body = re.sub(r"(?s)^.*<main[^>]*>", "", self.text)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@dataclass
class Browser:
    """Keeps its cookies; `stage` is the prefix that the gateway adds where there is no domain."""

    stage: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, b"", headers)

    def post(self, path: str, fields: dict[str, str], *, page: str | None = None) -> Answer:
        """Fill in the form of a page, which is the path itself unless named, and send it."""
        return self.post_raw(path, urlencode({"csrf": self.token(page or path), **fields}).encode())

    def post_raw(self, path: str, body: bytes, content_type: str = FORM_TYPE) -> Answer:
        return self.send("POST", path, body, {"content-type": content_type})

    def token(self, page: str) -> str:
        found = CSRF.findall(self.get(page).text)
        assert found, f"no form on {page}"
        return str(found[-1])

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        raw = app.app(self.event(method, path, body, headers), CONTEXT)
        several = raw.get("multiValueHeaders") or {}
        set_cookies = tuple(several.get("Set-Cookie", ()))
        for line in set_cookies:
            self.keep(line)
        return Answer(raw["statusCode"], raw["headers"], set_cookies, raw["body"])

    def keep(self, line: str) -> None:
        ((name, morsel),) = SimpleCookie(line).items()
        if morsel["max-age"] == "0":
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = morsel.value

    def event(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        parts = urlsplit(path)
        resource, values = matched(parts.path)
        sent = {"accept": "text/html", **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        query = dict(parse_qsl(parts.query)) or None
        return {
            "resource": resource,
            "path": parts.path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": query and {n: [v] for n, v in query.items()},
            "pathParameters": values,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": resource,
                "httpMethod": method,
                "path": self.stage + parts.path,
                "requestId": "00000000-0000-0000-0000-000000000000",
                "identity": {"sourceIp": "203.0.113.9"},
            },
            "body": body.decode("latin-1") if body else None,
            "isBase64Encoded": False,
        }


def matched(path: str) -> tuple[str, dict[str, str] | None]:
    """The route that the gateway would choose: words before parameters."""
    routes = sorted(app.app.routes, key=lambda route: route.count("{"))
    for route in routes:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route)
        if match := re.fullmatch(pattern, path):
            return route, match.groupdict() or None
    raise LookupError(f"the gateway knows no {path}")
