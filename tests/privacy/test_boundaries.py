"""Who may touch what, read from the source itself: one way in, one way out, one use each."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from pathlib import Path

import pytest

from chalicelib.privacy import sinks

ROOT = Path(__file__).parent.parent.parent
SOURCES = [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*.py"))]
OPERATED = sorted((ROOT / "infra").rglob("*.py"))
HTTP_CLIENTS = frozenset(
    {
        "aiohttp", "asyncio", "ftplib", "http.client", "httpx", "requests", "smtplib", "socket",
        "stripe", "telnetlib", "urllib.request", "urllib3", "websockets",
    }
)  # fmt: skip


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def names(tree: ast.AST) -> set[str]:
    """Every name, attribute and short string: a client's method may be spelled either way."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.alias(name=name):
                found.add(name)
            case ast.Constant(value=str(text)) if len(text) <= 40:
                found.add(text)
    return found


def users() -> dict[str, set[str]]:
    """For each name or import, the files that use it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for name in names(tree) | imports(tree):
            found[name].add(str(path.relative_to(ROOT / "chalicelib")) if "chalicelib" in path.parts
                            else path.name)  # fmt: skip
    return found


USERS = users()


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("AESGCM", {"privacy/sealing.py"}),
        ("generate_data_key", {"privacy/service.py"}),
        ("decrypt", {"privacy/service.py", "privacy/sealing.py", "licenses/keys.py"}),
        ("kms", {"wiring.py", "privacy/seals.py", "privacy/service.py", "licenses/keys.py"}),
        ("_fields", {"privacy/sinks.py"}),
        ("Secret", {"mail/service.py", "privacy/service.py", "privacy/sinks.py"}),
        ("send_email", {"mail/post.py"}),
        ("send_raw_email", set()),
        ("sesv2", {"mailings/wiring.py", "wiring.py", "storage/aws.py"}),
        ("ses", set()),
        ("stripe", {"payments/adapter.py"}),
        ("create_client", set()),
        ("log_event", set()),
    ],
)
@pytest.mark.guarantee("G8")
def test_one_thing_is_done_in_one_place(name: str, files: set[str]) -> None:
    assert USERS.get(name, set()) <= files


@pytest.mark.promise("PS-05")
@pytest.mark.promise("PS-11")
def test_nothing_but_the_processors_adapter_opens_a_connection() -> None:
    found = {(name, file) for name in HTTP_CLIENTS for file in USERS.get(name, set())}
    assert {file for _, file in found} <= {"payments/adapter.py"}


@pytest.mark.guarantee("G8")
@pytest.mark.promise("PS-04")
@pytest.mark.parametrize(
    ("sink", "files"),
    [
        (
            "page",
            {
                "chalicelib/accounts/choosing.py", "chalicelib/accounts/guests.py",
                "chalicelib/accounts/labels.py", "chalicelib/accounts/own_privacy.py",
                "chalicelib/accounts/service.py", "chalicelib/rights/export.py",
            },
        ),
        ("staff", {"chalicelib/accounts/guests.py", "infra/operate/fiscal.py"}),
        ("mail", {"chalicelib/mail/notices.py", "chalicelib/mail/service.py"}),
    ],
)  # fmt: skip
def test_what_is_opened_goes_where_it_is_said_to_go(sink: str, files: set[str]) -> None:
    found = {str(path.relative_to(ROOT)) for path in [*SOURCES, *OPERATED]
             if takes(ast.parse(path.read_text()), sink)}  # fmt: skip
    assert found == files


@pytest.mark.guarantee("G8")
@pytest.mark.promise("PS-11")
@pytest.mark.promise("PS-77")
def test_there_is_no_way_from_what_is_opened_to_a_company() -> None:
    """Processor, vendors and partners get names and numbers of ours: nothing is opened for them."""
    ways = {
        name
        for name, made in vars(sinks).items()
        if inspect.isfunction(made) and made.__module__ == sinks.__name__
    }
    assert ways == {"page", "staff", "mail"}
    folders = {file.partition("/")[0] for file in USERS["chalicelib.privacy.sinks"]}
    assert folders == {"accounts", "mail", "mailings", "privacy", "rights"}


def takes(tree: ast.AST, sink: str) -> bool:
    """By its own name, or as the module's."""
    return f"chalicelib.privacy.sinks.{sink}" in imports(tree) or any(
        isinstance(node, ast.Attribute) and node.attr == sink
        and isinstance(node.value, ast.Name) and node.value.id == "sinks"
        for node in ast.walk(tree)
    )  # fmt: skip


@pytest.mark.guarantee("G8")
def test_what_was_written_to_us_is_read_by_the_command_for_cases_alone() -> None:
    assert USERS["as_written"] == {"cases/service.py"}


def test_the_walk_sees_what_it_is_about() -> None:
    """Without this, a moved folder would leave the facts above with nothing to say."""
    assert USERS["AESGCM"] == {"privacy/sealing.py"}
    assert USERS["send_email"] == {"mail/post.py"}
    assert USERS["_fields"] == {"privacy/sinks.py"}
