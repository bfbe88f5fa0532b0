"""Small makers of answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chalice.app import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.edge.request import Request

HTML = "text/html; charset=utf-8"


def html(body: str, *, status: int = 200, cookies: tuple[str, ...] = ()) -> Response:
    return Response(body, status_code=status, headers=with_cookies({"Content-Type": HTML}, cookies))


def see_other(request: Request, path: str, *, cookies: tuple[str, ...] = ()) -> Response:
    """303 to one of our own paths, under whatever prefix the request came in."""
    return leave(request.base + path, cookies=cookies)


def leave(url: str, *, cookies: tuple[str, ...] = ()) -> Response:
    """303 to an absolute address that the caller has checked."""
    return Response("", status_code=303, headers=with_cookies({"Location": url}, cookies))


def as_json(
    value: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
    indent: int | None = None,
) -> Response:
    """Compact for programs; with `indent` for people too."""
    separators = (",", ": " if indent else ":")
    text = json.dumps(value, separators=separators, ensure_ascii=False, indent=indent)
    return Response(
        text, status_code=status, headers={"Content-Type": content_type, **(headers or {})}
    )


def with_cookies(headers: dict[str, Any], cookies: tuple[str, ...]) -> dict[str, Any]:
    return {**headers, "Set-Cookie": list(cookies)} if cookies else headers
