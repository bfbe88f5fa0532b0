"""API keys: which operations each may call, as restricted keys are set up at the processor."""

from collections.abc import Mapping
from types import MappingProxyType

from infra.local.processor.errors import FORBIDDEN, UNAUTHORIZED, ApiError

READ_ALL = frozenset(
    f"{resource}.read"
    for resource in (
        "customers",
        "checkout_sessions",
        "setup_intents",
        "payment_intents",
        "payment_methods",
        "charges",
        "refunds",
        "disputes",
        "events",
    )
)
EVERYTHING = READ_ALL | {permission.replace(".read", ".write") for permission in READ_ALL}

# The API function opens and reads checkouts. It can charge nobody.
CHECKOUT = frozenset(
    {
        "customers.read",
        "customers.write",
        "checkout_sessions.read",
        "checkout_sessions.write",
        "setup_intents.read",
        "payment_methods.read",
    }
)
# The workers charge, refund and read. They open no checkout.
WORKER = READ_ALL | {
    "payment_intents.write",
    "refunds.write",
    "payment_methods.write",
    "disputes.write",
}

Keys = Mapping[str, frozenset[str]]
ANY_SECRET_KEY: Keys = MappingProxyType({"sk_test_": EVERYTHING})


def permissions(keys: Keys, authorization: str) -> frozenset[str]:
    """What the bearer may do. A key that ends in an underscore stands for all that begin so."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() == "bearer" and key:
        if key in keys:
            return keys[key]
        for prefix, allowed in keys.items():
            if prefix.endswith("_") and key.startswith(prefix):
                return allowed
    raise ApiError(f"Invalid API Key provided: {masked(key)}", UNAUTHORIZED)


def check(allowed: frozenset[str], permission: str, key: str) -> None:
    if permission not in allowed:
        needed = "rak_" + permission.replace(".", "_")
        raise ApiError(
            f"The provided key '{masked(key)}' does not have the required permissions for this "
            f"endpoint. Having the '{needed}' permission would allow this request to continue.",
            FORBIDDEN,
            code="more_permissions_required",
        )


def masked(key: str) -> str:
    """A key as it may be shown: its kind and its last four characters."""
    kind = key[:8] if key.startswith(("sk_test_", "rk_test_")) else ""
    return f"{kind}****{key[-4:]}" if len(key) > 12 else f"{kind}****"
