"""The operator's commands for staff."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from infra import admin
from tests.browser import Browser
from tests.staff.conftest import NAME, PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Tables


pytestmark = pytest.mark.usefixtures("tables", "clock")


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert admin.main([*arguments]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert admin.main([*arguments]) == 1
    return capsys.readouterr().err


def status(name: str, password: str) -> int:
    return Browser().post("/staff/login", {"name": name, "password": password}).status


def test_a_new_member_is_told_a_password_once_and_can_sign_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = ran(capsys, "staff", "--name", NAME, "--role", "operator", "billing")
    assert made["roles"] == ["billing", "operator"]
    assert status(NAME, made["password"]) == 303


def test_a_password_may_come_from_a_file_and_is_not_repeated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    made = ran(capsys, "staff", "--name", NAME, "--role", "operator", "--password-file", str(file))
    assert "password" not in made
    assert status(NAME, PASSWORD) == 303


def test_a_weak_password_and_a_name_that_is_taken_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("operator")
    call = ("staff", "--name", NAME, "--role", "operator")
    assert "at least" in refused(capsys, *call, "--password-file", str(file))
    ran(capsys, *call)
    assert "has this name" in refused(capsys, *call)


def test_who_leaves_cannot_sign_in(capsys: pytest.CaptureFixture[str]) -> None:
    made = ran(capsys, "staff", "--name", NAME, "--role", "operator")
    assert ran(capsys, "staff-end", "--name", NAME)["id"] == made["id"]
    assert status(NAME, made["password"]) == 401
    assert "have left" in refused(capsys, "staff-end", "--name", NAME)


def test_an_address_is_sealed_and_may_come_later(
    capsys: pytest.CaptureFixture[str], tables: Tables
) -> None:
    call = ("staff", "--name", NAME, "--role", "privacy")
    assert "not an email" in refused(capsys, *call, "--email", "iris")
    made = ran(capsys, *call, "--email", "iris.lund@example.org")
    ran(capsys, "staff-email", "--name", NAME, "--email", "iris@example.org")
    assert "example.org" not in tables.dump()
    assert [member.id for member in wiring.staff_store().written_to()] == [made["id"]]
    ran(capsys, "staff-end", "--name", NAME)
    assert not wiring.vault().granted(made["id"])
