"""The proof page: what was found, by sentence, signed; and clear words where there is nothing."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR, MINUTE, to_text
from chalicelib.core.few import FEW
from chalicelib.mail.rules import State, Why
from chalicelib.privacy import statement
from chalicelib.privacy import wiring as records
from chalicelib.privacy.promises import promises
from chalicelib.privacy.proof import NIGHT, TESTS, UNNAMED, code_hash, parts
from chalicelib.privacy.seals import statement as signed_text
from chalicelib.privacy.timings import Which
from infra import verify_ledger
from infra.operate import proof
from infra.tools import mutants
from infra.tools.promises import findings
from tests.browser import Browser
from tests.conftest import NOON, kept_client
from tests.edge.test_site import LARGEST, weight
from tests.privacy.test_night import mailed
from tests.privacy.test_vault import collected

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.privacy.proof import Part
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-45")
PAGE = "/privacy/proof"


def results(**changed: Any) -> dict[str, Any]:
    """As `make promises` writes them: one promise does not hold, the others do."""
    found = [
        {
            "id": promise.id, "says": promise.says, "result": "holds", "why": "killed: x",
            "control": list(promise.control), "template": [], "mutants": {"x": "killed"},
            "tests": {"tests/a.py::test_one": "passed", "tests/a.py::test_two": "passed"},
        }
        for promise in promises().values()
    ]  # fmt: skip
    found[1] |= {
        "result": "BROKEN", "why": "failed: test_two",
        "tests": {"test_one": "passed", "test_two": "failed"},
    }  # fmt: skip
    whole = {"tree": "t", "commit": "c0ffee", "code": code_hash(), "quick": False, "linkage": {}}
    return {**whole, "promises": found, **changed}


def publish(folder: Path, **changed: Any) -> None:
    path = folder / "promises.json"
    path.write_text(json.dumps(results(**changed)))
    assert proof.main(["--results", str(path)]) == 0


def in_force() -> dict[str, Part]:
    return parts(statement.read(wiring.published().number()))


def sections(browser: Browser) -> list[str]:
    """The addresses of the sections' pages, as the proof page links them."""
    return re.findall(rf'href="({PAGE}/[^"]+)"', browser.get(PAGE).text)


def checked(folder: Path, content: bytes, pem: str, until: int = NOON + DAY) -> int:
    """As an auditor does who has the file, the key and nothing of ours but the verifier."""
    (folder / "proof.json").write_bytes(content)
    (folder / "key.pem").write_text(pem)
    paths = ("--proof", str(folder / "proof.json"), "--key", str(folder / "key.pem"))
    return verify_ledger.main([*paths, "--until", to_text(until)])


@pytest.fixture
def page(tables: Tables, clock: FakeClock) -> Browser:
    return Browser()


