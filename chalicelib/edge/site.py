"""Routes that belong to no feature: assets, the state of the service, the meaning of a code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalice.app import Response

from chalicelib.core.errors import NotFound
from chalicelib.edge.pages import ASSETS, asset, render
from chalicelib.edge.responses import as_json, html
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalicelib.edge.request import Request

routes = Edge(__name__)

TYPES = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
ASSET = re.compile(r"(?P<stem>[a-z-]+)\.(?P<digest>[0-9a-f]{12})\.(?P<suffix>css|svg)")
FOREVER = "public, max-age=31536000, immutable"


@routes.page("/assets/{name}")
def show_asset(request: Request, name: str) -> Response:
    """Cached for good: the address carries the digest of what it names."""
    match = ASSET.fullmatch(name)
    file = f"{match['stem']}.{match['suffix']}" if match else ""
    if not match or not (ASSETS / file).is_file() or asset(file)[1] != match["digest"]:
        raise NotFound
    headers = {"Content-Type": TYPES[match["suffix"]], "Cache-Control": FOREVER}
    return Response(asset(file)[0].decode(), headers=headers)


@routes.page("/status")
def show_status(request: Request) -> Response:
    """That the front door answers; a program that asks for JSON gets it."""
    if "application/json" in request.headers.get("accept", ""):
        return as_json({"status": "ok"})
    return html(render(request, "edge/status.html"))
