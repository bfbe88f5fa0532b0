"""Tables that take anything: what these tests store is nobody's, and nowhere declared."""

from __future__ import annotations

import pytest

from chalicelib import wiring


@pytest.fixture(autouse=True)
def take_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "declared", lambda: None)
