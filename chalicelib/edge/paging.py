"""`limit`, `cursor` and `next` of lists for programs: opaque, and stable while rows come and go."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.edge.request import Request

DEFAULT, MOST = 50, 200
MAX_CURSOR = 600


def limit_of(request: Request) -> int:
    text = request.query.get("limit", str(DEFAULT))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST:
        raise InvalidInput(errors={"limit": f"A whole number from 1 to {MOST}."})
    return int(text)


def cursor_of(request: Request) -> str | None:
    """The key to go on behind, or None at the start; InvalidInput for what is not ours."""
    text = request.query.get("cursor")
    if text is None:
        return None
    try:
        key = base64.urlsafe_b64decode(text[:MAX_CURSOR] + "=" * (-len(text) % 4)).decode()
    except ValueError:
        key = ""
    if not key.isprintable() or encode(key) != text:
        raise InvalidInput(errors={"cursor": "Take the cursor from `next` as it is."})
    return key


def encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def page(items: Sequence[Any], last_key: str | None) -> dict[str, Any]:
    """`next` is null on the last page."""
    return {"items": list(items), "next": encode(last_key) if last_key else None}
