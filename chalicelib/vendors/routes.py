"""`/v1/vendor`: what a vendor's program may read and do, its own only."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.clock import to_text
from chalicelib.core.errors import InvalidInput
from chalicelib.edge.callers import vendor_of
from chalicelib.edge.idempotency import once
from chalicelib.edge.paging import cursor_of, limit_of, page
from chalicelib.edge.responses import as_json
from chalicelib.edge.routes import Edge

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalice.app import Response

    from chalicelib.catalog.rules import Application, Plan, Release
    from chalicelib.core.caller import Caller
    from chalicelib.edge.request import Request
    from chalicelib.licenses.service import Ownership
    from chalicelib.licenses.values import Head

routes = Edge(__name__)


def program(request: Request) -> Caller | None:
    """The vendor whose program's token came with the request."""
    return wiring.vendors().caller(request.headers.get("authorization", ""))


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


@routes.call("POST", "/v1/vendor/releases/{release_id}/withdraw")
def withdraw_release(request: Request, release_id: str) -> Response:
    """For good: it is offered no more, and within a minute no launch of it starts."""
    vendor_id = vendor_of(request)

    def work() -> dict[str, Any]:
        return release_json(wiring.catalog().withdraw(vendor_id, release_id))

    require_empty(request)
    return once(request, wiring.usage_table(), wiring.now(), work)


@routes.call("GET", "/v1/vendor/licenses")
def list_licenses(request: Request) -> Response:
    """Immutable facts of each license with its state; the customer is a pseudonym."""
    limit = limit_of(request)
    found = wiring.licenses().of_vendor(vendor_of(request), cursor_of(request), limit + 1)
    shown = found[:limit]
    last = shown[-1].license if len(found) > limit else None
    return as_json(page([license_json(owned) for owned in shown], last))


@routes.call("POST", "/v1/vendor/licenses/{license_id}/suspend")
def suspend_license(request: Request, license_id: str) -> Response:
    """Stops new launches at once and running leases at their next heartbeat."""
    return change(request, license_id, wiring.licenses().suspend)


@routes.call("POST", "/v1/vendor/licenses/{license_id}/reinstate")
def reinstate_license(request: Request, license_id: str) -> Response:
    return change(request, license_id, wiring.licenses().reinstate)


@routes.call("POST", "/v1/vendor/licenses/{license_id}/revoke")
def revoke_license(request: Request, license_id: str) -> Response:
    """For good."""
    return change(request, license_id, wiring.licenses().revoke)


@routes.call("PATCH", "/v1/vendor/licenses/{license_id}")
def change_license(request: Request, license_id: str) -> Response:
    """Sets the seats, or when it ends; what runs goes on within what is left."""
    from chalicelib.vendors.bodies import read_change

    owned = wiring.licenses().sold(vendor_of(request), license_id)
    wanted = read_change(request)

    def work() -> dict[str, Any]:
        if "seats" in wanted:
            wiring.licenses().set_seats(owned.license, wanted["seats"])
        if "ends_at" in wanted:
            wiring.licenses().end_at(owned.license, wanted["ends_at"])
        return license_json(owned)

    return once(request, wiring.usage_table(), wiring.now(), work)


def change(request: Request, license_id: str, act: Callable[[str], Head]) -> Response:
    """Look the license up under the vendor's own id, then act, once a key."""
    owned = wiring.licenses().sold(vendor_of(request), license_id)

    def work() -> dict[str, Any]:
        act(owned.license)
        return license_json(owned)

    require_empty(request)
    return once(request, wiring.usage_table(), wiring.now(), work)


def require_empty(request: Request) -> None:
    """These calls say everything in their address: the body is empty, or an empty object."""
    if request.body().strip() not in {b"", b"{}"}:
        raise InvalidInput(errors={"body": "This call takes no body."})


@routes.call("GET", "/v1/vendor/usage")
def list_usage(request: Request) -> Response:
    """Totals a license and day, as of the last roll-up."""
    limit = limit_of(request)
    rows, last = wiring.usage().of_vendor(vendor_of(request), after=cursor_of(request), limit=limit)
    return as_json(page([asdict(row) for row in rows], last))


def license_json(owned: Ownership) -> dict[str, Any]:
    licenses = wiring.licenses()
    head = licenses.head(owned.license)
    return {
        "id": owned.license,
        "application": owned.application,
        "plan": owned.plan,
        "plan_name": owned.plan_name,
        "terms": owned.terms,
        "customer": licenses.person(owned.account, owned.application),
        "state": head.standing if head else "revoked",
        "kind": head.terms.kind if head else None,
        "seats": len(head.slots) if head and head.slots is not None else None,
        "ends_at": to_text(head.ends_at) if head and head.ends_at is not None else None,
        "granted_at": to_text(owned.granted_at),
    }


def application_json(application: Application) -> dict[str, Any]:
    return {
        "id": application.id,
        "slug": application.slug,
        "name": application.name,
        "summary": application.summary,
        "plans": [plan_json(plan) for plan in wiring.catalog().plans(application.id)],
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """Money in minor units of its currency, the rate in millionths of them."""
    terms = plan.terms
    return {
        "id": plan.id,
        "kind": plan.kind,
        "name": plan.name,
        "currency": plan.currency,
        "terms": terms.version,
        "rate": terms.rate,
        "price": terms.price,
        "free_ms": terms.free_ms,
        "prepaid_ms": terms.prepaid_ms,
        "valid_ms": terms.valid_ms,
        "period_months": terms.period_months,
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
