"""The inventory beside what a cloud stored and sent on which all happened: the same, both ways."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from chalicelib.mail.templates import TEMPLATES
from chalicelib.privacy import disclosures, policies
from chalicelib.privacy.declaration import FORMS, POINTS, SHOWN
from chalicelib.privacy.inventory import ITEMS
from chalicelib.privacy.rules import Purpose, policy, reference
from chalicelib.privacy.sinks import MAILED_FOR
from infra.local.front.run import LocalCloud
from tests.cloud.conftest import with_a_key_that_signs
from tests.cloud.full_story import Place, Story, differences, rows_of, tell
from tests.cloud.full_story_steps import STEPS
from tests.cloud.people import WEB, Customer
from tests.cloud.program import Computer, ok, vendor_get

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
PUBLISHED = 4
"""The version of the policy that the story publishes."""


class Elsewhere(NamedTuple):
    """What does not come about in the story: why, and the test that shows it."""

    why: str
    test: str


NOT_STORED: Mapping[str, Elsewhere] = {
    "mailed.refused": Elsewhere(
        "The mail service of the local cloud refuses no mail.",
        "tests/mail/test_mailer.py::test_refused_mail_never_goes_out",
    ),
}
"""All that is published and that the story does not store: `type.attribute`, or a whole type."""
NOT_HEARD: Mapping[str, Elsewhere] = {
    "refund": Elsewhere(
        "An operator's command tells it, and only what functions send is listed by this cloud.",
        "tests/payments/test_telling.py::test_every_request_that_writes_is_held_to_its_declaration",
    ),
}
"""Acts that are in the story's ledger, and whose request nobody sees."""
NOT_OPENED: Mapping[str, Elsewhere] = {
    "policy_change.account": Elsewhere(
        "Nobody on a new cloud registered under a version that has no other purpose for it.",
        "tests/privacy/test_notifying.py"
        "::test_a_person_of_the_first_version_gets_it_under_the_purpose_account",
    ),
    "offer.surveys": Elsewhere(
        "No text asks anything yet: the law of the class alone knows the purpose.",
        "tests/mailings/test_sending.py::test_the_sink_and_the_law_agree_on_purposes",
    ),
}
"""What a class of mail may open, `class.purpose`, and in the story does not."""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Nobody else's: what others stored here would hide what the story does not."""
    with LocalCloud() as running, pytest.MonkeyPatch.context() as patched:
        running.control.schedules("manual")
        running.control.freeze()
        with_a_key_that_signs(running, patched)
        yield running


@pytest.fixture(scope="module")
def halyard(cloud: LocalCloud) -> Json:
    found: Json = cloud.control.seed()["applications"][0]
    return found


@pytest.fixture(scope="module")
def vendor_token(cloud: LocalCloud) -> str:
    return str(cloud.control.seed()["tokens"][0]["token"])


@pytest.fixture(scope="module")
def story(cloud: LocalCloud, halyard: Json, vendor_token: str) -> Story:
    return tell(Story(cloud, halyard["id"], vendor_token), STEPS)


@pytest.fixture(scope="module")
def owner(story: Story) -> Customer:
    return story.back("owner")


@pytest.fixture(scope="module")
def published(cloud: LocalCloud, story: Story) -> Json:
    answer = WEB.get(f"{cloud.app}/privacy/inventory.json")
    assert answer.status_code == 200
    found: Json = answer.json()
    return found


def facts_of(published: Json) -> set[str]:
    """Each type that is published, and each `type.attribute`."""
    return {item["type"] for item in published["items"]} | {
        f"{item['type']}.{each['name']}" for item in published["items"]
        for each in item["attributes"]
    }  # fmt: skip


def test_each_difference_and_each_stale_excuse_is_named() -> None:
    """Without this, a comparison that sees nothing would pass."""
    assert differences({"a", "a.x"}, {"a", "a.x", "a.y"}, {"a.y"}) == {}
    assert differences({"a", "b"}, {"a", "c", "d"}, {"a", "d", "e"}) == {
        "undeclared": {"b"}, "never came about": {"c"}, "stale excuses": {"a", "e"},
    }  # fmt: skip


