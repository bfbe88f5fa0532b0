"""Limits per network at the front door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.front import limits as limits_module
from infra.local.front.http import Request
from infra.local.front.limits import LIMITS, Limit, NetworkLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.local_front.conftest import Front

FEW = (
    Limit("requests", requests=5, seconds=300),
    Limit("credentials", 2, 300, methods=("POST",), paths=("/login",)),
)


def from_address(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


class TestNetworkLimits:
    def test_the_request_over_the_limit_is_429_with_the_seconds_to_wait(
        self, start_front: Callable[..., Front]
    ) -> None:
        front = start_front(FEW)
        assert [front.http.get("/items").status_code for _ in range(5)] == [200] * 5
        front.now += 100.5
        answer = front.http.get("/items")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "200")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "too_many_requests"
        assert len(front.events) == 5

    def test_the_window_passes_on_the_virtual_clock(
        self, start_front: Callable[..., Front]
    ) -> None:
        front = start_front(FEW)
        for _ in range(6):
            front.http.get("/items")
        front.now += 300
        assert front.http.get("/items").status_code == 200

    def test_addresses_are_counted_apart(self, start_front: Callable[..., Front]) -> None:
        front = start_front(FEW)
        for _ in range(6):
            front.http.get("/items", headers=from_address("198.51.100.1"))
        other = from_address("198.51.100.2")
        assert front.http.get("/items", headers=other).status_code == 200

    def test_credentials_have_a_limit_of_their_own_also_under_the_stage(
        self, start_front: Callable[..., Front]
    ) -> None:
        front = start_front(FEW)
        assert front.http.post("/login").status_code == 200
        assert front.http.post("/api/login").status_code == 200
        assert front.http.post("/login/").status_code == 429
        assert front.http.get("/items").status_code == 200

    def test_the_control_surface_is_never_limited(self, start_front: Callable[..., Front]) -> None:
        front = start_front(FEW)
        assert {front.http.get("/_local/clock").status_code for _ in range(20)} == {299}

    def test_idle_addresses_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits_module, "MOST_ADDRESSES", 3)
        clock = [0.0]
        limits = NetworkLimits(FEW, now=lambda: clock[0])
        for n in range(50):
            clock[0] += 200
            request = Request("GET", "/", (("X-Forwarded-For", f"198.51.100.{n}"),), b"", "::1")
            assert limits.refuse(request, "api") is None
        assert len(limits._asked["requests"]) <= 5

    def test_a_path_with_a_token_is_one_form_whatever_the_token(self) -> None:
        limits = NetworkLimits(now=lambda: 0.0)
        (credentials,) = (limit for limit in LIMITS if limit.name == "credentials")
        for n in range(credentials.requests):
            path = f"/verify/{n}" if n % 2 else f"/reset/{n}"
            assert limits.refuse(Request("POST", path, (), b"", "::1"), "api") is None
        for path in ("/verify/other", "/staff/login", "/account/email"):
            refused = limits.refuse(Request("POST", path, (), b"", "::1"), "api")
            assert refused is not None
            assert refused.status == 429
        assert limits.refuse(Request("GET", "/verify/other", (), b"", "::1"), "api") is None
        assert limits.refuse(Request("POST", "/verify", (), b"", "::1"), "api") is None

    @pytest.mark.parametrize(
        "path", ["/login", "/login/", "/%6Cogin", "/login%2F", "//login", "/./login", "/x/../login"]
    )
    def test_a_form_is_the_same_however_its_path_is_written(self, path: str) -> None:
        (credentials,) = (limit for limit in LIMITS if limit.name == "credentials")
        assert credentials.covers("POST", path)
        assert not credentials.covers("GET", path)
        assert not credentials.covers("POST", f"/elsewhere{path}")

    def test_the_declared_limits_leave_room_for_a_test_suite(self) -> None:
        described = NetworkLimits().described()
        assert [row["name"] for row in described] == ["requests", "credentials"]
        assert all(limit.requests / limit.seconds >= 1 for limit in LIMITS)


class TestWatcher:
    def test_each_answered_request_is_told_once_and_control_is_not(self, front: Front) -> None:
        front.http.get("/items")
        front.http.get("/nope")
        front.http.get("/_local/clock")
        seen = [(request.path, answer.status) for request, answer, _ in front.watched]
        assert seen == [("/items", 200), ("/nope", 404)]
