"""What a log line may say: kinds, places and ids, and never an error's own words."""

from __future__ import annotations

import json

import pytest

from chalicelib import observability


@pytest.mark.promise("PS-49")
def test_a_failure_is_logged_by_its_kind_and_never_in_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(
        observability.logger, "error", lambda event, extra: said.append((event, json.dumps(extra)))
    )
    try:
        int("canary@example.com")
    except ValueError as error:
        observability.failure("unreadable", error, account="acc_1")
    ((event, extra),) = said
    assert event == "unreadable"
    assert json.loads(extra)["kind"] == "ValueError"
    assert json.loads(extra)["account"] == "acc_1"
    assert json.loads(extra)["places"]
    assert "canary" not in extra
