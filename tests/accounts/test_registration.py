"""Registration: one account, one welcome, whatever dies or races."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import LoginTaken
from chalicelib.core.errors import Conflict
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION
from tests.crash import at_every_call

if TYPE_CHECKING:
    from tests.accounts.conftest import Mails
    from tests.browser import Browser
    from tests.conftest import FakeClock, Tables

OTHER_PASSWORD = "three pears in winter"
TYPED = [value for name, value in PROFILE.items() if name not in {"country", "city"}]


def person(name: str) -> dict[str, str]:
    return {**PROFILE, "login": name, "email": f"{name}@kilbride.example"}


def of_kind(tables: Tables, kind: str, table: str = "accounts") -> list[dict[str, Any]]:
    return [item for item in tables.items(table) if item["type"] == kind]


class TestOneTransaction:
    def test_it_makes_the_account_its_claims_its_link_and_its_welcome(
        self, tables: Tables, clock: FakeClock, mails: Mails
    ) -> None:
        message = wiring.registration().register(PROFILE, PASSWORD)
        (account,) = of_kind(tables, "account")
        assert account["state"] == "unconfirmed"
        assert "decoy" not in account
        assert [i["account"] for i in of_kind(tables, "email_claim")] == [account["pk"][8:]]
        assert [i["account"] for i in of_kind(tables, "login_claim")] == [account["pk"][8:]]
        (link,) = of_kind(tables, "link", "usage")
        assert (link["kind"], link["target"]) == ("confirm", account["pk"][8:])
        assert mails.of("welcome") == [message]

    @pytest.mark.promise("PS-17")
    @pytest.mark.promise("PS-46")
    def test_nothing_that_was_typed_can_be_read_at_rest(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        wiring.registration().register(PROFILE, PASSWORD)
        at_rest = tables.dump().lower()
        assert not [value for value in [*TYPED, PASSWORD] if value.lower() in at_rest]

    def test_the_profile_opens_for_its_owner(self, tables: Tables, clock: FakeClock) -> None:
        wiring.registration().register(PROFILE, PASSWORD)
        (account,) = of_kind(tables, "account")
        assert wiring.accounts().profile(account["pk"][8:]) == PROFILE


class TestCrashes:
    def test_killed_at_any_call_and_tried_again_it_makes_one_account_and_one_welcome(
        self, tables: Tables, clock: FakeClock, mails: Mails
    ) -> None:
        numbers = count()

        def prepare() -> dict[str, str]:
            return person(f"person{next(numbers)}")

        def register(fields: dict[str, str]) -> None:
            wiring.registration().register(fields, PASSWORD)

        def judge(fields: dict[str, str]) -> None:
            register(fields)  # the person tries again
            made = len(of_kind(tables, "account"))
            assert made == len(mails.of("welcome")) == len(of_kind(tables, "email_claim"))
            assert not [a for a in of_kind(tables, "account") if a.get("decoy")]
            assert judged.setdefault(made, fields) is fields, "the retry made no account"

        judged: dict[int, dict[str, str]] = {}
        wiring.registration()  # warm: the keys of hashes and of links are read once a process
        wiring.link_key()
        deaths = at_every_call(prepare, register, judge)
        assert deaths >= 12
        assert len(of_kind(tables, "account")) == deaths + 1

    def test_the_same_form_twice_changes_nothing(
        self, browser: Browser, tables: Tables, mails: Mails
    ) -> None:
        answers = [browser.post("/register", REGISTRATION) for _ in range(2)]
        assert answers[0].location == answers[1].location == "/register/sent"
        assert len(of_kind(tables, "account")) == len(mails.of("welcome")) == 1


class TestRaces:
    def race(self, *people: dict[str, str]) -> list[str | type[Exception] | None]:
        def register(fields: dict[str, str]) -> str | type[Exception] | None:
            try:
                return wiring.registration().register(fields, OTHER_PASSWORD + fields["login"])
            except (LoginTaken, Conflict) as error:
                return type(error)

        with ThreadPoolExecutor(len(people)) as pool:
            return list(pool.map(register, people))

    def test_one_address_gets_one_account_and_the_rest_are_decoys(
        self, tables: Tables, clock: FakeClock, mails: Mails
    ) -> None:
        outcomes = self.race(*({**PROFILE, "login": f"racer{n}"} for n in range(4)))
        assert all(isinstance(outcome, str) for outcome in outcomes)
        assert len(of_kind(tables, "email_claim")) == len(mails.of("welcome")) == 1
        assert sum(not a.get("decoy") for a in of_kind(tables, "account")) == 1
        assert mails.to_owners("already_registered") == 1

    def test_one_login_name_goes_to_one_of_many(self, tables: Tables, clock: FakeClock) -> None:
        outcomes = self.race(
            *({**PROFILE, "email": f"racer{n}@kilbride.example"} for n in range(4))
        )
        # They all have the same password, so that only the address tells them apart.
        assert sum(isinstance(outcome, str) for outcome in outcomes) == 1
        assert outcomes.count(LoginTaken) == 3
        assert len(of_kind(tables, "login_claim")) == len(of_kind(tables, "account")) == 1


class TestTakenNames:
    @pytest.mark.parametrize("login", ["Mora.Kilbride", "MORA.KILBRIDE"])
    def test_a_login_name_is_taken_in_every_case_of_its_letters(
        self, member: Browser, login: str
    ) -> None:
        fields = {**REGISTRATION, "login": login, "email": "other@kilbride.example"}
        answer = member.post("/register", fields)
        assert answer.status == 422
        assert "This login name is taken. Choose another." in answer.words

    def test_a_repeat_with_another_password_is_a_taken_name(self, browser: Browser) -> None:
        browser.post("/register", REGISTRATION)
        answer = browser.post("/register", {**REGISTRATION, "password": OTHER_PASSWORD})
        assert answer.status == 422

    def test_a_confirmed_account_is_not_registered_again(self, member: Browser) -> None:
        assert member.post("/register", REGISTRATION).status == 422
