"""One story full of canaries, then a look at all there is: only declared places have them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.people import CARD, RUN, Customer, Visitor, confirm, profile, send_registration
from tests.cloud.program import Computer
from tests.cloud.scan import found_in, holds

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
AGENT, ADDRESS = f"zqagent{RUN}/1.0", "203.0.113.77"
CANARIES = {
    "account_name": f"Zqaccount {RUN}",
    "email": f"zqmail{RUN}@example.org",
    "password": f"zq nine slow pass {RUN}",
    "name": f"Zqname {RUN}",
    "company": f"Zqcompany {RUN}",
    "street": f"1 Zqstreet {RUN}",
    "city": f"Zqcity{RUN}",
    "postal_code": f"ZQ{RUN}"[:10],
    "phone": "+49 30 5550173829",
    "tax_id": f"ZQTAX{RUN}"[:14],
}
NUMBER = CARD["number"]


@pytest.mark.parametrize("hidden", [
    "Zqplain value", "Zqüñïcode", "zq+mail@example.org",
])  # fmt: skip
def test_the_scan_finds_every_spelling(hidden: str) -> None:
    raw = hidden.encode()
    spelled = [
        raw, raw.hex().encode(), json.dumps(hidden).encode(), raw.upper(),
        b"x" + base64.b64encode(b"ab" + raw + b"cd"), base64.urlsafe_b64encode(b"a" + raw),
        gzip.compress(b"before " + raw), b"H:" + base64.b64encode(gzip.compress(raw * 3)),
    ]  # fmt: skip
    if not hidden.isascii():
        spelled.remove(raw.upper())
    assert [data for data in spelled if not holds(data, hidden)] == []
    assert not holds(b"something else altogether", hidden)


@pytest.fixture(scope="module")
def story(cloud: LocalCloud, halyard: Json) -> Customer:
    """Registered, failed and succeeded at signing in, corrected, ordered, downloaded, launched."""
    fields = {**profile("zqlogin"), **CANARIES}
    visitor = Visitor(cloud.app, ADDRESS)
    visitor.http.headers["user-agent"] = AGENT
    assert send_registration(cloud, visitor, fields).path == "/register/sent"
    cloud.control.settle()
    assert confirm(cloud, visitor, fields).path == "/account"
    customer = Customer(cloud, visitor, fields)
    customer.open("/account/setup")
    visitor.submit("/account/setup", city=CANARIES["city"] + "-b", postal_code="?" * 40)
    visitor.submit("/account/setup", postal_code=CANARIES["postal_code"])
    visitor.open(f"{cloud.app}/forgot")
    visitor.submit("/forgot", email=fields["email"])
    customer.buy()
    visitor.fetch(customer.open("/account/downloads").link("for Linux"))
    wrong = Visitor(cloud.app, ADDRESS)
    wrong.open(f"{cloud.app}/login")
    wrong.submit("/login", login=fields["email"], password=CANARIES["password"] + "!")
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(customer)
    computer.end(computer.launch("zq-1")["lease"])
    for function in ("license_sweep", "payment_sweep", "mail_sweep"):
        cloud.control.run(function)
    cloud.control.settle()
    return customer


@pytest.fixture(scope="module")
def canaries(story: Customer) -> list[str]:
    return [*CANARIES.values(), story.fields["login"], AGENT, ADDRESS, NUMBER]


class TestNothingLeaks:
    @pytest.mark.guarantee("G8")
    @pytest.mark.promise("PS-46")
    @pytest.mark.promise("PS-58")
    def test_tables_hold_none_of_it(self, cloud: LocalCloud, canaries: list[str]) -> None:
        tables = cloud.control.dump()["tables"]
        for name, table in tables.items():
            for item in table["items"]:
                assert found_in(item, canaries) == [], (name, item["pk"])

    @pytest.mark.promise("PS-46")
    def test_object_keys_and_objects_hold_none_of_it(
        self, cloud: LocalCloud, canaries: list[str]
    ) -> None:
        for name, bucket in cloud.control.dump()["buckets"].items():
            assert found_in(bucket["keys"], canaries) == [], name
            # Raw visitor logs may hold these two, for hours, and nobody's name beside them.
            may_hold = {AGENT, ADDRESS} if name == "VisitorLogsBucket" else set()
            if name != "InstallersBucket":
                for key in bucket["keys"]:
                    found = found_in(cloud.control.object(name, key), canaries)
                    assert set(found) <= may_hold, key

    @pytest.mark.promise("PS-49")
    @pytest.mark.promise("PS-58")
    def test_logs_hold_none_of_it(self, cloud: LocalCloud, canaries: list[str]) -> None:
        lines = cloud.control.logs()
        assert lines
        assert found_in(lines, canaries) == []

    @pytest.mark.promise("PS-46")
    @pytest.mark.promise("PS-49")
    def test_queues_and_calls_hold_none_of_it(self, cloud: LocalCloud, canaries: list[str]) -> None:
        assert found_in(cloud.control.queues(), canaries) == []
        assert found_in(cloud.control.calls(), canaries) == []

    @pytest.mark.guarantee("G5")
    def test_the_processor_is_told_none_of_it(self, cloud: LocalCloud, canaries: list[str]) -> None:
        requests = cloud.control.requests()
        assert requests
        assert found_in(requests, canaries) == []

    @pytest.mark.promise("PS-58")
    def test_mail_holds_the_names_that_it_must_and_nothing_else(
        self, cloud: LocalCloud, story: Customer, canaries: list[str]
    ) -> None:
        declared = {CANARIES["account_name"], CANARIES["email"], CANARIES["name"],
                    story.fields["login"]}  # fmt: skip
        mine = cloud.control.mail(to=story.email)
        assert len(mine) >= 4
        for mail in mine:
            assert set(found_in(mail, canaries)) <= declared, mail["subject"]
        others = [mail for mail in cloud.control.mail() if mail not in mine]
        assert found_in(others, canaries) == []

    @pytest.mark.guarantee("G9")
    def test_nothing_kept_names_the_network_or_the_browser(
        self, cloud: LocalCloud, story: Customer
    ) -> None:
        kept = [cloud.control.dump(), cloud.control.logs(), cloud.control.mail()]
        assert found_in(kept, [AGENT, ADDRESS]) == []