@pytest.mark.promise("PS-02")
class TestStored:
    def test_the_story_stores_all_that_is_published_and_nothing_else(
        self, story: Story, published: Json
    ) -> None:
        types = story.seen.types
        stored = {f"{kind}.{name}" for kind, names in types.items() for name in names}
        assert differences({*types, *stored}, facts_of(published), NOT_STORED) == {}

    def test_each_purpose_has_the_very_fields_that_are_published_for_it(
        self, story: Story, published: Json
    ) -> None:
        said: dict[str, set[str]] = defaultdict(set)
        for each in published["fields"]:
            for use in each["purposes"]:
                said[use["purpose"]].add(each["name"])
        assert dict(story.seen.sealed) == said
        assert {each["name"] for each in published["fields"]} == policy(PUBLISHED).fields()

    @pytest.mark.promise("PS-12")
    def test_data_came_in_at_every_point_of_collection_and_at_no_other(self, story: Story) -> None:
        taken = {
            row["reason"] for row in story.rows("ledger")
            if row["event"] in {"collected", "corrected", "granted"}
            and row.get("purpose") != Purpose.FISCAL  # kept of what was given before, by law
        }  # fmt: skip
        assert {word for word in taken if not word.startswith("command:")} == FORMS

    def test_objects_are_of_the_published_families_and_say_what_is_published(
        self, story: Story, published: Json
    ) -> None:
        said: dict[Place, set[str]] = {
            (each["bucket"], each["prefix"]): {name["name"] for name in each["fields"]}
            for each in published["objects"]
        }
        assert story.seen.strange == set()
        assert dict(story.seen.objects) == said

    def test_the_published_inventory_is_the_declared_one(self, published: Json) -> None:
        assert {item["type"] for item in published["items"]} == ITEMS.keys()
        assert {each["point"] for each in published["collection"]} == POINTS.keys()
        assert published["recipients"].keys() == {*policies.RECIPIENTS, "vendor"}


@pytest.mark.parametrize("excuse", [*NOT_STORED.values(), *NOT_HEARD.values(),
                                    *NOT_OPENED.values()])  # fmt: skip
def test_an_excuse_names_a_test_that_there_is(excuse: Elsewhere) -> None:
    file, _, name = excuse.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()


@pytest.mark.promise("PS-26")
class TestDownloads:
    def test_ten_of_them_store_nothing_of_a_person(
        self, cloud: LocalCloud, owner: Customer
    ) -> None:
        def held() -> set[tuple[str, str, str]]:
            return {(i["pk"], i["sk"], name) for i in rows_of(cloud.control.dump())
                    for name in i if ITEMS[i["type"]].personal}  # fmt: skip

        page = owner.open("/account/downloads")
        before = held()
        for _ in range(10):
            assert owner.browser.fetch(page.link("for Linux")).status_code == 303
        assert held() == before

    @pytest.mark.promise("PS-27")
    @pytest.mark.parametrize("extra", ["hostname", "mac_address", "serial", "telemetry", "events"])
    def test_a_launch_that_says_more_is_refused_and_leaves_nothing(
        self, cloud: LocalCloud, owner: Customer, halyard: Json, extra: str
    ) -> None:
        computer = Computer(cloud, halyard["id"])
        computer.sign_in(owner)
        canary = f"zq-{extra}-said-too-much"
        answer = computer.ask_to_launch(f"inventory-{extra}", **{extra: canary})
        assert answer.status_code == 422
        assert canary not in json.dumps([cloud.control.dump(), cloud.control.logs()])


def told(cloud: LocalCloud) -> list[Json]:
    """Every request that told the processor something."""
    found = [r for r in cloud.control.requests() if r["method"] == "POST"]
    silent = [r for r in found if r["url"].endswith("/expire")]
    assert not any(r["body"] for r in silent)
    return [r for r in found if r not in silent]


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


ACTS = {"/v1/customers": "customer", "/v1/payment_intents": "charge", "/v1/refunds": "refund"}
SHARED = ["share", disclosures.PROCESSOR]
PAGES = {"setup": "card_page", "payment": "payment_page"}


def act_of(request: Json) -> str:
    """What the processor takes it for."""
    path = urlsplit(request["url"]).path
    if path == "/v1/checkout/sessions":
        return PAGES[dict(parse_qsl(request["body"]))["mode"]]
    return ACTS[path]


def shares(story: Story) -> list[tuple[str, str, str]]:
    """Each row that says that the processor is told: the pseudonym, the act and the reference."""
    rows = [(row["subject"], row.get("reason", "").split(":")) for row in story.rows("ledger")]
    return [(subject, words[2], words[3]) for subject, words in rows if words[:2] == SHARED]


