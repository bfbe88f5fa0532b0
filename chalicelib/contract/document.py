"""The OpenAPI 3.1 document, from the access table and the models that validate requests.

Every route is in it: the calls for programs with what they take and answer, the pages with the
fields of their forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.contract.schemas import SCHEMAS, Schema, ref
from chalicelib.edge.access import ACCESS, Rule
from chalicelib.edge.paging import DEFAULT, MOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

JSON, FORM, PROBLEM = (
    "application/json",
    "application/x-www-form-urlencoded",
    "application/problem+json",
)
NAME = re.compile(r"\{(\w+)\}")
SECURITY: dict[Rule, list[dict[str, list[str]]]] = {
    Rule.PERSON: [{"session": []}],
    Rule.APPLICATION: [{"token": [], "proof": []}, {"licenseKey": [], "proof": []}],
    Rule.PROOF: [{"proof": []}],
    Rule.VENDOR: [{"vendorToken": []}],
    Rule.PROCESSOR: [{"processorSignature": []}],
}
SCHEMES: dict[str, Schema] = {
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-sid"},
    "token": {"type": "http", "scheme": "DPoP", "description": "An access token, RFC 9449."},
    "licenseKey": {"type": "http", "scheme": "License", "description": "A license key."},
    "proof": {"type": "apiKey", "in": "header", "name": "DPoP", "description": "RFC 9449."},
    "vendorToken": {"type": "http", "scheme": "bearer"},
    "processorSignature": {"type": "apiKey", "in": "header", "name": "Stripe-Signature"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call for programs: `body` names the model that validates it, `answer` a schema."""

    says: str
    answer: str
    body: str | None = None
    form: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    once: bool = False


LISTED = ("limit", "cursor")
CALLS: dict[str, Call] = {
    "POST /v1/device/code": Call(
        "Begin signing a computer in (RFC 8628).", "DeviceCode", form=("client_id",)
    ),
    "POST /v1/device/token": Call(
        "Exchange a device code or refresh token (RFC 8628, RFC 6749).",
        "Tokens",
        form=("grant_type", "client_id", "device_code", "refresh_token"),
    ),
    "POST /v1/licenses/check": Call(
        "What a launch would be told now; takes no seat.", "Verdict", "CheckBody"
    ),
    "POST /v1/launches": Call("Take a lease.", "Verdict", "LaunchBody"),
    "POST /v1/leases/{lease_id}/heartbeats": Call("Renew a lease.", "Verdict", "HeartbeatBody"),
    "POST /v1/leases/{lease_id}/end": Call("End a lease.", "Verdict", "EndBody"),
    "GET /v1/usage": Call(
        "Own usage by license and day, or by computer as well.",
        "NamedUsageRows",
        query=(*LISTED, "by"),
    ),
    "GET /v1/applications/{name}/release": Call(
        "What the launcher installs, by slug or id.", "InstallerRelease", query=("platform",)
    ),
    "GET /v1/keys": Call("The keys that leases, releases and receipts are signed with.", "KeySet"),
    "GET /v1/vendor/applications": Call(
        "The vendor's applications.", "VendorApplications", query=LISTED
    ),
    "GET /v1/vendor/releases": Call("The vendor's releases.", "VendorReleases", query=LISTED),
    "POST /v1/vendor/releases/{release_id}/withdraw": Call(
        "Offer a release no more, and let no launch of it start.", "VendorRelease", once=True
    ),
    "GET /v1/vendor/licenses": Call("The vendor's licenses.", "VendorLicenses", query=LISTED),
    "GET /v1/vendor/usage": Call("Usage by license and day.", "UsageRows", query=LISTED),
    "PATCH /v1/vendor/licenses/{license_id}": Call(
        "Set the seats, or when it ends; null takes the end away.",
        "VendorLicense",
        "LicenseChange",
        once=True,
    ),
    "POST /v1/vendor/licenses/{license_id}/suspend": Call(
        "Stop new launches now, running leases at their heartbeat.", "VendorLicense", once=True
    ),
    "POST /v1/vendor/licenses/{license_id}/reinstate": Call(
        "Lift a suspension.", "VendorLicense", once=True
    ),
    "POST /v1/vendor/licenses/{license_id}/revoke": Call(
        "End a license for good.", "VendorLicense", once=True
    ),
    "POST /webhooks/stripe": Call("An event of the card processor.", "Received"),
}
QUERIES: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT},
    "cursor": {"type": "string"},
    "by": {"enum": ["license", "computer"], "default": "license"},
    "platform": {"enum": ["linux", "macos", "windows"]},
}


