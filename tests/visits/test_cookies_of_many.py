"""Five hundred accounts, each with its own way of looking around: nothing joins the two (PS-22)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher

from chalicelib import wiring
from chalicelib.accounts import passwords
from chalicelib.accounts.rules import Account, State
from chalicelib.accounts.store import Claim
from chalicelib.core.ids import new_id
from chalicelib.core.interests import INTERESTS
from chalicelib.edge.cookies import FORM, INTEREST, SESSION
from tests.browser import Browser
from tests.conftest import HASH_KEY
from tests.rights.conftest import forget_all_but, places
from tests.visits.linkage import shared

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

PEOPLE = 500
APPLICATIONS = len(INTERESTS) - 1
A_FEW = 20
PASSWORD = "lemon wheel under rain"


@dataclass
class Town:
    """What browsers held before anybody signed in, and all that is on the side of accounts."""

    visits: list[dict[str, str]] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    logged: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)

    @property
    def visitor_side(self) -> str:
        return json.dumps([self.visits, self.ways])

    @property
    def identity_side(self) -> str:
        return repr([self.items, self.sessions, self.logged])


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords at a cost that five hundred can pay at once; what is kept of them is the same."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: cheap)


def shelf() -> list[str]:
    """Applications of every kind that a browser may remember."""
    kinds = [word for word in INTERESTS if word != "other"]
    for number in range(APPLICATIONS):
        wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Vendor (test)", slug=f"app-{number}",
            name=f"App {number}", summary="A test application.", description="",
            interest=kinds[number % len(kinds)],
        )  # fmt: skip
    return [f"/apps/app-{number}" for number in range(APPLICATIONS)]


def join(number: int, verifier: str) -> str:
    """A confirmed account; its login name."""
    login, keyed, store = f"person.{number}", wiring.keyed(), wiring.account_store()
    account = Account(
        id=new_id("acc"), state=State.ACTIVE, subject=new_id("sub"), password=verifier,
        email_claim=keyed.of("email", f"{login}@canary.example"),
        login_claim=keyed.of("login", login), created_at=wiring.now(), confirmed_at=wiring.now(),
    )  # fmt: skip
    claim = store.put_claim(Claim.LOGIN, account.login_claim, account.id)
    for write in (store.put_account(account), claim):
        wiring.accounts_table().apply(write)
    return login


def live(town: Town, way: str, login: str) -> None:
    """Somebody looks around and then signs in, in the same browser."""
    browser = Browser()
    browser.get(way)
    token = browser.token("/login")
    town.ways.append(way)
    town.visits.append({**browser.cookies, "csrf": token})
    body = f"csrf={token}&login={login}&password={PASSWORD.replace(' ', '+')}".encode()
    assert browser.post_raw("/login", body).location == "/account"
    assert browser.cookies[INTEREST.name] == town.visits[-1][INTEREST.name]
    town.sessions.append(browser.cookies[SESSION.name])


def put_aside(town: Town, tables: Tables, kept: set[tuple[str, str, str]]) -> None:
    """What is stored of whoever came until now, so that the engine of the tests stays quick."""
    for name in ("accounts", "usage", "keys"):
        new = (i for i in tables.items(name) if (name, i["pk"], i["sk"]) not in kept)
        town.items.extend(new)
    forget_all_but(tables, kept)


@pytest.fixture
def town(
    tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> Town:  # fmt: skip
    quick(monkeypatch)
    made, verifier, pages = Town(), passwords.hasher().hash(PASSWORD), shelf()
    kept = places(tables)
    for number in range(PEOPLE):
        if number % A_FEW == 0:
            put_aside(made, tables, kept)
        way = f"{pages[number % APPLICATIONS]}?hours={number}&computers=1"
        live(made, way, join(number, verifier))
    said = capsys.readouterr()
    made.logged = repr([said, [vars(record) for record in caplog.records]])
    put_aside(made, tables, kept)
    return made


@pytest.mark.promise("PS-22")
def test_no_value_is_on_the_side_of_visits_and_on_that_of_accounts(town: Town) -> None:
    assert len(set(town.ways)) == len(town.visits) == PEOPLE
    assert len({held[FORM.name] for held in town.visits}) == PEOPLE
    assert shared(town.visitor_side, town.identity_side, [HASH_KEY]) == set()

    words = [held[INTEREST.name] for held in town.visits]
    assert set(words) <= set(INTERESTS)
    assert min(map(words.count, set(words))) >= PEOPLE // (2 * len(INTERESTS))
    texts = {text for item in town.items for text in item.values() if isinstance(text, str)}
    assert not texts & set(words)

    # The same attack on twins that keep one thing too much, so that it is seen to find it.
    held = town.visits[77]
    for twin in (held[FORM.name], held["csrf"]):
        row = repr({"pk": "ACCOUNT#acc_77", "came_by": twin})
        assert shared(town.visitor_side, row, [HASH_KEY]) == {twin}
