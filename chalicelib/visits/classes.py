"""Path classes: how finely the front door tells requests apart, and not a bit finer.

Each class but the last is a cache behavior of the distribution, whose path pattern is all that
the visitor logs say of a path: the path itself holds identifiers and single-use tokens (PS-28).
"""

from __future__ import annotations

import re
from functools import cache

# The fields of a line, in their order; what is not here is not selected for delivery.
FIELDS = (
    "date",
    "time",
    "c-ip",
    "asn",
    "c-country",
    "cs-method",
    "cache-behavior-path-pattern",
    "sc-status",
    "cs(Referer)",
    "cs(User-Agent)",
)
# The first that matches is the class. Pages come first, then what pages are made of, then programs.
PAGES = (
    "/",
    "/apps",
    "/apps/*/orders",
    "/apps/*",
    "/register*",
    "/verify/*",
    "/login",
    "/logout*",
    "/forgot*",
    "/reset/*",
    "/orders*",
    "/account",
    "/account/setup*",
    "/account/usage*",
    "/account/downloads*",
    "/account/computers*",
    "/account/invoices*",
    "/account/privacy*",
    "/account/*",
    "/device",
    "/privacy",
    "/privacy/*",
    "/contact",
    "/problems*",
    "/status",
    "/exit",
    "/unsubscribe/*",
    "/email/*",
    "/reactivate",
    "/rights/*",
    "/choices/*",
    "/invitations/*",
    "/partners/*",
    "/vendor*",
)
APART = ("/staff*", "/assets/*", "/.well-known/*", "/webhooks/*", "/v1/vendor/*", "/v1/*")
OTHER = "*"
PATTERNS = (*PAGES, *APART, OTHER)


@cache
def _matchers() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (pattern, re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL))
        for pattern in PATTERNS
    )


def path_class(path: str) -> str:
    """The class of a path, given without stage prefix and query; every path has one."""
    return next(pattern for pattern, matcher in _matchers() if matcher.fullmatch(path))
