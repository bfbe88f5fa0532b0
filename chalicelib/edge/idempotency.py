"""`Idempotency-Key`: the same key and body get the same answer; another body is a conflict.

The key lives a day in `usage`. It is claimed before the work and keeps the answer after it; where a
crash left a claim without an answer, the work runs again, which is right because every use case
behind it is safe to repeat.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import DAY, purge_at
from chalicelib.core.errors import Conflict, InvalidInput
from chalicelib.edge.responses import as_json
from chalicelib.storage.dynamo import ABSENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalice.app import Response

    from chalicelib.edge.request import Request
    from chalicelib.storage.dynamo import Table

KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(Conflict):
    code = "idempotency_key_reused"
    title = "This key was used for something else"
    detail = "Use a new Idempotency-Key for a new request, and the same body with the same key."


def once(request: Request, table: Table, now: int, work: Callable[[], dict[str, Any]]) -> Response:
    """The answer of `work`, run once a key of this caller; without a key it just runs."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return as_json(work())
    if not KEY.fullmatch(key):
        raise InvalidInput(errors={"Idempotency-Key": "1 to 255 visible ASCII characters."})
    pk, digest = scope_of(request, key), digest_of(request)
    if (kept := claim(table, pk, digest, now)) is not None:
        return as_json(kept)
    answer = work()
    table.apply(
        table.update(
            pk,
            "IDEM",
            "SET answer = :answer",
            {":answer": json.dumps(answer), ":digest": digest},
            condition="digest = :digest",
        )
    )
    return as_json(answer)


def scope_of(request: Request, key: str) -> str:
    caller = request.caller
    return f"IDEM#{caller.kind if caller else ''}#{caller.id if caller else ''}#{key}"


def digest_of(request: Request) -> str:
    said = f"{request.method} {request.path}\0".encode() + request.raw_body
    return hashlib.sha256(said).hexdigest()


def claim(table: Table, pk: str, digest: str, now: int) -> dict[str, Any] | None:
    """The kept answer, or None where the work is to be done; KeyReused for another request."""
    item = {"pk": pk, "sk": "IDEM", "type": "idempotency", "v": 1, "digest": digest}
    ends = {"ends_at": now + DAY, "purge_at": purge_at(now + DAY)}
    expired = f"{ABSENT} OR ends_at <= :now"
    try:
        table.apply(table.put({**item, **ends}, expired, {":now": now}))
    except ConditionFailed:
        kept = table.get(pk, "IDEM") or {}
        if kept.get("digest") != digest:
            raise KeyReused from None
        found: dict[str, Any] | None = json.loads(kept["answer"]) if "answer" in kept else None
        return found
    return None
