from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.staff.rules import Role
from tests.browser import Browser

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

NAME = "iris.lund"
PASSWORD = "green door behind the mill"


@pytest.fixture
def browser(tables: Tables, clock: FakeClock) -> Browser:
    return Browser()


def signed_in(name: str, *roles: Role) -> Browser:
    """A browser in which a new member with these roles is signed in."""
    wiring.staff().add(name, PASSWORD, roles)
    browser = Browser()
    answer = browser.post("/staff/login", {"name": name, "password": PASSWORD})
    assert answer.location == "/staff"
    return browser


@pytest.fixture
def operator(tables: Tables, clock: FakeClock) -> Browser:
    return signed_in(NAME, Role.OPERATOR)
