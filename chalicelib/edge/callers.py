"""The ids that a view may rely on, because the access table let the request through."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.edge.request import Request


def account_of(request: Request) -> str:
    """The account that a person or an application speaks for."""
    return _caller_id(request, {"person", "application"})


def application_of(request: Request) -> str:
    """The application that a program's credential is for."""
    _caller_id(request, {"application"})
    return str(request.caller.claims["application"]) if request.caller else ""


def vendor_of(request: Request) -> str:
    """The vendor that a program speaks for."""
    return _caller_id(request, {"vendor"})


def member_of(request: Request) -> str:
    """The member of staff who is signed in."""
    return _caller_id(request, {"staff"})


def _caller_id(request: Request, kinds: set[str]) -> str:
    if request.caller is None or request.caller.kind not in kinds:
        raise LookupError("the access table admits another kind of caller here")
    return request.caller.id
