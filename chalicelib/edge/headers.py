"""The headers of every answer, as data."""

from __future__ import annotations

from typing import Any

HSTS = "max-age=31536000; includeSubDomains"
CONTENT_SECURITY_POLICY = {
    "default-src": ["'none'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
SECURITY_HEADERS = {
    "Strict-Transport-Security": HSTS,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
PRIVATE = "no-store"


def policy_with(form_action: str) -> str:
    """The policy, with the processor's origin among the places a form may lead to."""
    parts = {**CONTENT_SECURITY_POLICY, "form-action": ["'self'", form_action]}
    return "; ".join(f"{name} {' '.join(values)}" for name, values in parts.items())


def finish(answer: dict[str, Any], form_action: str) -> dict[str, Any]:
    """The proxy answer with the headers that every answer of ours carries.

    A name or value with a line break is refused, since Chalice does not look inside lists.
    """
    headers = {str(name): value for name, value in (answer.get("headers") or {}).items()}
    present = {name.lower() for name in headers}
    added = {
        **SECURITY_HEADERS,
        "Content-Security-Policy": policy_with(form_action),
        "Cache-Control": PRIVATE,
    }
    headers.update({n: v for n, v in added.items() if n.lower() not in present})
    several = [v for vs in (answer.get("multiValueHeaders") or {}).values() for v in vs]
    if any(c in str(value) for value in [*headers.values(), *several] for c in "\r\n"):
        raise ValueError("a header with a line break")
    return {**answer, "headers": headers}