class TestSent:
    @pytest.mark.promise("PS-03")
    @pytest.mark.promise("PS-11")
    def test_every_host_that_was_spoken_to_is_the_processors(
        self, cloud: LocalCloud, story: Story
    ) -> None:
        """Of recipients outside, the processor alone is reached by a request."""
        hosts = {urlsplit(r["url"]).netloc for r in cloud.control.requests()}
        environment = cloud.operator
        assert hosts == {urlsplit(environment["PROCESSOR_API"]).netloc}

    @pytest.mark.promise("PS-40")
    def test_each_act_tells_the_processor_all_that_it_declares_and_nothing_else(
        self, cloud: LocalCloud, story: Story, published: Json
    ) -> None:
        said: dict[str, set[str]] = defaultdict(set)
        for request in told(cloud):
            said[act_of(request)] |= names_told(request)
        declared = {each["act"]: set(each["fields"]) for each in published["disclosures"]}
        assert said == {act: names for act, names in declared.items() if act not in NOT_HEARD}
        assert {each["recipient"] for each in published["disclosures"]} == {disclosures.PROCESSOR}

    @pytest.mark.promise("PS-05")
    def test_the_rows_of_the_ledger_and_the_requests_match_one_to_one(
        self, cloud: LocalCloud, story: Story
    ) -> None:
        sent = {(act_of(request), key_of(request)) for request in told(cloud)}
        found = [
            [key for act_sent, key in sent if act_sent == act
             and word in {reference(key, each) for each in story.seen.keys[subject]}]
            for subject, act, word in shares(story) if act not in NOT_HEARD
        ]  # fmt: skip
        assert all(len(keys) == 1 for keys in found)
        assert {key for keys in found for key in keys} == {key for _, key in sent}
        assert {act for _, act, _ in shares(story)} == disclosures.SENT.keys()

    @pytest.mark.promise("PS-59")
    def test_each_class_of_mail_opened_the_address_for_its_purposes_and_for_no_other(
        self, story: Story
    ) -> None:
        opened: dict[str, set[str]] = defaultdict(set)
        for row in story.rows("ledger"):
            kind, _, rest = str(row.get("reason")).partition(":")
            if row["event"] == "opened" and kind == "mail":
                mail_class = TEMPLATES[rest.partition(":")[0]].mail_class
                opened[str(mail_class)].add(row["purpose"])
        said = {f"{kind}.{purpose}" for kind, purposes in opened.items() for purpose in purposes}
        declared = {f"{kind}.{each}" for kind, purposes in MAILED_FOR.items() for each in purposes}
        assert differences(said, declared, NOT_OPENED) == {}


@pytest.mark.promise("PS-14")
@pytest.mark.promise("PS-35")
def test_a_vendors_program_sees_exactly_the_fields_that_are_declared(
    cloud: LocalCloud, story: Story, vendor_token: str
) -> None:
    for route, fields in SHOWN["v"].items():
        found = ok(vendor_get(cloud, vendor_token, route.partition(" ")[2]))["items"]
        assert found
        assert {frozenset(row) for row in found} == {frozenset(fields)}, route


@pytest.mark.promise("PS-35")
def test_a_persons_program_and_files_show_exactly_the_fields_that_are_declared(
    cloud: LocalCloud, owner: Customer, halyard: Json
) -> None:
    computer = Computer(cloud, halyard["id"])
    computer.sign_in(owner)
    rows = [
        *ok(computer.get("/v1/usage"))["items"],
        *ok(computer.get("/v1/usage?by=computer"))["items"],
    ]
    assert {name for row in rows for name in row} == SHOWN["u"]["GET /v1/usage"].keys()
    for name in ("days", "intervals"):
        path = f"/account/usage/{name}.csv"
        header = owner.browser.fetch(f"{cloud.app}{path}").text.partition("\r\n")[0]
        assert header.lstrip("\ufeff").split(",") == list(SHOWN["u"][f"GET {path}"]), name


@pytest.mark.promise("PS-33")
def test_the_usage_logs_say_exactly_what_is_declared(story: Story) -> None:
    said = story.seen.objects["LogsBucket", "usage/"]
    assert said == SHOWN["a"]["the license and usage logs"].keys()
