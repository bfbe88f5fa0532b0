"""The statement: checked sentence by sentence, and not served where its text was altered."""

from __future__ import annotations

import re
import shutil
from html import unescape
from typing import TYPE_CHECKING

import pytest

import app
from chalicelib.edge import hosts
from chalicelib.edge.access import ACCESS
from chalicelib.edge.routes import Edge
from chalicelib.privacy import policies, practices, precautions, statement
from chalicelib.privacy.practices import Practice, Undeclared
from chalicelib.privacy.precautions import CATALOG, Precaution
from chalicelib.privacy.promises import promises
from chalicelib.privacy.rules import policy
from chalicelib.privacy.statement import Differences, Sentence, StatementAltered
from chalicelib.settings import settings
from infra import facts
from tests.browser import Answer, Browser, matched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import FakeClock, Tables

ROOT = facts.ROOT
VERSIONS = list(policies.VERSIONS)
NOW = policies.IN_FORCE
# What was published stands: an edit of its text fails here first. Write a new version instead.
PINNED = {
    1: "ee1b9c270631b5f8d8fe456f27c41b883901f7a62355973a903c3b856038333e",
    2: "308c85ae745dd63c5ec5e402a846c5ff21adc2ee5a1a4570b952f215722c8c75",
    3: "195eb189b62b0222025a7dcbb0d156e467c6cf32929726a3aafc68d97f9d799a",
}
MISSING = Sentence("", "", (), new=False)
IDS = ["1:2b3d61a3520d6ce9", "2:0d10c33586501420", "3:0b65c16467263a30"]


