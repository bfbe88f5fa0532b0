"""A vendor's program sees and changes what is its vendor's; foreign looks like unknown (G7)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.ids import new_id
from chalicelib.usage.rules import Piece
from tests.browser import Answer, Browser
from tests.catalog.test_catalog import artifact, publish
from tests.crash import recorded

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Application, Plan
    from tests.conftest import FakeClock, Tables

JWK = {"crv": "Ed25519", "kty": "OKP", "x": "HdpJmT0kI---mUJ_5HSyn7l4YgIr3OK0wTXRKth1w8A"}
CUSTOMER = "acc_customer"
ACTIONS = ("suspend", "reinstate", "revoke")


@dataclass
class Shop:
    """A vendor with an application, a plan, a license that it sold, and its program."""

    vendor: str
    token: str
    application: Application
    plan: Plan
    license: str = ""

    def send(self, method: str, path: str, **headers: str) -> Answer:
        given = {
            "accept": "application/json", "authorization": f"Bearer {self.token}",
            "content-type": "application/json", **headers,
        }  # fmt: skip
        return Browser().send(method, path, b"", given)

    def items(self, path: str) -> list[dict[str, Any]]:
        answer = self.send("GET", path)
        assert answer.status == 200, answer.text
        found: list[dict[str, Any]] = json.loads(answer.text)["items"]
        return found

    def change(self, license_id: str, action: str, **headers: str) -> Answer:
        return self.send("POST", f"/v1/vendor/licenses/{license_id}/{action}", **headers)

    def standing(self) -> str:
        head = wiring.licenses().head(self.license)
        assert head
        return head.standing


def shop(tables: Tables, name: str) -> Shop:
    vendor = wiring.vendors().add(name, [JWK])
    application = wiring.catalog().add_application(
        vendor_id=vendor.id, vendor_name=name, slug=name.lower(), name=name, summary="",
        description="",
    )  # fmt: skip
    plan = wiring.catalog().add_plan(
        application, kind="metered", name="By the hour", price="0.37", currency="USD"
    )
    made = Shop(vendor.id, wiring.vendors().new_token(vendor.id, "nightly"), application, plan)
    made.license = new_id("lic")
    writes = wiring.licenses().grant(made.license, CUSTOMER, plan, wiring.now(), "order:one")
    tables.accounts.transact(*writes)
    wiring.usage().store.add(
        made.license,
        application.id,
        vendor.id,
        [Piece("LICENSE#x", made.license, "2026-11-25", "cmp", 7, wiring.now())],
    )
    return made


@pytest.fixture
def one(tables: Tables, clock: FakeClock) -> Shop:
    return shop(tables, "Halyard")


@pytest.fixture
def two(tables: Tables, clock: FakeClock) -> Shop:
    return shop(tables, "Sextant")


@pytest.mark.guarantee("G7")
@pytest.mark.promise("PS-13")
class TestOwnOnly:
    @pytest.mark.parametrize("of", ["applications", "licenses", "usage"])
    def test_a_vendor_named_in_the_query_changes_nothing(
        self, one: Shop, two: Shop, of: str
    ) -> None:
        own = two.items(f"/v1/vendor/{of}")
        assert len(own) == 1
        for name in ("vendor", "vendor_id"):
            assert two.items(f"/v1/vendor/{of}?{name}={one.vendor}") == own
        assert one.items(f"/v1/vendor/{of}") != own

    @pytest.mark.parametrize("action", ACTIONS)
    def test_another_vendor_s_license_is_as_unknown_as_none(
        self, one: Shop, two: Shop, action: str
    ) -> None:
        answers = []
        for license_id in (one.license, "lic_unknown"):
            with recorded() as calls:
                answer = two.change(license_id, action)
            answers.append((answer.status, answer.headers, answer.text, calls.made))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        assert one.standing() == "active"

    def test_another_vendor_s_release_is_as_unknown_as_none(self, one: Shop, two: Shop) -> None:
        release = publish(one.application, artifact(one.application))
        publish(two.application, artifact(two.application))
        answers = []
        for release_id in (release.id, "rel_unknown"):
            with recorded() as calls:
                answer = two.send("POST", f"/v1/vendor/releases/{release_id}/withdraw")
            answers.append((answer.status, answer.headers, answer.text, calls.made))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
        assert wiring.catalog().latest_release(one.application.id) == release

    def test_its_own_release_is_withdrawn_once_a_key(self, one: Shop) -> None:
        release = publish(one.application, artifact(one.application))
        path = f"/v1/vendor/releases/{release.id}/withdraw"
        first, second = (one.send("POST", path, **{"idempotency-key": "k-1"}) for _ in range(2))
        assert (first.status, first.text) == (second.status, second.text)
        assert json.loads(first.text)["state"] == "withdrawn"
        assert one.items("/v1/vendor/releases")[0]["state"] == "withdrawn"

    def test_its_own_license_is_stopped_lifted_and_ended(self, one: Shop) -> None:
        for action, standing in zip(ACTIONS, ("suspended", "active", "revoked"), strict=True):
            answer = one.change(one.license, action)
            assert json.loads(answer.text)["state"] == one.standing() == standing

    def test_a_customer_has_another_name_in_each_application(self, one: Shop, two: Shop) -> None:
        (first,), (second,) = one.items("/v1/vendor/licenses"), two.items("/v1/vendor/licenses")
        assert first["customer"] != second["customer"]
        assert CUSTOMER not in str([first, second])

    def test_that_a_customer_also_has_another_vendor_s_application_changes_no_byte(
        self, one: Shop, tables: Tables
    ) -> None:
        publish(one.application, artifact(one.application))

        def told() -> list[tuple[int, str, dict[str, str]]]:
            answers = [
                one.send("GET", f"/v1/vendor/{of}")
                for of in ("applications", "licenses", "usage", "releases")
            ]
            return [(answer.status, answer.text, dict(answer.headers)) for answer in answers]

        before = told()
        assert [status for status, _, _ in before] == [200] * 4
        other = shop(tables, "Zqsextant")
        publish(other.application, artifact(other.application))
        assert {owned.license for owned in wiring.licenses().of_account(CUSTOMER)} >= {
            one.license, other.license,
        }  # fmt: skip
        assert told() == before

    def test_a_key_serves_one_request_of_one_vendor(self, one: Shop, two: Shop) -> None:
        key = {"idempotency-key": "the-same-key"}
        first = one.change(one.license, "suspend", **key)
        assert first.status == 200
        assert one.change(one.license, "suspend", **key).text == first.text
        reused = one.change(one.license, "reinstate", **key)
        assert (reused.status, json.loads(reused.text)["code"]) == (409, "idempotency_key_reused")
        assert one.standing() == "suspended"
        assert json.loads(two.change(two.license, "suspend", **key).text)["id"] == two.license

    def test_a_key_that_was_used_is_answered_and_not_done_again(self, one: Shop) -> None:
        key = {"idempotency-key": "the-same-key"}
        one.change(one.license, "suspend", **key)
        one.change(one.license, "reinstate")
        one.change(one.license, "suspend", **key)
        assert one.standing() == "active"
