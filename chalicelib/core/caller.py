"""Who is calling, as the access table decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, an application or a vendor's program.

    `id` is the account's or the vendor's; `session` is what a browser's forms are tied to; `claims`
    is what an application's credential says.
    """

    kind: str
    id: str
    session: str = field(default="", repr=False)
    claims: dict[str, Any] = field(default_factory=dict, repr=False)