@pytest.fixture
def browser(tables: Tables, clock: FakeClock) -> Browser:
    return Browser()


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The texts where a test may alter them."""
    folder = tmp_path / "statements"
    shutil.copytree(statement.FOLDER, folder)
    monkeypatch.setattr(statement, "FOLDER", folder)
    return folder


def alter(file: Path, old: str, new: str) -> None:
    before = file.read_text()
    assert old in before
    file.write_text(before.replace(old, new, 1))


def publish(tables: Tables, number: int, policy_id: str, at: int) -> None:
    fact = {"type": "policy", "v": 1, "number": number, "policy": policy_id, "at": at}
    for sk in ("IN_FORCE", f"VERSION#{number}"):
        tables.accounts.apply(tables.accounts.put({"pk": "POLICY", "sk": sk, **fact}))


def begun(begins: str) -> Callable[[str], bool]:
    """Whether a route begins with these words."""
    return lambda path: path == begins or path.startswith(f"{begins.rstrip('/')}/")


class TestTheText:
    @pytest.mark.parametrize("number", VERSIONS)
    def test_each_entry_is_one_sentence(self, number: int) -> None:
        for name, sentence in statement.read(number).sentences().items():
            assert sentence.says[0] in "[{" or sentence.says[0].isupper(), name
            assert sentence.says.endswith("."), name
            assert not re.search(r"[.!?] ", sentence.says), name

    @pytest.mark.parametrize("number", VERSIONS)
    def test_each_sentence_makes_promises_that_are_listed_or_is_context(self, number: int) -> None:
        sentences = statement.read(number).sentences().values()
        assert {name for sentence in sentences for name in sentence.keeps} <= set(promises())
        with pytest.raises(ValueError, match="context"):
            statement.kept({"id": "bare", "says": "All is well."})
        with pytest.raises(ValueError, match="context"):
            statement.kept({"id": "both", "keeps": ["PS-01"], "context": True})

    @pytest.mark.parametrize("number", [n for n in VERSIONS if n >= NOW])
    def test_every_promise_is_made_by_a_sentence(self, number: int) -> None:
        sentences = statement.read(number).sentences().values()
        assert {name for sentence in sentences for name in sentence.keeps} == set(promises())

    @pytest.mark.parametrize("number", VERSIONS)
    def test_its_parts_have_names_of_their_own(self, number: int) -> None:
        text = statement.read(number)
        assert len({section.id for section in text.sections}) == len(text.sections)
        assert len(text.sentences()) == sum(len(section.sentences) for section in text.sections)

    @pytest.mark.parametrize("number", VERSIONS)
    def test_its_links_lead_to_pages_of_ours(self, number: int) -> None:
        for sentence in statement.read(number).sentences().values():
            for _, href in sentence.pieces(host="h", support="s"):
                assert not href or f"GET {matched(href)[0]}" in ACCESS

    def test_a_sentence_falls_into_its_text_and_links(self) -> None:
        sentence = statement.Sentence("x", "Ask [us](/contact) at {host}.", (), new=False)
        assert sentence.pieces(host="h") == [("Ask ", ""), ("us", "/contact"), (" at h.", "")]


@pytest.mark.promise("PS-78")
class TestWhatIsPublishedStands:
    def test_its_text_never_changes(self) -> None:
        for number, digest in PINNED.items():
            content = (statement.FOLDER / f"{number}.toml").read_bytes()
            assert statement.digest(number, content) == digest == policies.TEXTS[number]

    def test_every_version_has_its_text_and_every_published_one_is_pinned(self) -> None:
        assert policies.TEXTS.keys() == policies.VERSIONS.keys()
        assert list(PINNED) == [number for number in VERSIONS if number <= NOW]

    def test_only_the_first_version_with_a_text_binds_without_being_published(self) -> None:
        """A later one holds from the publication on that tells people, and not from a number."""
        assert policies.IN_FORCE == policies.FIRST_WITH_TEXT == 3

    @pytest.mark.promise("PS-82")
    def test_the_text_is_part_of_what_data_is_bound_to(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert [policy(number).id for number in PINNED] == IDS
        policy.cache_clear()
        monkeypatch.setitem(policies.TEXTS, 3, "0" * 64)
        assert policy(3).id != IDS[2]
        policy.cache_clear()

    def test_a_word_altered_in_silence_is_not_served(self, browser: Browser, texts: Path) -> None:
        assert browser.get("/privacy").status == 200
        alter(texts / "3.toml", "twice in thirty days", "twice in three days")
        for path in ("/privacy", "/privacy/v/3", "/privacy/v/3/changes", "/privacy/v/4/changes"):
            answer = browser.get(path)
            assert (answer.status, "three days" in answer.text) == (503, False), path
        assert browser.get("/privacy/v/2").status == 200
        ways = browser.get("/privacy").text.partition("<main")[2]
        for way in ("/privacy/v/2", "/privacy/v/1", "/contact"):
            assert f'href="{way}"' in ways
        assert 'href="/privacy/v/3"' not in ways

    def test_nor_are_other_words_for_a_field_or_a_recipient(
        self, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(policies.FIELDS, "email", "Something else.")
        for path in ("/privacy", "/privacy/v/3/uses", "/privacy/inventory.json"):
            answer = browser.get(path)
            assert (answer.status, "Something else" in answer.text) == (503, False), path
        monkeypatch.undo()
        assert statement.read(3)
        monkeypatch.setitem(policies.RECIPIENTS, "processor", "Somebody.")
        with pytest.raises(StatementAltered):
            statement.read(3)

    def test_nor_is_a_version_that_was_published_as_something_else(
        self, browser: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        publish(tables, 4, "4:something-else", clock.now)
        assert browser.get("/privacy").status == 503
        publish(tables, 4, policy(4).id, clock.now)
        page = browser.get("/privacy")
        assert page.status == 200
        assert "This is version 4, in force since 25 November 2026" in page.words.replace(" ,", ",")


def sentences(found: Differences) -> list[tuple[str, str, str]]:
    """What became of which sentence of which section."""
    return [
        (change.kind, section.id, (change.after or change.before or MISSING).id)
        for section in found.sections
        for change in section.changes
    ]


def shown(page: Answer) -> dict[str, str]:
    """Each section of the differences as a person reads it, by its id."""
    found = re.findall(r'(?s)<h3 id="t-([^"]+)">(.*?)(?=<h3|</section>)', page.text)
    return {name: plain(text) for name, text in found}


def plain(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def read_out(sentence: Sentence) -> str:
    pieces = sentence.pieces(host="cetrus.test", support="[support@cetrus.test](mailto:x)")
    return "".join(text for text, _ in pieces)


@pytest.mark.promise("PS-79")
class TestDifferences:
    """The page of what a version says otherwise than the one before it."""

    @pytest.mark.parametrize("number", [each for each in VERSIONS if each > 1])
    def test_every_sentence_that_differs_stands_under_its_section_and_no_other_does(
        self, browser: Browser, number: int
    ) -> None:
        old, new = (statement.read(each).sentences() for each in (number - 1, number))
        under = shown(browser.get(f"/privacy/v/{number}/changes"))
        for name, sentence in {**old, **new}.items():
            before, after = old.get(name), new.get(name)
            section = name.removesuffix(f"-{sentence.id}")
            words = squeezed(under.get(section, ""))
            changed = before is None or after is None or before.says != after.says
            for each in (before, after):
                assert each is None or (squeezed(read_out(each)) in words) is changed, name

    def test_sections_stand_in_their_order_with_their_headings(self, browser: Browser) -> None:
        page = browser.get("/privacy/v/3/changes")
        order = {section.id: section.title for section in statement.read(3).sections}
        assert list(shown(page)) == list(order)
        for name, title in order.items():
            assert shown(page)[name].startswith(title)
            assert f'<a href="#t-{name}">{title}</a>' in page.text
            assert f'<h3 id="t-{name}"><a href="/privacy/v/3#{name}">' in page.text
            assert f'<h2 id="{name}">' in browser.get("/privacy/v/3").text

    def test_a_line_on_top_counts_what_differs(self, browser: Browser) -> None:
        old, new = (statement.read(each).sentences() for each in (2, 3))
        both = old.keys() & new.keys()
        changed = sum(old[name].says != new[name].says for name in both)
        added, gone = len(new) - len(both), len(old) - len(both)
        words = browser.get("/privacy/v/3/changes").words
        line = f"Against version 2: {added} sentences added, {changed} changed, {gone} taken away"
        assert f"{line}. 6 uses of data differ." in words
        assert (
            "Against version 3: 1 sentence added, 0 changed, 0 taken away"
            in browser.get("/privacy/v/4/changes").words
        )

    def test_what_changed_stands_beside_what_it_was_by_words_and_marks(
        self, browser: Browser
    ) -> None:
        text = browser.get("/privacy/v/3/changes").text
        pairs = re.findall(
            r"<b>Before</b> <del>(.*?)</del></p>"
            r"<p><b>Now</b> <ins>(.*?)</ins>", text
        )  # fmt: skip
        told = [
            (each.before, each.after)
            for section in statement.differences(2, 3).sections
            for each in section.changes
            if each.before and each.after
        ]
        assert [tuple(map(squeezed, map(plain, pair))) for pair in pairs] == [
            (squeezed(read_out(before)), squeezed(read_out(after))) for before, after in told
        ]
        assert len(told) == statement.differences(2, 3).count("changed") > 0

    def test_what_is_gone_stands_where_it_stood(self) -> None:
        assert statement.woven(["a", "b", "c"], ["a", "c"]) == ["a", "b", "c"]
        assert statement.woven(["a", "b"], ["b", "x"]) == ["a", "b", "x"]
        assert statement.woven(["a", "b", "c"], ["x"]) == ["a", "b", "c", "x"]

    def test_a_section_that_is_gone_is_still_told(self) -> None:
        last = statement.differences(3, 2).sections[-1]
        assert (last.id, last.stays, last.stood) == ("limits", False, True)
        assert last.count("gone") == len(last.changes) > 0


def squeezed(text: str) -> str:
    return text.replace(" ", "")


@pytest.mark.promise("PS-79")
class TestPages:
    @pytest.mark.promise("PS-01")
    def test_the_statement_in_force_is_shown_sentence_by_sentence(self, browser: Browser) -> None:
        page = browser.get("/privacy")
        words = page.words.replace(" ", "")
        for name, sentence in statement.read(NOW).sentences().items():
            pieces = sentence.pieces(host="cetrus.test", support="support@cetrus.test")
            assert "".join(text for text, _ in pieces).replace(" ", "") in words, name
            assert f'id="{name}"' in page.text

    @pytest.mark.promise("PS-04")
    def test_every_use_stands_there_with_who_sees_it_and_how_long(self, browser: Browser) -> None:
        words = browser.get(f"/privacy/v/{NOW}/uses").words
        for use in policies.VERSIONS[NOW].values():
            assert use["says"] in words
            assert use["kept"][1:] in words
            assert all(policies.RECIPIENTS[name] in words for name in use["recipients"])

    def test_its_contents_lead_to_every_section(self, browser: Browser) -> None:
        text = browser.get("/privacy").text
        for section in statement.read(NOW).sections:
            assert f'<a href="#{section.id}">' in text
            assert f'<h2 id="{section.id}">' in text

    @pytest.mark.parametrize("number", VERSIONS)
    def test_every_version_can_be_read_and_says_what_it_is(
        self, browser: Browser, number: int
    ) -> None:
        page = browser.get(f"/privacy/v/{number}")
        assert page.status == 200
        assert policy(number).id in page.words
        assert ("This version is not in force." in page.words) is (number > NOW)
        assert ("This is an earlier version." in page.words) is (number < NOW)
        assert f'<a href="/privacy/v/{number}">' in browser.get("/privacy").text

    def test_what_a_version_changes_is_said_in_words(self, browser: Browser) -> None:
        page = browser.get("/privacy/v/4/changes").words
        assert "Version 4 is not in force." in page
        assert "To ask you, now and then, how an application serves you." in page
        assert "If you said yes to that, we may also ask you" in page
        assert "the first version" in browser.get("/privacy/v/1/changes").words

    def test_sentences_are_compared_by_their_names(self) -> None:
        found = sentences(statement.differences(1, 2))
        assert found == [("added", "uses", "chosen"), ("added", "changes", "old-stays")]
        back = sentences(statement.differences(2, 1))
        assert back == [("gone", "uses", "chosen"), ("gone", "changes", "old-stays")]
        told = sentences(statement.differences(2, 3))
        assert ("changed", "visits", "lines") in told
        assert ("changed", "about", "concern") in told

    @pytest.mark.parametrize("number", ["0", "5", "x", "03", "-1", "1.0", "٣"])
    def test_another_number_is_no_version(self, browser: Browser, number: str) -> None:
        assert browser.get(f"/privacy/v/{number}").status == 404
        assert browser.get(f"/privacy/v/{number}/changes").status == 404
        assert browser.get(f"/privacy/v/{number}/uses").status == 404


@pytest.mark.promise("PS-01")
class TestPractices:
    def test_every_route_and_function_is_of_a_practice_that_the_statement_tells_of(self) -> None:
        for number in (NOW, max(VERSIONS)):
            sections = statement.read(number).sections
            assert {each for section in sections for each in section.practices} == set(Practice)
        assert {practices.of_route(key.partition(" ")[2]) for key in ACCESS} <= set(Practice)
        named = {path.partition(" ")[2] for path in ACCESS}
        assert {
            begins for begins in practices.ROUTES if not any(map(begun(begins), named))
        } == set()

    def test_a_route_of_no_practice_does_not_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(ACCESS, "GET /tracking/{person}", ACCESS["GET /"])
        with pytest.raises(Undeclared, match="/tracking"):
            Edge("x").page("/tracking/{person}")

    def test_nor_does_a_function(self) -> None:
        with pytest.raises(Undeclared, match="profile_sweep"):
            practices.declared(["mail_sweep", "profile_sweep"])
        source = (ROOT / "app.py").read_text()
        assert source.rstrip().endswith("practices.declared(app.functions())")
        assert {"inbound_mail", "mail_sender", "visit_sweep"} <= set(app.app.functions())

    def test_the_longest_beginning_counts(self) -> None:
        assert practices.of_route("/v1/vendor/usage") is Practice.VENDORS
        assert practices.of_route("/v1/launches") is Practice.LICENSES
        assert practices.of_route("/") is Practice.READING


@pytest.mark.promise("PS-43")
class TestHosts:
    @pytest.mark.parametrize(
        "host", ["evil.example", "cetrus.test.evil.example", "www.cetrus.test", "cetrus.test@x"]
    )
    @pytest.mark.parametrize("path", ["/privacy", "/", "/v1/keys"])
    def test_another_name_is_refused(self, browser: Browser, path: str, host: str) -> None:
        answer = browser.get(path, host=host)
        assert answer.status == 421
        assert "Strict-Transport-Security" in answer.headers
        assert host not in answer.text

    @pytest.mark.parametrize("host", ["cetrus.test", "CETRUS.test:443", "cetrus.test:8000"])
    def test_ours_is_answered(self, browser: Browser, host: str) -> None:
        assert browser.get("/privacy", host=host).status == 200

    def test_so_is_the_gateway_s_own_for_the_front_door_and_no_other_gateway(
        self, browser: Browser
    ) -> None:
        event = browser.event("GET", "/privacy", b"", {"host": "abc.execute-api.eu.amazonaws.com"})
        assert not hosts.is_ours(event)
        event["requestContext"]["apiId"] = "abc"
        assert hosts.is_ours(event)

    def test_the_statement_names_the_host_that_it_is_about(self, browser: Browser) -> None:
        assert "at cetrus.test, the only site that it is about." in browser.get("/privacy").words

    def test_on_one_machine_all_its_own_names_are_ours(
        self, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BASE_URL", "http://localhost:8000")
        settings.cache_clear()
        event = {"requestContext": {}, "headers": {"Host": "127.0.0.1:8000"}}
        assert hosts.is_ours(event)
        assert not hosts.is_ours({**event, "headers": {"Host": "evil.example"}})
        monkeypatch.undo()
        settings.cache_clear()


class TestSecurity:
    @pytest.mark.promise("PS-07")
    def test_the_page_states_the_facts_of_the_template(self, browser: Browser) -> None:
        found = facts.read_facts()
        assert found == precautions.facts(), "run python -m infra.facts"
        words = browser.get("/privacy/security").words
        assert f"TLS {found['tls']} or newer only" in words
        assert f"for {found['hsts_days']} days" in words
        assert f"{found['turned_keys']} keys of the key service" in words
        assert f"locked away for {found['lock_days']} days" in words
        assert found["lock"] == "COMPLIANCE"

    @pytest.mark.promise("PS-07")
    def test_another_template_is_another_page(
        self, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in facts.TEMPLATES:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
        (tmp_path / facts.OUT).parent.mkdir(parents=True)
        alter(tmp_path / "infra/edge.yaml", "TLSv1.2_2021", "TLSv1.3_2025")
        facts.write_facts(facts.read_facts(tmp_path), tmp_path)
        monkeypatch.setattr(precautions, "FACTS", tmp_path / facts.OUT)
        precautions.facts.cache_clear()
        assert "TLS 1.3 or newer only" in browser.get("/privacy/security").words
        precautions.facts.cache_clear()

    @pytest.mark.promise("PS-45")
    def test_a_key_that_is_not_turned_over_is_told(self, tmp_path: Path) -> None:
        keys = {"A": {"EnableKeyRotation": True}, "B": {"KeyUsage": "SIGN_VERIFY"}}
        made = {n: {"Type": "AWS::KMS::Key", "Properties": key} for n, key in keys.items()}
        assert facts.turned(made) == 1
        made["C"] = {"Type": "AWS::KMS::Key", "Properties": {}}
        assert facts.turned(made) == -1

    @pytest.mark.promise("PS-44")
    def test_every_precaution_stands_on_promises_that_are_kept(self) -> None:
        for each in CATALOG:
            assert all(promises()[name].in_scope for name in each.stands_on), each.title

    @pytest.mark.promise("PS-44")
    def test_a_precaution_that_stands_on_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Guards"):
            Precaution("Guards", "Somebody watches.", ())


@pytest.mark.promise("PS-24")
class TestTheReadingOfCookies:
    def test_it_is_shown_names_the_three_and_is_linked_from_the_cookies(
        self, browser: Browser
    ) -> None:
        words = browser.get("/privacy/cookies/reading").words
        assert [name for name in ("PS-21", "PS-22", "PS-23") if name not in words] == []
        assert 'href="/privacy/cookies/reading"' in browser.get("/privacy/cookies").text

    def test_the_record_names_them_too(self) -> None:
        record = (ROOT / "docs/decisions/0066-the-statement-is-checked.md").read_text()
        assert all(name in record for name in ("PS-21", "PS-22", "PS-23"))
