"""`/v1/vendor`: what a vendor's program may read and do, its own only."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.clock import to_text
from chalicelib.edge.callers import vendor_of
from chalicelib.edge.paging import cursor_of, limit_of, page
from chalicelib.edge.responses import as_json
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.catalog.rules import Application, Release
    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.call("GET", "/v1/vendor/applications")
def list_applications(request: Request) -> Response:
    limit = limit_of(request)
    found = wiring.catalog().of_vendor(vendor_of(request), cursor_of(request), limit + 1)
    shown = found[:limit]
    last = shown[-1].id if len(found) > limit else None
    return as_json(page([application_json(application) for application in shown], last))


@routes.call("GET", "/v1/vendor/releases")
def list_releases(request: Request) -> Response:
    limit = limit_of(request)
    rows, last = wiring.catalog().releases_of_vendor(vendor_of(request), cursor_of(request), limit)
    return as_json(page([release_json(release) for release in rows], last))


@routes.call("GET", "/v1/vendor/licenses")
def list_licenses(request: Request) -> Response:
    """Immutable facts of each license with its state; the customer is a pseudonym."""
    limit = limit_of(request)
    rows, last = wiring.licenses().of_vendor(vendor_of(request), cursor_of(request), limit)
    return as_json(page(rows, last))


@routes.call("GET", "/v1/vendor/usage")
def list_usage(request: Request) -> Response:
    """Totals a license and day, as of the last roll-up."""
    limit = limit_of(request)
    rows, last = wiring.usage().of_vendor(vendor_of(request), after=cursor_of(request), limit=limit)
    return as_json(page([asdict(row) for row in rows], last))


def application_json(application: Application) -> dict[str, Any]:
    return {
        "id": application.id,
        "slug": application.slug,
        "name": application.name,
        "summary": application.summary,
    }


def release_json(release: Release) -> dict[str, Any]:
    return {
        "id": release.id,
        "application": release.application_id,
        "version": release.version,
        "state": release.state,
        "published_at": to_text(release.published_at),
        "artifacts": [
            {
                "id": artifact.id,
                "platform": artifact.platform,
                "filename": artifact.filename,
                "size": artifact.size,
                "sha256": artifact.sha256,
            }
            for artifact in release.artifacts
        ],
    }
