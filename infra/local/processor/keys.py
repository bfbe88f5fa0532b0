"""API keys: which operations each may call, as restricted keys are set up at the processor."""

from collections.abc import Mapping
from dataclasses import dataclass
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
        "payment_intents.read",
        "payment_methods.read",
    }
)
# The workers charge, refund, read, and delete the customer of whoever left. They open no checkout.
WORKER = READ_ALL | {
    "customers.write",
    "payment_intents.write",
    "refunds.write",
    "payment_methods.write",
    "disputes.write",
}

Keys = Mapping[str, frozenset[str]]
ANY_SECRET_KEY: Keys = MappingProxyType({"sk_test_": EVERYTHING})


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who calls: a key and what it may do."""

    key: str
    allowed: frozenset[str]

    def require(self, permission: str) -> None:
        if permission not in self.allowed:
            needed = "rak_" + permission.replace(".", "_")
            raise ApiError(
                f"The provided key '{masked(self.key)}' does not have the required permissions "
                f"for this endpoint. Having the '{needed}' permission would allow this request "
                "to continue.",
                FORBIDDEN,
                code="more_permissions_required",
            )

    def require_reading(self, kind: str) -> None:
        self.require(kind.replace(".", "_") + "s.read")


def identify(keys: Keys, authorization: str) -> Bearer:
    """The bearer of a key. A key that ends in an underscore stands for all that begin so."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() == "bearer" and key:
        if key in keys:
            return Bearer(key, keys[key])
        for prefix, allowed in keys.items():
            if prefix.endswith("_") and key.startswith(prefix):
                return Bearer(key, allowed)
    raise ApiError(f"Invalid API Key provided: {masked(key)}", UNAUTHORIZED)


def masked(key: str) -> str:
    """A key as it may be shown: its kind and its last four characters."""
    kind = key[:8] if key.startswith(("sk_test_", "rk_test_")) else ""
    return f"{kind}****{key[-4:]}" if len(key) > 12 else f"{kind}****"
