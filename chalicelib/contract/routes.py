"""`/v1/openapi.json`: the contract for programs, made from the code that keeps it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.edge.responses import as_json
from chalicelib.edge.routes import Edge
from chalicelib.settings import settings

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.call("GET", "/v1/openapi.json")
def show_contract(request: Request) -> Response:
    return as_json(contract(), headers={"Cache-Control": "public, max-age=300"})


@cache
def contract() -> dict[str, Any]:
    from chalicelib.contract.document import document

    return document(settings().base_url)
