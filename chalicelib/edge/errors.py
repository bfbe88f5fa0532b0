"""Errors as their reader wants them: a page for a browser, an RFC 9457 problem for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.edge.responses import as_json, html
from chalicelib.settings import settings

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.core.errors import CetrusError
    from chalicelib.edge.request import Request

PROBLEM = "application/problem+json"


def problem(error: CetrusError) -> dict[str, Any]:
    """`type` leads to the code's page; `errors` names the fields where fields are at fault."""
    body: dict[str, Any] = {
        "type": f"{settings().base_url}/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors:
        body["errors"] = [{"field": name, "detail": text} for name, text in error.errors.items()]
    return body


def answer_error(request: Request, error: CetrusError) -> Response:
    if not request.wants_html:
        return as_json(
            problem(error), status=error.status, headers=error.headers, content_type=PROBLEM
        )
    from chalicelib.edge.pages import render

    page = html(render(request, "edge/error.html", error=error), status=error.status)
    page.headers.update(error.headers)
    return page
