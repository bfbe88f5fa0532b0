"""One thing that a deployment needs: its name, when it is needed, what to do, how to look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.operate.place import Place


class When(Enum):
    """When something is needed: before a deployment, or before anybody is served."""

    DEPLOYING = "before a deployment"
    SERVING = "before anybody is served"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. `look` returns what is wrong with it, or None."""

    name: str
    when: When
    then: str
    look: Callable[[Place], str | None]
