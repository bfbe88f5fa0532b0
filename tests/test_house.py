"""The house itself: what may import what, what is loaded when, and that every route is decided."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "chalicelib"
HEAVY = (
    "argon2", "boto3", "botocore.session", "cryptography", "jinja2", "pydantic", "stripe",
    "chalicelib.mailings.rules", "chalicelib.mailings.texts", "chalicelib.mailings.wording",
)  # fmt: skip
OUTGOING = {"http.client", "httpx", "requests", "urllib.request", "urllib3", "socket"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


# An export shows the very rows, and to leave is the end of them, whatever feature wrote them.
AS_ITS_OWN = {("rights", feature) for feature in ("accounts", "mail", "payments", "privacy")}


def test_a_store_is_used_by_its_own_feature_and_the_wiring_alone() -> None:
    for path in modules():
        feature = path.relative_to(SOURCE).parts[0]
        foreign = {
            name
            for name in imported(path)
            if name.startswith("chalicelib.")
            and name.split(".")[2:3] == ["store"]
            and name.split(".")[1] != feature
            and (feature, name.split(".")[1]) not in AS_ITS_OWN
        }
        assert path.name == "wiring.py" or not foreign, f"{path}: {foreign}"


def test_nothing_heavy_is_loaded_before_it_is_used() -> None:
    script = f"import app, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    environment = {"AWS_DEFAULT_REGION": "eu-west-1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.promise("PS-03")
def test_no_module_of_ours_speaks_to_the_network_by_itself() -> None:
    for path in modules():
        assert not imported(path) & OUTGOING, path


def test_events_are_never_logged_whole() -> None:
    for path in [ROOT / "app.py", *modules()]:
        text = path.read_text()
        assert "log_event" not in text.replace("`log_event`", ""), path
        assert "Tracer" not in text, path


def test_every_route_is_in_the_access_table_and_has_its_view() -> None:
    import app
    from chalicelib.edge.access import ACCESS

    routed = {
        f"{method} {path}"
        for path, methods in app.app.routes.items()
        for method in methods
        if method != "HEAD"
    }
    assert routed == set(ACCESS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_is_one_thing(path: Path) -> None:
    # The composition root and the inventory are one list each, looked up and not read through.
    longest = 1_100 if path.name in {"wiring.py", "inventory.py"} else 400
    assert len(path.read_text().splitlines()) <= longest


def test_functions_are_short() -> None:
    lengths = [
        (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    lengths.sort()
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 9 // 10] <= 25
