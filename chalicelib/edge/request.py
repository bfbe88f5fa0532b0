"""What a view is given: the request as frozen plain values, with who is calling."""

from __future__ import annotations

from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from chalicelib.core.caller import Caller
from chalicelib.core.errors import Malformed, TooLarge
from chalicelib.edge.cookies import INTEREST

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Caller", "Request", "path_value", "read_request"]

MAX_FORM = 64 * 1024
MAX_PATH_VALUE = 512


@dataclass(frozen=True, slots=True)
class Request:
    """`base` is the prefix that links need: empty behind a custom domain, else the stage.

    `interest` is set where the view is not told who calls, and nowhere else (PS-22).
    """

    method: str
    resource: str
    path: str
    base: str
    headers: dict[str, str] = field(repr=False)
    query: dict[str, str] = field(repr=False)
    cookies: dict[str, str] = field(repr=False)
    raw_body: bytes = field(repr=False)
    caller: Caller | None = None
    interest: str = ""

    @property
    def wants_html(self) -> bool:
        return not self.path.startswith(("/v1/", "/webhooks/")) and "text/html" in self.headers.get(
            "accept", "text/html"
        )

    @property
    def opts_out(self) -> bool:
        """Whether the browser says so for everything optional: Global Privacy Control."""
        return opts_out(self.headers)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def body(self, limit: int = MAX_FORM) -> bytes:
        """The raw body; TooLarge over the limit, before anything looks at it."""
        if len(self.raw_body) > limit:
            raise TooLarge
        return self.raw_body


def read_request(original: dict[str, Any], raw_body: bytes) -> Request:
    """From a REST proxy event that was blinded already."""
    context = original["requestContext"]
    path = original["path"]
    headers = {name.lower(): value for name, value in (original.get("headers") or {}).items()}
    return Request(
        method=original["httpMethod"],
        resource=original["resource"],
        path=path,
        base=context["path"].removesuffix(path) if context["path"] != path else "",
        headers=headers,
        query=dict(original.get("queryStringParameters") or {}),
        cookies=without_interest(read_cookies(headers.get("cookie", ""))),
        raw_body=raw_body,
    )


def read_cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


def opts_out(headers: Mapping[str, str]) -> bool:
    """Global Privacy Control, which counts as a no; names are in small letters."""
    return headers.get("sec-gpc", "").strip() == "1"


def without_interest(cookies: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in cookies.items() if name != INTEREST.name}


def path_value(raw: str) -> str:
    """One path parameter, decoded; Malformed where it holds what no id holds."""
    value = unquote(raw, errors="strict") if "%" in raw else raw
    if len(value) > MAX_PATH_VALUE or not value.isprintable():
        raise Malformed("The address is not one of ours.")
    return value
