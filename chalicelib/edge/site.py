"""Routes that belong to no feature: the start page, ways out, and the meaning of a code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chalice.app import Response

from chalicelib import wiring
from chalicelib.core.errors import NotFound
from chalicelib.edge import exits
from chalicelib.edge.pages import ASSETS, asset, render
from chalicelib.edge.responses import as_json, html
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalicelib.edge.request import Request

routes = Edge(__name__)

TYPES = {"css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
ASSET = re.compile(r"(?P<stem>[a-z-]+)\.(?P<digest>[0-9a-f]{12})\.(?P<suffix>css|svg)")
FOREVER = "public, max-age=31536000, immutable"
GPC = {"gpc": True, "lastUpdate": "2026-11-25"}


@routes.page("/assets/{name}")
def show_asset(request: Request, name: str) -> Response:
    """Cached for good: the address carries the digest of what it names."""
    match = ASSET.fullmatch(name)
    file = f"{match['stem']}.{match['suffix']}" if match else ""
    if not match or not (ASSETS / file).is_file() or asset(file)[1] != match["digest"]:
        raise NotFound
    headers = {"Content-Type": TYPES[match["suffix"]], "Cache-Control": FOREVER}
    return Response(asset(file)[0].decode(), headers=headers)


@routes.page("/")
def show_home(request: Request) -> Response:
    """Says for thirty days what a new version of the policy changed (PS-78): one read."""
    return html(render(request, "edge/home.html", changes=wiring.publishing().recent()))


@routes.page("/status")
def show_status(request: Request) -> Response:
    """That the front door answers; a program that asks for JSON gets it."""
    if "application/json" in request.headers.get("accept", ""):
        return as_json({"status": "ok"})
    return html(render(request, "edge/status.html"))


@routes.page("/problems")
def show_problems(request: Request) -> Response:
    from chalicelib.edge.problem_codes import codes

    return html(render(request, "edge/problems.html", codes=codes()))


@routes.page("/problems/{code}")
def show_problem(request: Request, code: str) -> Response:
    """Stable: the `type` of every problem leads here."""
    from chalicelib.edge.problem_codes import codes

    if code not in codes():
        raise NotFound
    return html(render(request, "edge/problem.html", error=codes()[code], code=code))


@routes.page("/exit")
def show_exit(request: Request) -> Response:
    """Names the site that the link leads to; nothing is followed by itself.

    The look is counted by site and day, and by nothing else (PS-28).
    """
    url = exits.read_target(request.query.get("to", ""), wiring.keyed())
    if request.method == "GET":
        wiring.exit_counts().count(exits.host_of(url))
    return html(render(request, "edge/exit.html", url=url, host=exits.host_of(url)))


@routes.page("/.well-known/gpc.json")
def show_gpc(request: Request) -> Response:
    """We take Global Privacy Control as an opt-out."""
    return as_json(GPC)
