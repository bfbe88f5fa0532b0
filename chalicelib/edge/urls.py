"""Absolute addresses of our own pages, for the processor and for mails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.settings import settings

if TYPE_CHECKING:
    from chalicelib.edge.request import Request


def absolute(request: Request, path: str) -> str:
    """An address on our own host under the prefix of the request; never from a Host header."""
    root = settings().base_url
    return f"{root.removesuffix(request.base)}{request.base}{path}"