class TestWhereThereIsNothing:
    def test_the_page_says_so(self, page: Browser) -> None:
        words = page.get(PAGE).words
        assert "No results were published for this installation yet." in words
        assert "The nightly check has not run here yet." in words
        assert "No head is known here yet." in words

    def test_each_empty_box_says_what_fills_it(self, page: Browser) -> None:
        words = page.get(PAGE).words
        for filled in ("come with a release", "results of the tests", "02:30 UTC", "each hour"):
            assert filled in words

    def test_every_promise_is_there_all_the_same(self, page: Browser) -> None:
        shown = [page.get(address).text for address in sections(page)]
        for promise in promises().values():
            assert any(f'<dt id="{promise.id}">{promise.id}</dt>' in text for text in shown)
        assert "7 sentences, 4 promises." in page.get(PAGE).words

    def test_the_file_says_so_too(self, page: Browser) -> None:
        found = json.loads(page.get(f"{PAGE}.json").text)
        assert (found["tests"], found["night"]) == (None, None)

    def test_the_command_without_results_says_what_to_do(
        self, tables: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert proof.main(["--results", str(tmp_path / "none.json")]) == 1
        assert "run make promises" in capsys.readouterr().err


class TestResults:
    def test_each_section_says_how_many_of_its_promises_hold(
        self, page: Browser, tmp_path: Path
    ) -> None:
        publish(tmp_path)
        words = page.get(PAGE).words
        assert f"{len(promises()) - 1} of {len(promises())} promises hold" in words
        for part in in_force().values():
            held = len(part.promises) - part.promises.count("PS-02")
            told = f"; {held} of {len(part.promises)} promise" if part.promises else ", no promises"
            assert f"{part.title} {len(part.sentences)} sentences{told}" in words

    def test_under_each_sentence_stands_each_promise_and_what_became_of_it(
        self, page: Browser, tmp_path: Path
    ) -> None:
        publish(tmp_path)
        for address, part in zip(sections(page), in_force().values(), strict=True):
            before, *after = page.get(address).text.split('<p class="notice">')
            assert f"<h1>{part.title}</h1>" in before
            for sentence, text in zip(part.sentences, after, strict=True):
                for promise in sentence.keeps:
                    found = "<strong>does not hold" if promise == "PS-02" else "holds"
                    again = f'<a href="#{promise}">{promise}</a>'
                    assert again in text or f'id="{promise}">{promise}: {found}<' in text
                assert bool(sentence.keeps) != ("promises nothing by itself" in text)

    def test_a_promise_of_two_sentences_stands_on_the_page_once(
        self, page: Browser, tmp_path: Path
    ) -> None:
        publish(tmp_path)
        for address, part in zip(sections(page), in_force().values(), strict=True):
            text = page.get(address).text
            assert [text.count(f'id="{promise}"') for promise in part.promises] == [
                1 for _ in part.promises
            ]

    def test_a_promise_has_its_tests_and_why_it_does_not_hold(
        self, page: Browser, tmp_path: Path
    ) -> None:
        publish(tmp_path)
        words = page.get(f"{PAGE}/about").words
        assert "6 of 7 promises hold" in words
        assert "2 of 2 tests passed; sabotages tried: 1. Killed: x." in words
        assert "1 of 2 tests passed; sabotages tried: 1. Failed: test_two." in words

    def test_what_older_results_do_not_know_is_said_without_them(
        self, page: Browser, tmp_path: Path
    ) -> None:
        known = [each for each in results()["promises"] if each["id"] != "PS-02"]
        publish(tmp_path, promises=known)
        section = page.get(f"{PAGE}/about")
        assert '<dt id="PS-02">PS-02</dt>' in section.text
        assert "6 of 6 promises hold" in section.words

    @pytest.mark.parametrize("section", ["unnamed", "none", "PS-02", "About"])
    def test_what_is_no_section_is_unknown(self, section: str, page: Browser) -> None:
        assert page.get(f"{PAGE}/{section}").status == 404

    def test_promises_that_no_sentence_names_have_a_section_of_their_own(
        self, page: Browser
    ) -> None:
        earliest = parts(statement.read(1))
        named = {promise for part in earliest.values() for promise in part.promises}
        assert list(earliest)[-1] == UNNAMED
        assert named == promises().keys()
        assert "PS-01" in earliest[UNNAMED].promises
        assert UNNAMED not in in_force()

    def test_they_are_shown_there(self, page: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        text = statement.read(wiring.published().number())
        shorter = replace(text, sections=text.sections[1:])
        monkeypatch.setattr(statement, "read", lambda number: shorter)
        unnamed = parts(shorter)[UNNAMED].promises
        assert "PS-01" in unnamed
        assert sections(page)[-1] == f"{PAGE}/{UNNAMED}"
        shown = page.get(f"{PAGE}/{UNNAMED}").text
        assert tuple(re.findall(r'<dt id="([^"]+)"', shown)) == unnamed

    def test_with_all_that_is_tested_and_sabotaged_each_page_is_light(
        self, page: Browser, tmp_path: Path
    ) -> None:
        """As `make promises` would tell it of this very tree, with more tests than there are."""
        names = [f"tests/privacy/test_of_some_feature.py::TestThat::test_{n}" for n in range(150)]
        tests = {promise: dict.fromkeys(names, "passed") for promise in promises()}
        outcomes = dict.fromkeys((mutant.name for mutant in mutants.load()), mutants.KILLED)
        whole = [asdict(found) for found in findings(tests, outcomes)]
        assert sum(len(each["mutants"]) for each in whole) > 300
        publish(tmp_path, promises=whole)
        for address in (PAGE, *sections(page)):
            assert weight(page, address) < LARGEST, address
        assert "150 of 150 tests passed" in page.get(f"{PAGE}/security").words

    def test_results_of_another_build_are_called_stale(self, page: Browser, tmp_path: Path) -> None:
        publish(tmp_path)
        assert not [at for at in (PAGE, f"{PAGE}/about") if "stale" in page.get(at).words]
        assert "commit c0ffee" in page.get(PAGE).words
        publish(tmp_path, code="0" * 64)
        for at in (PAGE, f"{PAGE}/about"):
            assert "These results are stale." in page.get(at).words

    def test_figures_of_linkage_are_shown_where_there_are_some(
        self, page: Browser, tmp_path: Path
    ) -> None:
        publish(tmp_path)
        assert "No attempts to tie one to the other were published" in page.get(PAGE).words
        publish(tmp_path, linkage={"Counters": "1 of 1000"})
        assert "Counters 1 of 1000" in page.get(PAGE).words

    @pytest.mark.parametrize("name", ["proof/ci.json", "proof/night.json"])
    def test_what_our_key_did_not_sign_is_not_shown(
        self, name: str, page: Browser, tmp_path: Path
    ) -> None:
        publish(tmp_path)
        records.night_check().run()
        stored = kept_client("s3").get_object(Bucket="cetrus-proof", Key=name)["Body"].read()
        document = json.loads(stored)
        document["body"]["at"] += 1
        kept_client("s3").put_object(
            Bucket="cetrus-proof", Key=name, Body=json.dumps(document).encode()
        )
        assert "was not signed by our key , so it is not shown" in page.get(PAGE).words
        of_section = page.get(f"{PAGE}/about").words
        assert ("was not signed by our key" in of_section) == (name == "proof/ci.json")


class TestTheNight:
    @pytest.fixture
    def found(self, page: Browser, clock: FakeClock) -> dict[str, Any]:
        collected()
        clock.advance(HOUR + 10 * MINUTE)
        records.head_maker().run()
        return dict(records.night_check().run())

    def test_its_figures_and_the_last_head_are_shown(
        self, page: Browser, found: dict[str, Any]
    ) -> None:
        words = page.get(PAGE).words
        assert "All was as promised." in words
        assert found["heads"]["last"]["hash"] in words
        assert "fewer than 11 collected" in words

    def test_where_nothing_happened_it_says_so(self, page: Browser, found: dict[str, Any]) -> None:
        words = page.get(PAGE).words
        assert "Mails of a day, by class None." in words
        assert "Why some of them did not go out None." in words
        assert words.count("None in thirty days.") == len(Which)

    def test_how_long_it_took_and_mail_that_was_refused_are_shown_and_signed(
        self, page: Browser, found: dict[str, Any], clock: FakeClock
    ) -> None:
        for ms in (1, 40, 300, 20_000):
            wiring.times().note(Which.NOTHING_OPENS, clock.now - ms, clock.now)
        mailed("msg_a", State.SENT, clock.now - HOUR)
        mailed("msg_b", State.REFUSED, clock.now - HOUR, Why.UNAPPROVED)
        records.night_check().run()
        words = page.get(PAGE).words
        assert "fewer than 11: half within 40 ms, 99 of 100 within 20 s, the longest 20 s." in words
        assert "account: fewer than 11 refused, fewer than 11 sent." in words
        assert "account: fewer than 11 not as it was approved." in words
        night = json.loads(page.get(f"{PAGE}.json").text)["night"]["body"]
        assert night["times"]["nothing_opens"]["p99_ms"] == 20_000
        assert night["mails"] == {"account": {"refused": FEW, "sent": FEW}}

    def test_figures_of_a_night_before_there_were_such_are_shown_without(
        self, page: Browser, found: dict[str, Any]
    ) -> None:
        older = {k: v for k, v in found.items() if k not in {"times", "mails_held_back"}}
        records.proof_board().put_night(older)
        assert page.get(PAGE).words.count("None in thirty days.") == len(Which)

    def test_findings_are_shown(self, page: Browser, clock: FakeClock) -> None:
        records.night_check().run()  # there is no head at all
        assert "Not as promised: heads late." in page.get(PAGE).words

    def test_figures_that_are_not_of_last_night_are_called_stale(
        self, page: Browser, found: dict[str, Any], clock: FakeClock
    ) -> None:
        clock.advance(DAY)
        assert "stale" not in page.get(PAGE).words
        clock.advance(3 * HOUR)
        assert "These figures are stale." in page.get(PAGE).words


class TestTheFile:
    def test_anybody_can_check_both_signatures(self, page: Browser, tmp_path: Path) -> None:
        publish(tmp_path)
        records.night_check().run()
        found = json.loads(page.get(f"{PAGE}.json").text)
        key = verify_ledger.read_key(found["public_key"])
        for name, kind in (("tests", TESTS), ("night", NIGHT)):
            text = signed_text(kind, found[name]["body"])
            signature = base64.b64decode(found[name]["signature"])
            assert verify_ledger.signed(key, text, signature)
        assert found["tests"]["body"]["code"] == found["running_code"] == code_hash()

    @pytest.mark.parametrize("name", ["proof/ci.json", "proof/night.json"])
    def test_what_lies_in_the_bucket_is_signed_by_the_published_key_and_edited_it_is_not(
        self, name: str, page: Browser, tmp_path: Path
    ) -> None:
        publish(tmp_path)
        records.night_check().run()
        shown = json.loads(page.get(f"{PAGE}.json").text)
        stored = kept_client("s3").get_object(Bucket="cetrus-proof", Key=name)["Body"].read()
        edited = {**json.loads(stored)}
        edited["body"] = {**edited["body"], "at": edited["body"]["at"] + 1}
        assert checked(tmp_path, stored, shown["public_key"]) == 0
        assert checked(tmp_path, json.dumps(edited).encode(), shown["public_key"]) == 1
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = other.public_bytes(serialization.Encoding.PEM, kind).decode()
        assert checked(tmp_path, stored, pem) == 1

    def test_the_verifier_takes_the_file_of_the_page_and_finds_what_was_edited_in_it(
        self, page: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pem = json.loads(page.get(f"{PAGE}.json").text)["public_key"]
        publish(tmp_path)
        records.night_check().run()
        shown = json.loads(page.get(f"{PAGE}.json").text)
        capsys.readouterr()
        assert checked(tmp_path, json.dumps(shown).encode(), pem) == 0
        *dated, signed, running = capsys.readouterr().out.splitlines()
        assert [line.partition(":")[0] for line in dated] == ["tests", "night"]
        assert all(line.endswith(f"Z, of program {code_hash()}") for line in dated)
        assert signed == "signed as it stands: tests, night"
        assert running == "the program that answers, which nobody signed: the same"
        shown["night"]["body"]["findings"] = []
        assert checked(tmp_path, json.dumps(shown).encode(), pem) == 1
        assert "night: was not signed by the key: forged" in capsys.readouterr().out
        assert checked(tmp_path, b"{}", pem) == 1
        assert "proof: there is nothing in it" in capsys.readouterr().out

    def test_one_of_them_does_not_pass_for_the_other(self, page: Browser, tmp_path: Path) -> None:
        records.night_check().run()
        shown = json.loads(page.get(f"{PAGE}.json").text)
        swapped = {**shown, "tests": shown["night"]}
        assert checked(tmp_path, json.dumps(swapped).encode(), shown["public_key"]) == 1

    @pytest.fixture
    def shown(self, page: Browser, tmp_path: Path) -> dict[str, Any]:
        """The file of the page, with what the tests and the night found."""
        publish(tmp_path)
        records.night_check().run()
        found: dict[str, Any] = json.loads(page.get(f"{PAGE}.json").text)
        return found

    def test_forged_results_do_not_pass_beside_a_document_that_was_signed(
        self, shown: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        signed, pem = dict(shown["tests"]), shown["public_key"]
        shown["tests"] = {**signed, "body": {**signed["body"], "promises": []}}
        capsys.readouterr()
        assert checked(tmp_path, json.dumps({**shown, **signed}).encode(), pem) == 1
        out = capsys.readouterr().out
        assert "proof: a document of its own lies beside tests and night" in out
        assert "tests: was not signed by the key: forged" in out

    @pytest.mark.parametrize("beside", [{"tests": None}, {"night": {}}, {"night": None}])
    def test_beside_a_document_of_its_own_the_page_holds_nothing(
        self, shown: dict[str, Any], beside: dict[str, Any], tmp_path: Path
    ) -> None:
        pem, content = shown["public_key"], json.dumps({**shown["tests"], **beside})
        assert checked(tmp_path, content.encode(), pem) == 1

    @pytest.mark.parametrize("name", ["tests", "night"])
    @pytest.mark.parametrize("how", ["none", "left-out"])
    def test_both_must_be_there(
        self, shown: dict[str, Any], name: str, how: str, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        pem = shown["public_key"]
        shown[name] = None
        if how == "left-out":
            del shown[name]
        capsys.readouterr()
        assert checked(tmp_path, json.dumps(shown).encode(), pem) == 1
        assert f"{name}: is missing" in capsys.readouterr().out

    def test_a_night_that_is_long_over_is_found(
        self, shown: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pem, at = shown["public_key"], shown["night"]["body"]["at"]
        content = json.dumps(shown).encode()
        assert checked(tmp_path, content, pem, at + 26 * HOUR) == 0
        capsys.readouterr()
        assert checked(tmp_path, content, pem, at + 26 * HOUR + 1) == 1
        assert "night: is older than 26 hours" in capsys.readouterr().out

    def test_which_program_answers_is_compared_and_said_to_be_unsigned(
        self, shown: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pem = shown["public_key"]
        capsys.readouterr()
        shown["running_code"] = "0" * 64
        assert checked(tmp_path, json.dumps(shown).encode(), pem) == 0
        assert capsys.readouterr().out.splitlines()[-1] == (
            "the program that answers, which nobody signed: another than that of tests and night"
        )

    def test_limits_are_on_the_page(self, page: Browser) -> None:
        words = page.get(PAGE).words
        for limit in ("whose computers we rent", "raw file of visits", "picture of a screen"):
            assert limit in words


def test_the_hash_of_the_program_tells_one_from_another(tmp_path: Path) -> None:
    for root in (tmp_path / "a", tmp_path / "b"):
        (root / "chalicelib").mkdir(parents=True)
        (root / "app.py").write_text("1")
        (root / "chalicelib" / "x.html").write_text("x")
        (root / "chalicelib" / "x.pyc").write_text(root.name)
    assert code_hash(tmp_path / "a") == code_hash(tmp_path / "b")
    (tmp_path / "b" / "chalicelib" / "x.html").write_text("y")
    code_hash.cache_clear()
    assert code_hash(tmp_path / "a") != code_hash(tmp_path / "b")
