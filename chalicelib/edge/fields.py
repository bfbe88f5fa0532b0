"""Names of fields that a caller chose, made safe to say back."""

from __future__ import annotations

LONGEST = 64


def printable(name: str, otherwise: str) -> str:
    """The name without what a page or log could trip over; `otherwise` if none is left."""
    return "".join(c for c in name if c.isalnum() or c in "_-.")[:LONGEST] or otherwise
