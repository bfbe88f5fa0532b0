"""The inventory: complete by the source, in words that others know, and told by its own rules."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chalicelib.edge.access import ACCESS
from chalicelib.licenses import event_log
from chalicelib.privacy import declaration, inventory, policies
from chalicelib.privacy.declaration import FORMS, POINTS, SHOWN
from chalicelib.privacy.inventory import FAMILIES, ITEMS, QUEUES
from chalicelib.privacy.rules import Purpose, policy
from chalicelib.usage import files
from infra.operate import processing_record

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
KNOWN = (Path(__file__).parent / "fideslang-3.1.4.txt").read_text().splitlines()
"""Every key of the taxonomy of fideslang 3.1.4, which needs an older pydantic than ours."""


def known(kind: str) -> set[str]:
    start = KNOWN.index(f"[{kind}]") + 1
    ends = [at for at, line in enumerate(KNOWN) if at >= start and line.startswith("[")]
    return set(KNOWN[start : ends[0] if ends else None])


def types_in_source() -> Iterator[str]:
    """The types of items that the stores build, as far as they are written out."""
    for path in (ROOT / "chalicelib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                keys = {k.value: v for k, v in zip(node.keys, node.values, strict=True)
                        if isinstance(k, ast.Constant)}  # fmt: skip
                if isinstance(kind := keys.get("type"), ast.Constant) and {"pk", "v"} & keys.keys():
                    yield str(kind.value)
                for value in (keys.get(":type"), keys.get(":t")):  # what an update makes
                    if isinstance(value, ast.Constant):
                        yield str(value.value)


@pytest.mark.promise("PS-02")
class TestComplete:
    def test_every_type_that_the_source_builds_is_declared(self) -> None:
        found = set(types_in_source())
        assert len(found) > 40
        assert found <= ITEMS.keys()

    def test_every_attribute_that_is_declared_is_a_word_of_the_source(self) -> None:
        """What the code no longer knows is no longer declared; `after0` is `after{n}` there."""
        words: set[str] = set()
        for path in (ROOT / "chalicelib").rglob("*.py"):
            if path.name not in {"inventory.py", "declaration.py"}:
                words |= set(re.findall(r"\w+", path.read_text()))
        ends = tuple(word for word in words if word.startswith("_"))
        declared = {name for item in ITEMS.values() for name in item.facts if ":" not in name}
        gone = {name for name in declared if not {name, name.rstrip("0123456789")} & words}
        assert {name for name in gone if not name.endswith(ends)} == set()

    def test_every_word_of_the_declaration_is_explained(self) -> None:
        categories = {f.category for item in ITEMS.values() for f in item.facts.values()}
        categories |= {f.category for kept in FAMILIES for f in kept.fields.values()}
        uses = {use for item in ITEMS.values() for use in item.why}
        uses |= {use for kept in FAMILIES for use in kept.why}
        assert categories <= declaration.CATEGORIES.keys()
        assert uses - {declaration.BY_POLICY} <= {*declaration.USES, *declaration.POLICY_USES}
        assert {item.whose for item in ITEMS.values()} <= declaration.SUBJECTS.keys()
        seen = {who for item in ITEMS.values() for f in item.facts.values() for who in f.seen}
        assert seen == {"u", "v", "a"}
        assert all(item.says.endswith(".") and item.until and item.places
                   for item in ITEMS.values())  # fmt: skip

    @pytest.mark.promise("PS-02")
    def test_every_bucket_of_the_template_has_a_family_of_objects(self) -> None:
        resources = (ROOT / "infra" / "resources.yaml").read_text()
        buckets = set(re.findall(r"(?m)^  (\w+):\n    Type: AWS::S3::Bucket$", resources))
        assert buckets == {family.bucket for family in FAMILIES}

    @pytest.mark.promise("PS-02")
    def test_every_queue_of_the_template_is_declared_with_its_days(self) -> None:
        resources = (ROOT / "infra" / "resources.yaml").read_text()
        queues = re.findall(r"(?m)^  (\w+):\n    Type: AWS::SQS::Queue\n((?:    .*\n)+)", resources)
        kept = {
            name: int(days[1]) // 86_400
            if (days := re.search(r"MessageRetentionPeriod: (\d+)", words)) else 4
            for name, words in queues
        }  # fmt: skip
        assert kept == {queue.name: queue.days for queue in QUEUES}

    @pytest.mark.promise("PS-70")
    def test_no_queue_keeps_an_address_for_longer_than_four_days(self) -> None:
        lettered = [q for q in QUEUES if "letter" in {f.category for f in q.fields.values()}]
        assert {queue.name for queue in lettered} == {"MailFeedbackQueue", "MailFeedbackDlq"}
        assert max(queue.days for queue in lettered) == 4

    @pytest.mark.promise("PS-33")
    def test_no_fact_of_licenses_or_usage_is_an_address_or_a_browser(self) -> None:
        names = {
            name
            for item in ITEMS.values() if item.table == inventory.USAGE
            for name in item.facts
        }  # fmt: skip
        assert not names & {"ip", "address", "user_agent", "agent", "network", "asn", "referrer"}
        (logs,) = (kept for kept in FAMILIES if kept.prefix == "usage/")
        assert not logs.fields.keys() & {"ip", "user_agent", "network", "name", "email"}

    @pytest.mark.promise("PS-49")
    def test_no_fact_has_the_name_of_a_field_that_is_sealed(self) -> None:
        secret = policies.FIELDS.keys() - {"account_name", "name", "message"}
        for kind, item in ITEMS.items():
            assert not item.facts.keys() & secret, kind
            if item.personal:
                assert "name" not in item.facts, kind


@pytest.mark.promise("PS-02")
class TestFides:
    def test_every_key_is_one_of_the_taxonomy(self) -> None:
        categories, uses = known("category"), known("use")
        assert {key for _, key in declaration.CATEGORIES.values()} <= categories
        assert set(declaration.FIELDS.values()) <= categories
        assert {use for _, use, _ in declaration.USES.values()} <= uses
        assert set(declaration.POLICY_USES.values()) <= uses
        assert set(declaration.SUBJECTS.values()) <= known("subject")

    def test_every_field_and_purpose_of_the_policy_has_one(self) -> None:
        assert declaration.FIELDS.keys() == policies.FIELDS.keys()
        assert declaration.POLICY_USES.keys() == {str(purpose) for purpose in Purpose}

    @pytest.mark.parametrize("number", sorted(policies.VERSIONS))
    def test_the_manifest_names_every_item_and_every_purpose(self, number: int) -> None:
        made = declaration.inventory(policy(number))
        (dataset,), (system,) = made["fides"]["dataset"], made["fides"]["system"]
        named = {each["name"] for each in dataset["collections"]}
        assert named == {name for name, item in ITEMS.items() if item.facts}
        purposes = {d["name"] for d in system["privacy_declarations"]}
        assert {f"policy.{purpose}" for purpose in policy(number).uses} <= purposes
        json.dumps(made)


@pytest.mark.promise("PS-04")
@pytest.mark.promise("PS-05")
def test_each_field_says_what_for_until_when_and_who_receives_it() -> None:
    made = declaration.inventory(policy(policies.IN_FORCE))
    assert {each["name"] for each in made["fields"]} == policy(policies.IN_FORCE).fields()
    for each in made["fields"]:
        assert each["purposes"], each["name"]
        for use in each["purposes"]:
            assert use["says"]
            assert use["until"]
            assert set(use["recipients"]) <= made["recipients"].keys()


@pytest.mark.promise("PS-35")
class TestWhoSeesWhat:
    @pytest.mark.parametrize("role", sorted(SHOWN))
    def test_whatever_a_role_is_shown_is_declared_for_that_role(self, role: str) -> None:
        for shown in SHOWN[role].values():
            for name, sources in shown.items():
                for source in sources.split():
                    if source != "-":
                        kind, _, attribute = source.partition(".")
                        assert role in ITEMS[kind].facts[attribute].seen, (name, source)

    @pytest.mark.promise("PS-14")
    def test_a_vendor_is_shown_all_that_is_declared_for_vendors_and_nothing_else(self) -> None:
        licensed = {
            f"{kind}.{name}"
            for kind in ("vendor_license", "license", "total")
            for name, fact in ITEMS[kind].facts.items() if "v" in fact.seen
        }  # fmt: skip
        shown = {source for answer in SHOWN["v"].values() for source in answer.values()}
        same = {"license.license", "license.application", "license.granted_at", "license.plan",
                "license.plan_name"}  # fmt: skip
        assert licensed - same == shown

    def test_the_files_and_the_logs_have_the_columns_that_are_declared(self) -> None:
        assert set(files.DAYS) == SHOWN["u"]["GET /account/usage/days.csv"].keys()
        assert set(files.INTERVALS) == SHOWN["u"]["GET /account/usage/intervals.csv"].keys()
        row = dict.fromkeys(ITEMS["interval"].facts, 1) | {"denied_at": 1, "code": "x"}
        lines = event_log.of_lease(row).keys() | event_log.of_denied(row).keys()
        assert lines == SHOWN["a"]["the license and usage logs"].keys()

    @pytest.mark.promise("PS-13")
    def test_no_vendor_is_shown_a_field_of_a_person(self) -> None:
        for kind, item in ITEMS.items():
            for name, fact in item.facts.items():
                if "v" in fact.seen:
                    sealed = {"sealed", "password", "card", "activity", "letter", "computer"}
                    assert fact.category not in sealed, (kind, name)


@pytest.mark.promise("PS-12")
class TestPointsOfCollection:
    def test_each_is_a_route_that_there_is_and_writes_declared_types(self) -> None:
        assert POINTS.keys() - ACCESS.keys() == {"mail to us"}
        for name, point in POINTS.items():
            assert point.types <= ITEMS.keys(), name
            assert point.says.endswith(".")
            assert bool(point.forms) == ("sealed" in point.types), name

    def test_every_module_that_has_fields_sealed_does_so_at_a_point(self) -> None:
        """By the words that the source gives to the vault."""
        sealing = re.compile(r"(?:collect|collect_for|recollect|note|grant|receive)\(")
        words: dict[str, str] = {}
        for path in (ROOT / "chalicelib").rglob("*.py"):
            text = path.read_text()
            if sealing.search(text) and ("vault" in text or "guests" in text):
                found = re.findall(r'^(?:FORM|PAGE)\b.*?= "([^"]+)"', text, re.MULTILINE)
                words |= {word: path.name for word in found if ".html" not in word}
        assert {"register", "setup", "page:/account/email"} <= words.keys()
        notices = {"page:/account/notices"}  # opened there, not given
        assert words.keys() - notices <= FORMS, words

    def test_each_that_is_declared_is_one_that_is_used(self) -> None:
        """A word that no code says is a point at which nothing comes in."""
        said = {
            node.value
            for path in (ROOT / "chalicelib").rglob("*.py") if path.name != "declaration.py"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }  # fmt: skip
        assert FORMS - said == set()


class TestRecordOfProcessing:
    def test_it_names_every_purpose_with_its_ground_its_data_and_its_end(self) -> None:
        made = processing_record.record(policy(policies.IN_FORCE))
        said = {each["activity"] for each in made["activities"]}
        assert {use.says for use in policy(policies.IN_FORCE).uses.values()} <= said
        for each in made["activities"]:
            assert each["ground"] in {"contract", "consent", "legal obligation",
                                      "legitimate interest"}  # fmt: skip
            assert each["data"], each
            assert each["until"]
            assert set(each["recipients"]) <= made["recipients"].keys()

    @pytest.mark.parametrize("kind", ["markdown", "json"])
    def test_the_command_prints_it(self, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert processing_record.main(["--format", kind]) == 0
        printed = capsys.readouterr().out
        assert "To bill you for what you used." in printed
        if kind == "json":
            assert json.loads(printed)["policy"].startswith(f"{policies.IN_FORCE}:")
