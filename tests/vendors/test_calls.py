"""A vendor's program reads and changes its own, once a key, a page at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from tests.browser import Browser
from tests.vendors.test_vendors import JWK

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables


class Vendor:
    """A vendor with a token, an application, and as many licenses as a test sells."""

    def __init__(self, name: str) -> None:
        made = wiring.vendors().add(name, [JWK])
        self.id, self.token = made.id, wiring.vendors().new_token(made.id, "test")
        self.application = wiring.catalog().add_application(
            vendor_id=made.id,
            vendor_name=name,
            slug=f"{name.lower()}-app",
            name=f"{name} app",
            summary="Draws",
            description="",
        )
        self.plan = wiring.catalog().add_plan(
            self.application, kind="metered", name="Metered", price="0.90", currency="USD"
        )

    def sell(self, license_id: str) -> str:
        writes = wiring.licenses().grant(license_id, "acc_1", self.plan, wiring.now(), "seti_1")
        wiring.accounts_table().transact(*writes)
        return license_id

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        given = {
            "accept": "application/json",
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        answer = Browser().send(method, path, body, given)
        return answer.status, json.loads(answer.text)


@pytest.fixture
def harbor(tables: Tables, clock: FakeClock) -> Vendor:
    return Vendor("Harbor")


SUSPEND = "/v1/vendor/licenses/lic_1/suspend"


class TestChanges:
    def test_the_same_key_for_another_request_is_a_conflict(self, harbor: Vendor) -> None:
        harbor.sell("lic_1")
        harbor.call("POST", SUSPEND, idempotency_key="k1")
        status, body = harbor.call("POST", SUSPEND, b"{}", idempotency_key="k1")
        assert (status, body["code"]) == (409, "idempotency_key_reused")
        other = SUSPEND.replace("suspend", "revoke")
        assert harbor.call("POST", other, idempotency_key="k1")[0] == 409

    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "\u00e9"])
    def test_a_key_that_is_none_is_named(self, harbor: Vendor, key: str) -> None:
        harbor.sell("lic_1")
        status, body = harbor.call("POST", SUSPEND, idempotency_key=key)
        assert status == 422
        assert body["errors"][0]["field"] == "Idempotency-Key"

    def test_a_body_is_refused_by_name(self, harbor: Vendor) -> None:
        harbor.sell("lic_1")
        status, body = harbor.call("POST", SUSPEND, b'{"why": "x"}')
        assert (status, body["errors"][0]["field"]) == (422, "body")


class TestLists:
    def test_pages_hold_each_license_once_and_only_the_vendor_s_own(self, harbor: Vendor) -> None:
        sold = sorted(harbor.sell(f"lic_{n}") for n in range(5))
        Vendor("Anchor").sell("lic_x")
        seen: list[str] = []
        cursor = ""
        while True:
            status, page = harbor.call("GET", f"/v1/vendor/licenses?limit=2{cursor}")
            assert status == 200
            seen += [row["id"] for row in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert seen == sold

    def test_a_customer_is_a_pseudonym(self, harbor: Vendor) -> None:
        harbor.sell("lic_1")
        text = json.dumps(harbor.call("GET", "/v1/vendor/licenses"))
        assert "acc_1" not in text
        assert "per_" in text

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("limit=0", "limit"), ("limit=201", "limit"), ("limit=x", "limit"),
            ("cursor=%00", "cursor"), ("cursor=!!!", "cursor"), ("cursor=" + "A" * 900, "cursor"),
        ],
    )  # fmt: skip
    def test_a_bad_page_is_named(self, harbor: Vendor, query: str, field: str) -> None:
        status, body = harbor.call("GET", f"/v1/vendor/licenses?{query}")
        assert (status, body["errors"][0]["field"]) == (422, field)

    def test_without_a_token_there_is_nothing(self, harbor: Vendor) -> None:
        harbor.token = "cvt_nothing"
        for path in ("applications", "releases", "licenses", "usage"):
            assert harbor.call("GET", f"/v1/vendor/{path}")[0] == 401
