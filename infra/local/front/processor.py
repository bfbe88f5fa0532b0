"""Ties the processor simulator to the cloud: the same keys and webhook secrets on both sides."""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from infra.local.processor import CHECKOUT, WORKER, Handle, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.cloud import Cloud

WEBHOOK_PATH = "/webhooks/stripe"
RIGHTS = {"processor-checkout-key": CHECKOUT, "processor-worker-key": WORKER}


def new_secrets() -> dict[str, Any]:
    """Make keys and a webhook secret for a new cloud; it keeps them, this process does not."""
    return {
        "keys": {
            "checkout": f"rk_test_{secrets.token_hex(24)}",
            "worker": f"rk_test_{secrets.token_hex(24)}",
        },
        "webhook_secret": f"whsec_{secrets.token_urlsafe(32)}",
    }


class Secrets:
    """The processor's secrets in the cloud's parameter store."""

    def __init__(self, cloud: Cloud) -> None:
        self.client = cloud.client("ssm")
        self.prefix = cloud.function_environment("api_handler")["SECRETS_PREFIX"]

    def read(self, name: str) -> str:
        found = self.client.get_parameter(Name=f"{self.prefix}/{name}", WithDecryption=True)
        return str(found["Parameter"]["Value"])

    def keep_webhook_secrets(self, rotated: list[dict[str, Any]]) -> None:
        """Write a rotation made at the processor where the app looks for it."""
        name = f"{self.prefix}/webhook-secrets"
        value = json.dumps(rotated)
        self.client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


class Processor:
    """The running simulator; it knows no key until `trust` reads those of the cloud."""

    def __init__(self, cloud: Cloud, folder: Path, port: int) -> None:
        self.secrets = Secrets(cloud)
        self._keys: dict[str, frozenset[str]] = {}
        self.handle: Handle = serve(
            folder, port=port, keys=self._keys, on_secrets=self.secrets.keep_webhook_secrets
        )

    def trust(self, app_url: str) -> None:
        """Accept the app's keys, and deliver webhooks signed with the secrets it verifies."""
        for name, rights in RIGHTS.items():
            self._keys[self.secrets.read(name)] = rights
        webhook_secrets = json.loads(self.secrets.read("webhook-secrets"))
        self.handle.set_endpoint(app_url + WEBHOOK_PATH, webhook_secrets)

    def deliver(self) -> int:
        """Deliver every webhook that is due; return how many attempts that took."""
        return self.handle.flush() if self.handle.pending() else 0


@contextmanager
def running_processor(cloud: Cloud, folder: Path, port: int) -> Iterator[Processor]:
    processor = Processor(cloud, folder, port)
    try:
        yield processor
    finally:
        processor.handle.stop()
