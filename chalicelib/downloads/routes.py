"""Downloads: the page in the account, and the same for the launcher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.catalog.rules import PLATFORMS
from chalicelib.core.errors import InvalidInput, NotFound
from chalicelib.edge.callers import account_of, application_of
from chalicelib.edge.pages import render
from chalicelib.edge.responses import as_json, html, leave
from chalicelib.edge.routes import Edge
from chalicelib.settings import settings

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.catalog.rules import Application, Artifact
    from chalicelib.edge.request import Request

routes = Edge(__name__)


@routes.page("/account/downloads")
def show_downloads(request: Request) -> Response:
    """The newest release of each licensed application, with checksums and signatures."""
    offers = wiring.downloads().offers(account_of(request))
    return html(render(request, "downloads/downloads.html", offers=offers))


@routes.page("/account/downloads/{artifact_id}")
def download(request: Request, artifact_id: str) -> Response:
    return leave(wiring.downloads().link(account_of(request), artifact_id))


@routes.call("GET", "/v1/applications/{name}/release")
def describe_release(request: Request, name: str) -> Response:
    """What the launcher installs on a platform, and by what it verifies it."""
    platform = request.query.get("platform", "")
    if platform not in PLATFORMS:
        raise InvalidInput(errors={"platform": f"One of {', '.join(PLATFORMS)}."})
    application, release = wiring.downloads().release(
        account_of(request), name, application_of(request)
    )
    artifact = release.artifact_for(platform)
    if artifact is None:
        raise NotFound(f"There is no installer for {platform} yet.")
    return as_json(artifact_json(application, artifact))


@routes.call("GET", "/v1/artifacts/{artifact_id}")
def download_artifact(request: Request, artifact_id: str) -> Response:
    """303 to a link that dies after 300 seconds; ask again for a fresh one."""
    only = application_of(request)
    return leave(wiring.downloads().link(account_of(request), artifact_id, only))


def artifact_json(application: Application, artifact: Artifact) -> dict[str, Any]:
    return {
        "application": application.id,
        "slug": application.slug,
        "name": application.name,
        "version": artifact.version,
        "platform": artifact.platform,
        "filename": artifact.filename,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "vendor_signature": artifact.vendor_signature,
        "countersignature": artifact.countersignature,
        "vendor_key": artifact.vendor_key,
        "url": f"{settings().base_url}/v1/artifacts/{artifact.id}",
    }
