"""`PATCH /v1/vendor/licenses/{id}`: seats and the end, as far as they are named; its own only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, from_text
from tests.crash import recorded
from tests.vendors.test_calls import Vendor, harbor

if TYPE_CHECKING:
    from tests.conftest import Tables

__all__ = ["harbor"]  # a fixture of another module
PATH = "/v1/vendor/licenses/lic_1"


def change(vendor: Vendor, body: Any, path: str = PATH, **headers: str) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return vendor.call("PATCH", path, raw, **headers)


@pytest.fixture
def crew(harbor: Vendor) -> Vendor:
    """A vendor that has sold a subscription with three seats."""
    plan = wiring.catalog().add_plan(
        harbor.application, kind="subscription", name="Crew", currency="USD", price="9.00",
        period_months=1,
    )  # fmt: skip
    writes = wiring.licenses().grant("lic_1", "acc_1", plan, wiring.now(), "pi_1", seats=3)
    wiring.accounts_table().transact(*writes)
    return harbor


class TestChange:
    def test_sets_the_seats_and_leaves_the_end(self, crew: Vendor) -> None:
        before = crew.call("GET", "/v1/vendor/licenses")[1]["items"][0]
        assert (before["kind"], before["seats"]) == ("subscription", 3)
        status, body = change(crew, {"seats": 5})
        assert (status, body["seats"], body["ends_at"]) == (200, 5, before["ends_at"])

    def test_sets_the_end_and_takes_it_away(self, crew: Vendor) -> None:
        status, body = change(crew, {"ends_at": "2030-01-31T12:00:00+01:00"})
        assert (status, body["ends_at"], body["seats"]) == (200, "2030-01-31T11:00:00.000Z", 3)
        head = wiring.licenses().head("lic_1")
        assert head
        assert head.ends_at == from_text("2030-01-31T11:00:00Z")
        assert change(crew, {"ends_at": None})[1]["ends_at"] is None

    def test_both_at_once(self, crew: Vendor) -> None:
        _, body = change(crew, {"seats": 1, "ends_at": None})
        assert (body["seats"], body["ends_at"]) == (1, None)

    def test_a_license_without_seats_has_none_to_set(self, harbor: Vendor) -> None:
        harbor.sell("lic_1")
        status, body = change(harbor, {"seats": 2})
        assert (status, body["errors"][0]["field"]) == (422, "seats")
        assert change(harbor, {"ends_at": "2030-01-01T00:00:00Z"})[0] == 200

    @pytest.mark.parametrize(
        ("body", "status", "field"),
        [
            ({}, 422, "body"), ({"seats": None}, 422, "body"), ({"seats": 0}, 422, "seats"),
            ({"seats": 201}, 422, "seats"), ({"seats": "2"}, 422, "seats"),
            ({"seats": True}, 422, "seats"), ({"ends_at": 5}, 422, "ends_at"),
            ({"ends_at": "tomorrow"}, 422, "ends_at"), ({"ends_at": "2030-01-01"}, 422, "ends_at"),
            ({"ends_at": "2030-13-01T00:00:00Z"}, 422, "ends_at"),
            ({"ends_at": "2030-01-01T00:00:00"}, 422, "ends_at"),
            ({"ends_at": "9999-12-31T23:59:59.9999Z"}, 422, "ends_at"),
            ({"ends_at": "9999-12-31T23:59:59-23:59"}, 422, "ends_at"),
            ({"ends_at": "9999-12-30T00:00:00.001Z"}, 422, "ends_at"),
            ({"ends_at": "0000-01-01T00:00:00Z"}, 422, "ends_at"),
            ({"ends_at": "0001-01-01T00:00:00+23:59"}, 422, "ends_at"),
            ({"ends_at": "1999-12-31T23:59:59Z"}, 422, "ends_at"),
            ({"state": "active"}, 422, "state"), (b"[]", 422, "body"), (b"{", 400, "body"),
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_named_and_changes_nothing(
        self, crew: Vendor, body: Any, status: int, field: str
    ) -> None:
        before = wiring.licenses().head("lic_1")
        found, problem = change(crew, body)
        assert found == status
        assert field in {error["field"] for error in problem["errors"]}
        assert wiring.licenses().head("lic_1") == before

    def test_the_same_key_does_it_once(self, crew: Vendor) -> None:
        first = change(crew, {"seats": 5}, idempotency_key="k")
        change(crew, {"seats": 2})
        assert change(crew, {"seats": 5}, idempotency_key="k") == first
        assert change(crew, {"seats": 4}, idempotency_key="k")[0] == 409
        head = wiring.licenses().head("lic_1")
        assert head
        assert len(head.slots or ()) == 2


@pytest.mark.guarantee("G7")
def test_another_vendor_s_license_is_as_unknown_as_none(crew: Vendor, tables: Tables) -> None:
    other, answers = Vendor("Anchor"), []
    for license_id in ("lic_1", "lic_none"):
        with recorded() as calls:
            answer = change(other, {"seats": 1}, f"/v1/vendor/licenses/{license_id}")
        answers.append((answer, calls.made))
    assert answers[0] == answers[1]
    assert answers[0][0][0] == 404


def test_applications_are_listed_with_their_plans(harbor: Vendor) -> None:
    wiring.catalog().add_plan(
        harbor.application, kind="pass", name="Ten", currency="USD", price="5.00",
        prepaid_ms=10 * HOUR, valid_ms=30 * DAY,
    )  # fmt: skip
    (listed,) = harbor.call("GET", "/v1/vendor/applications")[1]["items"]
    plans = {plan["kind"]: plan for plan in listed["plans"]}
    assert plans["metered"]["rate"] == 90_000_000
    assert (plans["metered"]["price"], plans["metered"]["prepaid_ms"]) == (0, None)
    found = {name: plans["pass"][name] for name in ("price", "prepaid_ms", "valid_ms", "terms")}
    assert found == {
        "price": 500, "prepaid_ms": 10 * HOUR, "valid_ms": 30 * DAY, "terms": 1,
    }  # fmt: skip
