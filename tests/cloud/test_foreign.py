"""G7: nothing of one customer or vendor reaches another; unknown and foreign look alike.

Alike is status, body without the ids that were asked for, and the sequence of cloud calls and
password hashes, which is counted and never timed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import WEB, Customer, Visitor, new_customer, profile
from tests.cloud.program import Computer, claims_of, ok, vendor_get, vendor_post

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
pytestmark = pytest.mark.guarantee("G7")
VARIES = re.compile(
    r'(value="[\w.~-]{20,}"|(?:name="csrf"[^>]*)|ord_\w+|lic_\w+|rel_\w+|art_\w+'
    r"|[\w.-]+@example\.org|eyJ[\w.-]+)"
)


@dataclass(frozen=True)
class Seen:
    """What a stranger can tell of an answer."""

    status: int
    body: str
    calls: tuple[tuple[str, str, str, float], ...]


def look(cloud: LocalCloud, act: Callable[[], httpx.Response], hide: str = "") -> Seen:
    """The answer, with the calls of the API that it took; `hide` is what was asked for."""
    cloud.control.settle()
    since = cloud.control.calls()[-1]["seq"]
    answer = act()
    # A secret is read by a process that starts, whoever asks.
    rows = [r for r in cloud.control.calls(since, "api_handler") if r["service"] != "ssm"]
    calls = tuple((r["service"], r["action"], r["table"] or "", r["units"]) for r in rows)
    text = answer.text.replace(hide, "") if hide else answer.text
    return Seen(answer.status_code, VARIES.sub("*", text), calls)


@pytest.fixture(scope="module")
def mine(cloud: LocalCloud) -> Customer:
    made = new_customer(cloud, "foreign-mine")
    made.buy()
    cloud.control.settle()
    return made


@pytest.fixture(scope="module")
def other(cloud: LocalCloud, stock: Json) -> Customer:
    """A customer of the other vendor, whose name stands nowhere else."""
    made = new_customer(cloud, "foreign-other", company="Secluded Holdings")
    made.buy(stock["application"]["slug"])
    cloud.control.settle()
    return made


@pytest.fixture(scope="module")
def others_license(other: Customer, cloud: LocalCloud, stock: Json) -> str:
    rows = ok(vendor_get(cloud, stock["token"], "/v1/vendor/licenses"))["items"]
    return str(rows[-1]["id"])


@pytest.fixture(scope="module")
def computer(cloud: LocalCloud, mine: Customer, halyard: Json) -> Computer:
    made = Computer(cloud, halyard["id"])
    made.sign_in(mine)
    return made


def form(cloud: LocalCloud, path: str, visitor: Visitor, **fields: str) -> httpx.Response:
    """Send a form that this browser has opened, and follow nothing."""
    page = visitor.open(cloud.app + path)
    kept = visitor.cookies["localhost"]
    headers = {
        "accept": "text/html",
        "cookie": "; ".join(f"{name}={value}" for name, value in kept.items()),
    }
    data = {**page.form(path).fields, **fields}
    return visitor.http.post(cloud.app + path, data=data, headers=headers)


def sign_in(cloud: LocalCloud, name: str) -> httpx.Response:
    return form(cloud, "/login", Visitor(cloud.app), login=name, password="a wrong password")


class TestAlike:
    def test_signing_in_with_a_known_and_an_unknown_name(
        self, cloud: LocalCloud, mine: Customer
    ) -> None:
        seen = [
            look(cloud, partial(sign_in, cloud, name), name)
            for name in (mine.fields["login"], "foreign-nobody", mine.email, "no@example.org")
        ]  # fmt: skip
        assert [call[0] for call in seen[0].calls].count("argon2") == 1
        assert seen[0].status == 401
        assert seen[0] == seen[1]
        assert seen[2] == seen[3]

    def test_a_forgotten_password_of_a_known_and_an_unknown_address(
        self, cloud: LocalCloud, mine: Customer
    ) -> None:
        seen = [
            look(cloud, partial(form, cloud, "/forgot", Visitor(cloud.app), email=email))
            for email in (mine.email, "foreign-nobody@example.org")
        ]
        assert seen[0].status == 303
        assert seen[0] == seen[1]

    def test_registering_a_new_and_an_existing_address(
        self, cloud: LocalCloud, mine: Customer
    ) -> None:
        fields = [
            profile("foreign-new-a", email="foreign-brand-new@example.org"),
            profile("foreign-new-b", email=mine.email),
        ]
        seen = [
            look(cloud, partial(form, cloud, "/register", Visitor(cloud.app), **one))
            for one in fields
        ]
        assert seen[0].status == 303
        assert [c[:3] for c in seen[0].calls] == [c[:3] for c in seen[1].calls]
        assert (seen[0].status, seen[0].body) == (seen[1].status, seen[1].body)

    def test_a_foreign_and_an_unknown_order(
        self, cloud: LocalCloud, mine: Customer, other: Customer
    ) -> None:
        theirs = other.open("/orders").link("/orders/ord_").rpartition("/")[2]
        unknown = theirs[:-6] + "zzzzzz"
        seen = [
            look(cloud, partial(mine.browser.fetch, f"/orders/{order}"), order)
            for order in (theirs, unknown)
        ]
        assert seen[0].status == 404
        assert seen[0] == seen[1]

    @pytest.mark.promise("PS-16")
    def test_a_foreign_and_an_unknown_download(
        self, cloud: LocalCloud, mine: Customer, stock: Json
    ) -> None:
        theirs = stock["release"]["artifacts"][0]["id"]
        seen = [
            look(cloud, partial(mine.browser.fetch, f"/account/downloads/{artifact}"), artifact)
            for artifact in (theirs, theirs[:-6] + "zzzzzz")
        ]
        assert seen[0].status == 402  # what PS-16 says of a download without a license
        assert seen[0] == seen[1]

    @pytest.mark.parametrize("act", ["suspend", "reinstate", "revoke"])
    def test_a_vendors_word_on_a_foreign_and_an_unknown_license(
        self, cloud: LocalCloud, vendor_token: str, others_license: str, act: str
    ) -> None:
        unknown = others_license[:-6] + "zzzzzz"
        tell = partial(vendor_post, cloud, vendor_token)
        seen = [
            look(cloud, partial(tell, f"/v1/vendor/licenses/{one}/{act}"), one)
            for one in (others_license, unknown)
        ]  # fmt: skip
        assert seen[0].status == 404
        assert seen[0] == seen[1]

    def test_a_check_of_a_foreign_and_an_unknown_license(
        self, cloud: LocalCloud, computer: Computer, others_license: str
    ) -> None:
        def ask(license_id: str) -> httpx.Response:
            body = {"application": computer.program, "license_id": license_id}
            return computer.call("/v1/licenses/check", body)

        unknown = others_license[:-6] + "zzzzzz"
        theirs = look(cloud, lambda: ask(others_license), others_license)
        nobodys = look(cloud, lambda: ask(unknown), unknown)
        assert theirs.status == 200
        assert '"valid":false,"code":"UNKNOWN"' in theirs.body
        assert [c[:3] for c in theirs.calls] == [c[:3] for c in nobodys.calls]
        assert theirs.body == nobodys.body

    @pytest.mark.promise("PS-16")
    def test_a_launch_on_a_foreign_and_an_unknown_license(
        self, cloud: LocalCloud, computer: Computer, others_license: str
    ) -> None:
        unknown = others_license[:-6] + "zzzzzz"
        seen = [computer.launch("foreign-1", license_id=one) for one in (others_license, unknown)]
        assert [answer["code"] for answer in seen] == ["UNKNOWN", "UNKNOWN"]
        signed = [claims_of(answer["verdict"]) for answer in seen]
        assert signed[0] == signed[1]


class TestNothingCrosses:
    def test_a_vendor_sees_its_own_alone(
        self, cloud: LocalCloud, vendor_token: str, stock: Json, mine: Customer, other: Customer
    ) -> None:
        ours, theirs = (
            {
                call: vendor_get(cloud, token, f"/v1/vendor/{call}?limit=100").text
                for call in ("applications", "releases", "licenses", "usage")
            }
            for token in (vendor_token, stock["token"])
        )
        halyard = cloud.control.seed()["applications"][0]["id"]
        sextant = stock["application"]["id"]
        for call in ("applications", "releases", "licenses"):
            assert halyard in ours[call]
            assert sextant in theirs[call]
        assert sextant not in "".join(ours.values())
        assert halyard not in "".join(theirs.values())
        for text in (*ours.values(), *theirs.values()):
            for person in (mine, other):
                assert not any(value in text for value in person.fields.values() if len(value) > 7)
            assert "acc_" not in text

    def test_a_customer_sees_nothing_of_another(
        self, cloud: LocalCloud, mine: Customer, other: Customer, stock: Json
    ) -> None:
        private = [other.email, "Secluded Holdings", other.fields["account_name"]]
        for path in ("/account", "/account/setup", "/account/usage", "/account/downloads",
                     "/account/computers", "/orders"):  # fmt: skip
            html = mine.open(path).html
            assert not [value for value in private if value in html], path
            assert "Sextant" not in html, path
        assert "Secluded Holdings" in other.open("/account/setup").html

    def test_a_lease_works_for_its_own_computer_alone(
        self, cloud: LocalCloud, computer: Computer, mine: Customer, halyard: Json
    ) -> None:
        lease = computer.launch("foreign-lease")["lease"]
        thief = Computer(cloud, halyard["id"])
        assert thief.of_lease(lease, "end", {"lease": lease}).status_code == 401
        assert thief.of_lease(lease, "heartbeats", {"lease": lease, "seq": 1}).status_code == 401
        thief.tokens = computer.tokens
        stolen = thief.call("/v1/licenses/check", {"application": halyard["id"]})
        assert stolen.status_code == 401
        assert WEB.get(f"{cloud.app}/v1/usage").status_code == 401
