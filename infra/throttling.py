"""How much may happen at once: executions that functions keep, and rates at the gateway.

Why these figures: docs/decisions/0043-how-much-at-once.md. Limits per network stand at the edge,
limits per account in the app.
"""

from __future__ import annotations

from typing import Any

RATE, BURST = 500, 1000
"""Requests a second, and at once, of the whole gateway."""
# Each but the last two costs a processor for a tenth of a second (argon2), and nobody types faster.
PASSWORDS = (
    "/login", "/register", "/verify/{token}", "/reset/{token}", "/account/email",
    "/account/setup/password", "/account/privacy/deactivate", "/account/privacy/erase",
    "/reactivate", "/staff/login", "/forgot", "/contact",
)  # fmt: skip
"""Routes of forms that make or try a password, or have mail sent to whomever they name."""
PASSWORD_RATE, PASSWORD_BURST = 20, 40

# The routes keep nothing for themselves and may have all that nobody else keeps: a reservation is
# a ceiling too, and a launch or a webhook that meets it is refused.
UNBOUNDED = "ApiHandler"
EVENTS_AT_ONCE = {
    # As many as its queue hands out at once, so that no batch is turned away.
    "MailSender": 5,
    "PaymentWorker": 5,
    # Anybody can send mail to us: a flood of it may not take the executions of the routes.
    "InboundMail": 3,
    "MailFeedback": 3,
}
SCHEDULED = 1
"""Of a function that a schedule starts: its own whatever the routes take, one run at a time."""


def reserved(functions: list[str]) -> dict[str, int]:
    """Executions that each function keeps, by its name in the template."""
    kept = [name for name in functions if name != UNBOUNDED]
    return {name: EVENTS_AT_ONCE.get(name, SCHEDULED) for name in kept}


def of_functions(functions: list[str]) -> dict[str, Any]:
    return {
        name: {"Properties": {"ReservedConcurrentExecutions": count}}
        for name, count in reserved(functions).items()
    }


def method_settings() -> list[dict[str, Any]]:
    """The gateway's rates; metrics on, bodies never logged."""
    return [
        _setting("*", "/*", RATE, BURST),
        *(
            _setting("POST", f"/{path.replace('/', '~1')}", PASSWORD_RATE, PASSWORD_BURST)
            for path in PASSWORDS
        ),
    ]


def _setting(method: str, path: str, rate: int, burst: int) -> dict[str, Any]:
    return {
        "HttpMethod": method,
        "ResourcePath": path,
        "ThrottlingRateLimit": rate,
        "ThrottlingBurstLimit": burst,
        "MetricsEnabled": True,
        "DataTraceEnabled": False,
        "LoggingLevel": "OFF",
    }
