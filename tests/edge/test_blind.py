"""The app never learns where a visitor is, whatever the front door passes on (G9)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.edge import routes
from chalicelib.edge.request import read_request
from tests.browser import Browser

if TYPE_CHECKING:
    from tests.conftest import Tables

CANARY = "203.0.113.77"
TELLING = (
    "X-Forwarded-For", "x-forwarded-for", "Forwarded", "Via", "X-Real-IP", "True-Client-IP",
    "CF-Connecting-IP", "User-Agent", "Referer", "X-Amzn-Trace-Id", "X-Amz-Cf-Id",
    "CloudFront-Viewer-Address", "CloudFront-Viewer-ASN", "CloudFront-Viewer-Country",
)  # fmt: skip


@pytest.mark.guarantee("G9")
@pytest.mark.promise("PS-31")
def test_no_view_is_told_where_a_visitor_is(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def read_and_keep(event: dict[str, Any], raw_body: bytes) -> Any:
        seen.append(event)
        return read_request(event, raw_body)

    monkeypatch.setattr(routes, "read_request", read_and_keep)
    browser = Browser()
    event = browser.event
    monkeypatch.setattr(browser, "event", lambda *parts: placed(event(*parts)))
    assert browser.get("/status", **dict.fromkeys(TELLING, f"at {CANARY}")).status == 200
    assert len(seen) == 1
    assert CANARY not in json.dumps(seen)
    assert "identity" not in seen[0]["requestContext"]


def placed(event: dict[str, Any]) -> dict[str, Any]:
    """The event with the gateway's own word for where the caller is."""
    event["requestContext"]["identity"] = {"sourceIp": CANARY, "userAgent": f"at {CANARY}"}
    return event
