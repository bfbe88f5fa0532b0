from __future__ import annotations

from tests.identity.conftest import desk, offer, other_desk
from tests.licenses.conftest import world

__all__ = ["desk", "offer", "other_desk", "world"]
