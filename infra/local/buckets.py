"""How a bucket's properties in the template are put by calls of the S3 API."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def bucket_calls(given: Json) -> list[tuple[str, str, str, Any]]:
    """(property, method, argument, value): how properties are put after it is created."""
    encryption = given.get("BucketEncryption", {})
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
            "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
        }
        for rule in encryption.get("ServerSideEncryptionConfiguration", [])
    ]
    cors = [
        {
            ("ExposeHeaders" if key == "ExposedHeaders" else key): value
            for key, value in rule.items()
        }
        for rule in given.get("CorsConfiguration", {}).get("CorsRules", [])
    ]
    lifecycle = [
        _lifecycle(rule) for rule in given.get("LifecycleConfiguration", {}).get("Rules", [])
    ]
    public, ownership = "PublicAccessBlockConfiguration", "OwnershipControls"
    versions, lock = "VersioningConfiguration", "ObjectLockConfiguration"
    return [
        (
            "BucketEncryption",
            "put_bucket_encryption",
            "ServerSideEncryptionConfiguration",
            {"Rules": rules},
        ),
        ("CorsConfiguration", "put_bucket_cors", "CORSConfiguration", {"CORSRules": cors}),
        (
            "LifecycleConfiguration",
            "put_bucket_lifecycle_configuration",
            "LifecycleConfiguration",
            {"Rules": lifecycle},
        ),
        (public, "put_public_access_block", public, given.get(public)),
        (ownership, "put_bucket_ownership_controls", ownership, given.get(ownership)),
        (versions, "put_bucket_versioning", versions, given.get(versions)),
        (lock, "put_object_lock_configuration", lock, _lock(given.get(lock))),
    ]


def _lock(given: Json | None) -> Json | None:
    """A number that came by a parameter is text, which the API refuses."""
    if given is None:
        return None
    retention = given["Rule"]["DefaultRetention"]
    return {**given, "Rule": {"DefaultRetention": {**retention, "Days": int(retention["Days"])}}}


def _lifecycle(rule: Json) -> Json:
    """A rule in the API's words; botocore refuses a property that it does not know."""
    made = {
        key: value for key, value in rule.items() if key not in {"Id", "Prefix", "ExpirationInDays"}
    }
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": rule["ExpirationInDays"]}
    return {"ID": rule.get("Id", "rule"), "Filter": {"Prefix": rule.get("Prefix", "")}, **made}