def bodies() -> dict[str, Schema]:
    """The schemas of JSON bodies, from the dataclasses that validate them."""
    from chalicelib.edge.bodies import schema_of
    from chalicelib.licenses.bodies import CheckBody, EndBody, HeartbeatBody, LaunchBody
    from chalicelib.vendors.bodies import LicenseChange

    models = (CheckBody, LaunchBody, HeartbeatBody, EndBody, LicenseChange)
    return {model.__name__: schema_of(model) for model in models}


def forms() -> dict[str, Schema]:
    """The schemas of browsers' forms, from the pydantic models that validate them."""
    from chalicelib.accounts import forms as accounts
    from chalicelib.cases import forms as cases
    from chalicelib.identity import forms as identity
    from chalicelib.licenses import forms as licenses
    from chalicelib.mailings import forms as mailings
    from chalicelib.notices import forms as notices
    from chalicelib.payments import forms as payments
    from chalicelib.privacy import forms as privacy
    from chalicelib.rights import forms as rights
    from chalicelib.staff import forms as staff

    models: dict[str, type[BaseModel]] = {
        "POST /register": accounts.RegistrationForm,
        "POST /verify/{token}": accounts.ConfirmForm,
        "POST /contact": cases.ContactForm,
        "POST /login": accounts.LoginForm,
        "POST /logout": accounts.EmptyForm,
        "POST /logout/everywhere": accounts.EmptyForm,
        "POST /forgot": accounts.ForgotForm,
        "POST /reset/{token}": accounts.NewPasswordForm,
        "POST /account/setup": accounts.SetupForm,
        "POST /account/setup/zone": accounts.ZoneForm,
        "POST /account/setup/password": accounts.ChangePasswordForm,
        "POST /apps/{slug}/orders": payments.OrderForm,
        "POST /orders/{order_id}/checkout": payments.CheckoutForm,
        "POST /account/sessions/end": accounts.SessionForm,
        "POST /account/sessions/others": accounts.EmptyForm,
        "POST /account/email": accounts.EmailForm,
        "POST /account/privacy/choices": accounts.ChoiceForm,
        "POST /choices/{token}": accounts.EmptyForm,
        "POST /email/{token}": accounts.EmptyForm,
        "POST /email/stop/{token}": accounts.EmptyForm,
        "POST /email/undo/{token}": accounts.EmptyForm,
        "POST /account/privacy/deactivate": rights.DeactivateForm,
        "POST /account/privacy/erase": rights.EraseForm,
        "POST /account/privacy/erase/stop": accounts.EmptyForm,
        "POST /reactivate": rights.ReactivateForm,
        "POST /rights/{token}": rights.RightsForm,
        "POST /rights/{token}/details": accounts.EmptyForm,
        "POST /rights/{token}/correct": accounts.ProfileForm,
        "POST /rights/stop/{token}": accounts.EmptyForm,
        "POST /account/notices": notices.NoticesForm,
        "POST /account/notices/works-again": notices.WorksAgainForm,
        "POST /account/subscriptions/{license_id}/cancel": payments.CancelForm,
        "POST /account/subscriptions/{license_id}/keep": payments.CheckoutForm,
        "POST /account/subscriptions/{license_id}/card": payments.CardForm,
        "POST /account/licenses/{license_id}/people": licenses.InviteForm,
        "POST /account/licenses/{license_id}/people/end": licenses.PlaceForm,
        "POST /account/shared/{license_id}/leave": accounts.EmptyForm,
        "POST /invitations/{token}": accounts.EmptyForm,
        "POST /partners/{token}": accounts.EmptyForm,
        "POST /privacy/cookies": privacy.CookieForm,
        "POST /staff/login": staff.StaffLoginForm,
        "POST /staff/logout": accounts.EmptyForm,
        "POST /staff/policy": staff.PublishForm,
        "POST /staff/mailings": mailings.DraftForm,
        "POST /staff/mailings/{mailing_id}/text": mailings.TextForm,
        "POST /staff/mailings/{mailing_id}/submit": accounts.EmptyForm,
        "POST /staff/mailings/{mailing_id}/approve": mailings.ApproveForm,
        "POST /staff/mailings/{mailing_id}/refuse": mailings.RefuseForm,
        "POST /staff/mailings/{mailing_id}/schedule": mailings.ScheduleForm,
        "POST /staff/mailings/{mailing_id}/send": mailings.SendForm,
        "POST /staff/mailings/{mailing_id}/cancel": accounts.EmptyForm,
        "POST /account/computers/keys": licenses.KeyForm,
        "POST /account/computers/name": licenses.LabelForm,
        "POST /account/computers/end": licenses.LeaseForm,
        "POST /account/computers/block": licenses.ComputerForm,
        "POST /account/computers/unblock": licenses.ComputerForm,
        "POST /device": identity.DeviceForm,
    }
    found = {route: with_csrf(model.model_json_schema()) for route, model in models.items()}
    for route in ("POST /register", "POST /account/email"):
        found[route]["patternProperties"] = {"^choice_": CHOICE}
    return found


