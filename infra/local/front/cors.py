"""Cross-origin answers of a bucket, by the first rule of its configuration that fits."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def cors_headers(
    rules: Iterable[Mapping[str, Any]], origin: str, method: str, asked: str = ""
) -> dict[str, str]:
    """Return the CORS headers for a request, or none at all where no rule allows it."""
    wanted = [name.strip().lower() for name in asked.split(",") if name.strip()]
    for rule in rules:
        if _allows(rule, origin, method, wanted):
            return _headers(rule, origin, wanted)
    return {}


def _allows(rule: Mapping[str, Any], origin: str, method: str, wanted: list[str]) -> bool:
    return (
        _fits(origin, rule["AllowedOrigins"])
        and method in rule["AllowedMethods"]
        and all(_fits(name, rule.get("AllowedHeaders", ())) for name in wanted)
    )


def _fits(value: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(value.lower(), pattern.lower()) for pattern in patterns)


def _headers(rule: Mapping[str, Any], origin: str, wanted: list[str]) -> dict[str, str]:
    anyone = "*" in rule["AllowedOrigins"]
    headers = {
        "Access-Control-Allow-Origin": "*" if anyone else origin,
        "Access-Control-Allow-Methods": ", ".join(rule["AllowedMethods"]),
        "Vary": VARY,
    }
    if not anyone:
        headers["Access-Control-Allow-Credentials"] = "true"
    if wanted:
        headers["Access-Control-Allow-Headers"] = ", ".join(wanted)
    if exposed := rule.get("ExposeHeaders"):
        headers["Access-Control-Expose-Headers"] = ", ".join(exposed)
    if rule.get("MaxAgeSeconds"):
        headers["Access-Control-Max-Age"] = str(rule["MaxAgeSeconds"])
    return headers
