"""Endless conflicts are our trouble for a moment, and are said so: 503, not 500."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from chalicelib import wiring
from chalicelib.storage.dynamo import Contended
from tests.browser import Browser

if TYPE_CHECKING:
    import pytest

    from tests.conftest import Tables


def test_a_contended_table_is_unavailable(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    def contended(*_: object) -> NoReturn:
        raise Contended("accounts")

    monkeypatch.setattr(wiring.catalog().store, "listed", contended)
    answer = Browser().get("/apps")
    assert answer.status == 503
    assert "Not available just now" in answer.words
