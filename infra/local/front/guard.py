"""Keeps other web sites off the control surface: it acts for whoever asks, so only its own may.

A page elsewhere could post to `http://localhost:8000/_local/...` (cross-site request) or have its
own name resolve to 127.0.0.1 and read the answers (DNS rebinding).
"""

from __future__ import annotations

from infra.local.front.http import Answer, Request, as_problem

NAMES = ("localhost", "127.0.0.1")


def refuse_foreign(request: Request, port: int) -> Answer | None:
    """Return 403 unless the request names this very address and comes from it or from no page."""
    hosts = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == 80 else set())
    if (request.header("Host") or "").lower() not in hosts:
        detail = f"The control surface answers at localhost:{port} and 127.0.0.1:{port} only."
        return as_problem(403, "foreign_host", "Forbidden", detail)
    origin = request.header("Origin")
    if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
        detail = "Pages of another origin may not use the control surface."
        return as_problem(403, "foreign_origin", "Forbidden", detail)
    return None
