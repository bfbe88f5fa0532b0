"""Everything that a stretch of code asks of the cloud and of argon2, in order (G7)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from argon2 import PasswordHasher
from botocore.client import BaseClient

if TYPE_CHECKING:
    from collections.abc import Iterator

Step = tuple[str, ...]


def step_of(service: str, action: str, parameters: dict[str, Any]) -> Step:
    """The call without what differs from person to person: its tables, and the kinds of writes."""
    if action != "TransactWriteItems":
        return (service, action, parameters.get("TableName", ""))
    writes = [
        f"{kind} {body['TableName']}"
        for write in parameters["TransactItems"]
        for kind, body in write.items()
    ]
    return (service, action, *writes)


@contextmanager
def watched() -> Iterator[list[Step]]:
    steps: list[Step] = []
    call, make, check = BaseClient._make_api_call, PasswordHasher.hash, PasswordHasher.verify

    def seen_call(client: Any, action: str, parameters: dict[str, Any]) -> Any:
        steps.append(step_of(client.meta.service_model.service_name, action, parameters))
        return call(client, action, parameters)

    def seen_hash(hasher: PasswordHasher, *args: Any, **kwargs: Any) -> str:
        steps.append(("argon2", "hash"))
        return make(hasher, *args, **kwargs)

    def seen_verify(hasher: PasswordHasher, *args: Any, **kwargs: Any) -> Any:
        steps.append(("argon2", "verify"))
        return check(hasher, *args, **kwargs)

    with (
        patch.object(BaseClient, "_make_api_call", seen_call),
        patch.object(PasswordHasher, "hash", seen_hash),
        patch.object(PasswordHasher, "verify", seen_verify),
    ):
        yield steps
