"""The documentation names what there is: routes, keys, functions, mails, verdicts, variables."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from chalicelib.edge.access import ACCESS
from chalicelib.licenses.verdicts import Code
from chalicelib.settings import Settings
from infra.alarms import of_functions, of_metrics
from infra.fragments import read_fragment

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TEMPLATES = [p for kind in ("html", "txt") for p in (ROOT / "chalicelib").rglob(f"*.{kind}")]
PREFIX = re.compile(r'f?"([A-Z][A-Z_]{2,}#)')
HANDLER = re.compile(r"""\bname="((?:\w+_)+\w+)\"""")
FILE = re.compile(r"`((?:chalicelib|client|docs|infra|tests)/[\w./-]+)`")
ROLE = re.compile(r"^  (\w+)Role:", re.MULTILINE)


def text(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("route", ACCESS)
def test_every_route_is_documented(route: str) -> None:
    assert f"| `{route}` |" in text("routes.md")


def test_no_route_is_documented_that_is_gone() -> None:
    written = set(re.findall(r"^\| `((?:GET|POST|PATCH) [^`]+)`", text("routes.md"), re.MULTILINE))
    assert written == set(ACCESS)


def test_every_key_prefix_is_documented() -> None:
    built = {
        prefix
        for path in (ROOT / "chalicelib").rglob("*.py")
        for prefix in PREFIX.findall(path.read_text())
    }
    assert built, "the pattern finds the keys"
    tables = text("tables.md")
    assert {prefix for prefix in built if prefix not in tables} <= {"ROW#"}


def test_every_function_is_documented() -> None:
    for name in HANDLER.findall((ROOT / "app.py").read_text()):
        assert f"`{name}`" in text("routes.md")


@pytest.mark.parametrize("code", Code)
def test_every_verdict_is_documented(code: Code) -> None:
    assert f"`{code}`" in text("verdicts.md")


def test_every_mail_is_documented() -> None:
    for folder in (ROOT / "chalicelib/mail/messages").iterdir():
        if folder.is_dir() and (folder / "subject.txt").exists():
            assert f"`{folder.name}`" in text("mails.md")


def test_every_variable_of_the_environment_is_documented() -> None:
    for field in fields(Settings):
        assert f"`{field.name.upper()}`" in text("environment.md")


def test_every_alarm_has_an_entry_in_the_runbook() -> None:
    own = [
        name
        for template in ("resources.yaml", "edge.yaml")
        for name, resource in read_fragment(ROOT / "infra" / template)["Resources"].items()
        if resource.get("Type") == "AWS::CloudWatch::Alarm"
    ]
    functions = ROLE.findall((ROOT / "infra/roles.yaml").read_text())
    assert own, "the templates have alarms"
    entries = " ".join(re.findall(r"^### (.*)$", text("runbook.md"), re.MULTILINE))
    for alarm in [*own, *of_functions(functions), *of_metrics()]:
        assert alarm in re.split(r"[^\w]+", entries)


def decisions() -> list[Path]:
    return sorted((DOCS / "decisions").glob("[0-9]*.md"))


def test_every_decision_has_context_decision_and_consequences() -> None:
    for path in decisions():
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in path.read_text(), f"{path.name}: {part}"


def test_every_decision_is_headed_by_its_number_and_stands_in_the_list() -> None:
    index = text("decisions/README.md")
    for path in decisions():
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        assert title.startswith(f"{int(path.name[:4])}. "), path.name
        assert f"- [{title}]({path.name})\n" in index, path.name


def test_every_link_between_documents_leads_somewhere() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} -> {target}"


def test_every_file_that_a_document_names_exists() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")]:
        for name in FILE.findall(path.read_text()):
            assert (ROOT / name).exists(), f"{path.name}: {name}"


def test_privacy_is_read_in_ten_minutes_and_names_sabotages_that_exist() -> None:
    privacy = text("privacy.md")
    assert len(privacy.split()) < 2400
    claims = re.findall(r"^\| \d+ \|.*\|(.*)\|$", privacy, re.MULTILINE)
    assert claims, "the pattern finds the claims"
    known = {
        mutant["name"]
        for file in (ROOT / "tests/mutants").glob("*.toml")
        for mutant in tomllib.loads(file.read_text())["mutant"]
    }
    assert {name for tried in claims for name in re.findall(r"`([\w-]+)`", tried)} <= known


def test_time_by_the_hour_is_said_to_be_uncharged_wherever_its_bill_is_promised() -> None:
    said = (
        "Bills for time by the hour are still to come: "
        "it is measured and shown, and not charged yet."
    )
    assert said in " ".join((ROOT / "README.md").read_text().split())
    promised = [p for p in TEMPLATES if "to be billed" in p.read_text().lower()]
    assert len(promised) == len({"plan", "order", "receipt.txt", "receipt.html"})
    assert all(said in path.read_text() for path in promised)
