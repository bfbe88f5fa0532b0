"""JSON Schemas of what the calls for programs answer."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    """An object; all of it is required unless said otherwise. Readers must ignore what is new."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def items_of(name: str) -> Schema:
    """A page of a list: `next` is the cursor of the page behind it, null on the last."""
    return record(
        {"items": {"type": "array", "items": ref(name)}, "next": {"type": ["string", "null"]}}
    )


TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
KIND: Schema = {"enum": ["metered", "pass", "subscription", "trial"]}
JWS: Schema = {"type": "string", "description": "A compact JWS by a key of /v1/keys."}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
KEY: Schema = {"type": "object", "description": "A public JWK."}
ARTIFACT = {"filename": TEXT, "size": COUNT, "sha256": DIGEST}

SCHEMAS: dict[str, Schema] = {
    "Problem": record(
        {
            "type": {"type": "string", "format": "uri"},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "code": {"type": "string", "description": "Stable; each has its page."},
            "errors": {"type": "array", "items": record({"field": TEXT, "detail": TEXT})},
        },
        ["type", "title", "status", "detail", "code"],
    ),
    "OAuthError": record({"error": TEXT, "error_description": TEXT}, ["error"]),
    "Notice": record({"code": TEXT, "detail": TEXT}),
    "Screen": record({"id": TEXT, "sha256": DIGEST, "title": TEXT, "body": TEXT}),
    "Quote": record(
        {
            "rate": {"type": "integer", "description": "10⁻⁶ minor units an hour."},
            "per": {"const": "hour"},
            "currency": TEXT,
            "terms": {"type": "integer"},
            "free_ms": COUNT,
            "kind": KIND,
            "cost": {"type": "string", "description": "What this start costs, in words."},
            "ends_at": {"type": ["string", "null"], "format": "date-time"},
        },
        ["rate", "per", "currency", "terms", "free_ms"],
    ),
    "Verdict": record(
        {
            "valid": {"type": "boolean", "description": "Decides; `code` explains."},
            "code": TEXT,
            "detail": TEXT,
            "notices": {"type": "array", "items": ref("Notice")},
            "retry_after": {"type": "integer", "minimum": 1, "description": "Seconds."},
            "lease": JWS,
            "screen": ref("Screen"),
            "quote": ref("Quote"),
            "receipt": JWS,
            "verdict": {**JWS, "description": "The refusal, signed for this very question."},
        },
        ["valid", "code", "detail", "notices"],
    ),
    "KeySet": record({"keys": {"type": "array", "items": KEY}}),
    "UsageRow": record(
        {
            "application": TEXT,
            "license": TEXT,
            "day": DAY,
            "computer": {**TEXT, "description": "Where computers are told apart: its thumbprint."},
            "milliseconds": COUNT,
        },
        ["application", "license", "day", "milliseconds"],
    ),
    "UsageRows": items_of("UsageRow"),
    "NamedUsageRows": record(
        {
            **items_of("UsageRow")["properties"],
            "names": {
                "type": "object",
                "description": "Names of the ids in the rows: of applications, and of plans.",
                "additionalProperties": TEXT,
            },
        }
    ),
    "InstallerRelease": record(
        {
            "application": TEXT,
            "slug": TEXT,
            "name": TEXT,
            "version": TEXT,
            "platform": TEXT,
            **ARTIFACT,
            "vendor_signature": {**JWS, "description": "By the vendor's registered key."},
            "countersignature": JWS,
            "vendor_key": KEY,
            "url": {"type": "string", "format": "uri"},
        }
    ),
    "VendorPlan": record(
        {
            "id": TEXT,
            "kind": KIND,
            "name": TEXT,
            "currency": TEXT,
            "terms": {"type": "integer", "description": "Version of the terms."},
            "rate": {**COUNT, "description": "10⁻⁶ minor units an hour."},
            "price": {
                **COUNT,
                "description": "Minor units: of a whole pass, or of a seat and period.",
            },
            "free_ms": COUNT,
            "prepaid_ms": MAYBE_COUNT,
            "valid_ms": MAYBE_COUNT,
            "period_months": MAYBE_COUNT,
        }
    ),
    "VendorApplication": record(
        {
            "id": TEXT,
            "slug": TEXT,
            "name": TEXT,
            "summary": TEXT,
            "plans": {"type": "array", "items": ref("VendorPlan")},
        }
    ),
    "VendorApplications": items_of("VendorApplication"),
    "VendorRelease": record(
        {
            "id": TEXT,
            "application": TEXT,
            "version": TEXT,
            "state": {"enum": ["published", "withdrawn"]},
            "published_at": TIME,
            "artifacts": {
                "type": "array",
                "items": record({"id": TEXT, "platform": TEXT, **ARTIFACT}),
            },
        }
    ),
    "VendorReleases": items_of("VendorRelease"),
    "VendorLicense": record(
        {
            "id": TEXT,
            "application": TEXT,
            "plan": TEXT,
            "plan_name": TEXT,
            "terms": {"type": "integer"},
            "customer": {"type": "string", "description": "A pseudonym toward this application."},
            "state": TEXT,
            "kind": {"enum": [*KIND["enum"], None]},
            "seats": MAYBE_COUNT,
            "ends_at": {"type": ["string", "null"], "format": "date-time"},
            "granted_at": TIME,
        }
    ),
    "VendorLicenses": items_of("VendorLicense"),
    "DeviceCode": record(
        {
            "device_code": TEXT,
            "user_code": TEXT,
            "verification_uri": TEXT,
            "verification_uri_complete": TEXT,
            "expires_in": COUNT,
            "interval": COUNT,
        },
        ["device_code", "user_code", "verification_uri", "expires_in", "interval"],
    ),
    "Tokens": record(
        {
            "access_token": TEXT,
            "token_type": {"const": "DPoP"},
            "expires_in": COUNT,
            "refresh_token": TEXT,
        }
    ),
    "Received": record({"received": {"const": True}}),
}