CHOICE: Schema = {
    "type": "string",
    "enum": ["yes", "no"],
    "description": "The answer to one question of the policy in force; each needs one.",
}


def with_csrf(schema: Schema) -> Schema:
    """The field that ties a form to its browser stands in every form."""
    found = {**schema, "properties": {**schema.get("properties", {}), "csrf": {"type": "string"}}}
    return {**found, "required": [*schema.get("required", []), "csrf"]}


def document(base_url: str) -> dict[str, Any]:
    """The whole document; the same text until the code changes."""
    posted = forms()
    paths: dict[str, dict[str, Any]] = {}
    for route, rule in ACCESS.items():
        method, path = route.split(" ")
        call = CALLS.get(route)
        operation = described(call) if call else page(route, posted)
        operation["parameters"] = parameters(path, call)
        operation["security"] = SECURITY.get(rule, [])
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cetrus", "version": "1.0.0", "summary": "License leases by the hour."},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {"schemas": {**SCHEMAS, **bodies()}, "securitySchemes": SCHEMES},
    }


def described(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": call.says,
        "tags": ["programs"],
        "responses": {
            "200": {"description": "Done.", "content": {JSON: {"schema": ref(call.answer)}}},
            "default": refusal(call),
        },
    }
    if call.body:
        found["requestBody"] = body_of(JSON, ref(call.body))
    if call.form:
        fields: dict[str, Schema] = {name: {"type": "string"} for name in call.form}
        found["requestBody"] = body_of(FORM, {"type": "object", "properties": fields})
    return found


def refusal(call: Call) -> dict[str, Any]:
    if call.form:
        return {"description": "Refused.", "content": {JSON: {"schema": ref("OAuthError")}}}
    return {"description": "Refused.", "content": {PROBLEM: {"schema": ref("Problem")}}}


def page(route: str, posted: Mapping[str, Schema]) -> dict[str, Any]:
    """A page, a file or a redirect."""
    found: dict[str, Any] = {
        "summary": f"Page {route.split(' ')[1]}",
        "tags": ["pages"],
        "responses": {
            "200": {"description": "The page.", "content": {"text/html": {}}},
            "303": {"description": "Elsewhere, named in Location."},
            "default": {"description": "A page that says what is wrong and what to do."},
        },
    }
    if route in posted:
        found["requestBody"] = body_of(FORM, posted[route])
    return found


def body_of(content_type: str, schema: Schema) -> dict[str, Any]:
    return {"required": True, "content": {content_type: {"schema": schema}}}


def parameters(path: str, call: Call | None) -> list[dict[str, Any]]:
    text: Schema = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in NAME.findall(path)
    ]
    for name in call.query if call else ():
        needed = name == "platform"
        found.append({"name": name, "in": "query", "required": needed, "schema": QUERIES[name]})
    if call and call.once:
        key = {"type": "string", "minLength": 1, "maxLength": 255}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": key})
    return found
