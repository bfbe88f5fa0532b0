"""The inventory beside what a story really stored and sent: the same, both ways."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from chalicelib.privacy import disclosures, policies
from chalicelib.privacy.declaration import FORMS, POINTS, SHOWN
from chalicelib.privacy.inventory import FAMILIES, ITEMS, TECHNICAL
from chalicelib.privacy.rules import Purpose, policy, reference
from chalicelib.storage.wire import from_wire_item
from tests.cloud.people import WEB, Customer, new_customer
from tests.cloud.program import Computer, ok, vendor_get
from tests.cloud.test_purchases import sign_in

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
MONTH = 32 * 86_400
STORED = {
    "account", "email_claim", "login_claim", "sealed", "grant", "ledger", "session",
    "session_listed", "order", "order_pointer", "subscription", "attempt", "payment",
    "payment_pointer", "entry", "customer", "card", "effect", "ownership", "vendor_license",
    "license", "computer", "lease", "launch", "interval", "counted", "total", "message",
    "message_listed", "contract",
}  # fmt: skip
"""What the story below surely stores."""
SELDOM = {
    "account": {"decoy", "undone", "ending_since", "deactivated_at", "addressed_at",
                "opted_out_at"},
    "email_claim": {"told_on"}, "order": {"refusal", "seats", "card_for", "session_id", "card",
                                          "license_id", "paid_at", "payment_id"},
    "subscription": {"charging", "due", "next_charge"}, "payment": {"license_id", "period"},
    "license": {"slots", "starts_at", "key_hash", "blocked", "holds", "ends_at"},
    "lease": {"closed", "shown", "seat_over", "release", "person", "key"},
    "launch": {"ended", "held_in", "release"}, "interval": {"release", "person"},
    "computer": {"seen_at"}, "ledger": {"purpose", "policy", "reason"},
    "message": {"account", "claim", "claimed_until", "handing", "not_after", "ended_at",
                "counted", "why"},
    "session": {"used_on"}, "attempt": set(), "total": {"computer"},
}  # fmt: skip
"""Attributes that not every story brings about."""


def items(cloud: LocalCloud) -> list[Json]:
    tables = cloud.control.dump()["tables"]
    return [from_wire_item(as_bytes(i)) for table in tables.values() for i in table["items"]]


def as_bytes(value: Any) -> Any:
    """The dump's JSON with its binary values as bytes again."""
    if isinstance(value, list):
        return [as_bytes(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if isinstance(raw := value.get("B"), str) and len(value) == 1:
        return {"B": base64.b64decode(raw)}
    return {name: as_bytes(entry) for name, entry in value.items()}


def plain(name: str) -> str:
    return f"{name.partition(':')[0]}:*" if ":" in name else name


@pytest.fixture(scope="module")
def story(cloud: LocalCloud, halyard: Json) -> Customer:
    """Registered, corrected, subscribed, renewed, launched, ended, totaled, mailed."""
    customer = new_customer(cloud, "inventory", phone="+49 30 5550100", company="Example Works")
    customer.open("/account/setup")
    customer.browser.submit("/account/setup", city="Otherton")
    plan = next(p["id"] for p in cloud.control.seed()["plans"] if p["name"] == "Monthly")
    page = customer.open("/apps/halyard")
    page.parsed.forms[:] = [f for f in page.parsed.forms if f.fields.get("plan") == plan]
    page = customer.browser.submit("/orders")
    assert "/c/pay/" in page.url, page.text
    assert customer.pay().path.startswith("/orders/")
    customer.buy()
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(customer)
    first = computer.launch("inventory-1")
    cloud.control.advance(30)
    computer.end(first["lease"])
    computer.launch("inventory-2")
    for function in ("license_sweep", "payment_sweep"):
        cloud.control.run(function)
    cloud.control.advance(MONTH)
    cloud.control.run("renewal_sweep")
    cloud.control.settle()
    sign_in(customer)
    return customer


@pytest.fixture(scope="module")
def published(cloud: LocalCloud, story: Customer) -> Json:
    answer = WEB.get(f"{cloud.app}/privacy/inventory.json")
    assert answer.status_code == 200
    found: Json = answer.json()
    return found


def subject_of(cloud: LocalCloud, story: Customer) -> tuple[str, str]:
    """Account and pseudonym of the story's customer, by an order of theirs."""
    links = [href for href, _ in story.open("/orders").parsed.links]
    name = next(href.rpartition("/")[2] for href in links if "/orders/ord_" in href)
    held = items(cloud)
    account = next(i["account_id"] for i in held if i["pk"] == f"ORDER#{name}")
    subject = next(i["subject"] for i in held
                   if i["pk"] == f"ACCOUNT#{account}" and i["type"] == "account")  # fmt: skip
    return account, subject


@pytest.mark.promise("PS-02")
class TestStored:
    def test_whatever_is_stored_is_published(self, cloud: LocalCloud, published: Json) -> None:
        declared = {
            item["type"]: {each["name"] for each in item["attributes"]} | TECHNICAL
            for item in published["items"]
        }
        strange = {
            (item.get("type"), name)
            for item in items(cloud)
            for name in item
            if plain(name) not in declared.get(item.get("type", ""), set())
        }
        assert strange == set()

    def test_whatever_is_published_of_a_person_is_stored(
        self, cloud: LocalCloud, published: Json
    ) -> None:
        held: dict[str, set[str]] = {}
        for item in items(cloud):
            held.setdefault(item["type"], set()).update(map(plain, item))
        declared = {item["type"]: {each["name"] for each in item["attributes"]}
                    for item in published["items"]}  # fmt: skip
        missing = {kind: declared[kind] - held.get(kind, set()) - SELDOM.get(kind, set())
                   for kind in STORED}  # fmt: skip
        assert {kind: names for kind, names in missing.items() if names} == {}

    def test_sealed_fields_are_those_of_the_policy(
        self, cloud: LocalCloud, published: Json
    ) -> None:
        named = {each["name"] for each in published["fields"]}
        assert named == policy(policies.IN_FORCE).fields()
        sealed = {name.partition(":")[0] for item in items(cloud) if item["type"] == "sealed"
                  for name in item["fields"]}  # fmt: skip
        assert {"email", "name", "company", "phone", "city"} <= sealed <= policies.FIELDS.keys()

    @pytest.mark.promise("PS-12")
    def test_whatever_was_sealed_came_in_at_a_point_of_collection(self, cloud: LocalCloud) -> None:
        taken = {
            item["reason"] for item in items(cloud)
            if item["type"] == "ledger" and item["event"] in {"collected", "corrected", "granted"}
            and item.get("purpose") != "fiscal"  # kept of what was given before, by law
        }  # fmt: skip
        assert {"register", "setup"} <= taken
        assert {word for word in taken if not word.startswith("command:")} <= FORMS

    def test_every_object_is_of_a_family_that_is_published(self, cloud: LocalCloud) -> None:
        strange = [
            (name, key)
            for name, bucket in cloud.control.dump()["buckets"].items()
            for key in bucket["keys"]
            if not any(f.bucket == name and key.startswith(f.prefix) for f in FAMILIES)
        ]
        assert strange == []

    def test_the_published_inventory_is_the_declared_one(self, published: Json) -> None:
        assert {item["type"] for item in published["items"]} == ITEMS.keys()
        assert {each["point"] for each in published["collection"]} == POINTS.keys()
        assert published["recipients"].keys() == {*policies.RECIPIENTS, "vendor"}


@pytest.mark.promise("PS-26")
class TestDownloads:
    def test_ten_of_them_store_nothing_of_a_person(
        self, cloud: LocalCloud, story: Customer
    ) -> None:
        def held() -> set[tuple[str, str, str]]:
            return {(i["pk"], i["sk"], name) for i in items(cloud)
                    for name in i if ITEMS[i["type"]].personal}  # fmt: skip

        page = story.open("/account/downloads")
        before = held()
        for _ in range(10):
            assert story.browser.fetch(page.link("for Linux")).status_code == 303
        assert held() == before

    @pytest.mark.promise("PS-27")
    @pytest.mark.parametrize("extra", ["hostname", "mac_address", "serial", "telemetry", "events"])
    def test_a_launch_that_says_more_is_refused_and_leaves_nothing(
        self, cloud: LocalCloud, story: Customer, halyard: Json, extra: str
    ) -> None:
        computer = Computer(cloud, halyard["id"])
        computer.sign_in(story)
        canary = f"zq-{extra}-said-too-much"
        answer = computer.ask_to_launch(f"inventory-{extra}", **{extra: canary})
        assert answer.status_code == 422
        assert canary not in json.dumps([items(cloud), cloud.control.logs()], default=str)


def told(cloud: LocalCloud) -> list[Json]:
    """Every request that told the processor something."""
    return [r for r in cloud.control.requests() if r["method"] == "POST"]


def names_told(request: Json) -> set[str]:
    """Its fields as SENT spells them: `line_items[0][quantity]` is `line_items.quantity`."""
    found = set()
    for name, _ in parse_qsl(request["body"] or "", keep_blank_values=True):
        parts = [part.rstrip("]") for part in name.split("[")]
        found.add(".".join(part for part in parts if not part.isdigit()))
    return found


def key_of(request: Json) -> str:
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return str(headers.get("idempotency-key", ""))


def wrapped_keys(cloud: LocalCloud) -> dict[str, list[bytes]]:
    """Those that each pseudonym still has."""
    found: dict[str, list[bytes]] = {}
    for item in items(cloud):
        if item["type"] in {"grant", "held_grant"}:
            found.setdefault(item["pk"].partition("#")[2], []).append(item["data_key"])
    return found


def named(row: Json, sent: set[str], keys: dict[str, list[bytes]]) -> set[str]:
    """The request that a row's reference stands for, by the keys of its person."""
    word = row["reason"].split(":", 3)[3]
    return {name for name in sent
            for key in keys.get(row["subject"], ()) if reference(name, key) == word}  # fmt: skip


ACTS = {
    "/v1/customers": {"customer"}, "/v1/checkout/sessions": {"card_page", "payment_page"},
    "/v1/payment_intents": {"charge"}, "/v1/refunds": {"refund"},
}  # fmt: skip


class TestSent:
    @pytest.mark.promise("PS-03")
    @pytest.mark.promise("PS-11")
    def test_every_host_that_was_spoken_to_is_the_processors(
        self, cloud: LocalCloud, story: Customer
    ) -> None:
        """Of recipients outside, the processor alone is reached by a request."""
        hosts = {urlsplit(r["url"]).netloc for r in cloud.control.requests()}
        environment = cloud.operator
        assert hosts == {urlsplit(environment["PROCESSOR_API"]).netloc}

    @pytest.mark.promise("PS-40")
    def test_what_was_sent_is_what_its_act_declares(
        self, cloud: LocalCloud, story: Customer, published: Json
    ) -> None:
        declared = {each["act"]: set(each["fields"]) for each in published["disclosures"]}
        seen = set()
        for request in told(cloud):
            path = urlsplit(request["url"]).path
            if path.endswith("/expire"):
                assert not request["body"]
                continue
            acts = ACTS[path]
            assert any(names_told(request) <= declared[act] for act in acts), path
            seen |= {path}
        assert {"/v1/customers", "/v1/checkout/sessions", "/v1/payment_intents"} <= seen

    @pytest.mark.promise("PS-05")
    def test_the_rows_of_the_ledger_and_the_requests_match_one_to_one(
        self, cloud: LocalCloud, story: Customer
    ) -> None:
        rows = [i for i in items(cloud) if i["type"] == "ledger" and i["event"] == "shared"]
        sent = {key_of(r) for r in told(cloud) if not r["url"].endswith("/expire")}
        keys = wrapped_keys(cloud)
        said = {name: row for row in rows for name in named(row, sent, keys)}
        forgotten = [row for row in rows if not keys.get(row["subject"])]  # erased in another test
        assert len(sent - said.keys()) <= len(forgotten)
        _, subject = subject_of(cloud, story)
        mine = {key: row for key, row in said.items() if row["subject"] == subject}
        assert len(mine) == len([row for row in rows if row["subject"] == subject]) == 4
        assert mine.keys() <= sent
        assert {row["purpose"] for row in mine.values()} == {str(Purpose.BILLING)}
        acts = sorted(row["reason"].split(":")[2] for row in mine.values())
        assert acts == ["card_page", "charge", "customer", "payment_page"]
        assert set(acts) <= disclosures.SENT.keys()


@pytest.mark.promise("PS-14")
@pytest.mark.promise("PS-35")
def test_a_vendors_program_sees_exactly_the_fields_that_are_declared(
    cloud: LocalCloud, story: Customer, vendor_token: str
) -> None:
    for route, fields in SHOWN["v"].items():
        found = ok(vendor_get(cloud, vendor_token, route.partition(" ")[2]))["items"]
        assert found
        assert {frozenset(row) for row in found} == {frozenset(fields)}, route


@pytest.mark.promise("PS-35")
def test_a_persons_program_and_files_show_exactly_the_fields_that_are_declared(
    cloud: LocalCloud, story: Customer, halyard: Json
) -> None:
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(story)
    rows = [
        *ok(computer.get("/v1/usage"))["items"],
        *ok(computer.get("/v1/usage?by=computer"))["items"],
    ]
    assert {name for row in rows for name in row} == SHOWN["u"]["GET /v1/usage"].keys()
    for name in ("days", "intervals"):
        path = f"/account/usage/{name}.csv"
        header = story.browser.fetch(f"{cloud.app}{path}").text.partition("\r\n")[0]
        assert header.lstrip("\ufeff").split(",") == list(SHOWN["u"][f"GET {path}"]), name
