"""`/account/usage`, `/account/computers` and `/v1/usage`, with one person's use of one program."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from tests.program import Program

if TYPE_CHECKING:
    from tests.conftest import FakeClock
    from tests.identity.conftest import Desk

DATA = re.compile(r'<data value="(\d+)">([^<]*)</data>')


@pytest.fixture
def used(desk: Desk, clock: FakeClock) -> Program:
    desk.license()
    program = desk.program()
    lease = program.launch()["lease"]
    clock.advance(125_250)
    program.end(lease)
    wiring.license_sweep().run()
    return program


class TestUsagePage:
    def test_is_empty_at_first_and_says_what_comes(self, desk: Desk) -> None:
        answer = desk.browser.get("/account/usage")
        assert answer.status == 200
        assert "once an application has been launched" in answer.words

    def test_has_the_number_the_chart_and_the_table(self, desk: Desk, used: Program) -> None:
        answer = desk.browser.get("/account/usage")
        assert DATA.findall(answer.text)[0] == ("125250", "2 min 05 s")
        assert {value for value, _ in DATA.findall(answer.text)} == {"125250"}
        assert answer.text.count("<rect") == 1
        assert "<title id=" in answer.text
        assert "<desc id=" in answer.text
        assert "<details>" in answer.text
        assert "Orchard" in answer.words
        assert "<script" not in answer.text

    def test_shows_nobody_else_s(self, other_desk: Desk, used: Program) -> None:
        assert not DATA.findall(other_desk.browser.get("/account/usage").text)


class TestUsageCall:
    def test_gives_the_rows_of_the_credential_s_licenses(
        self, desk: Desk, used: Program, clock: FakeClock
    ) -> None:
        (owned,) = wiring.licenses().of_account(desk.account)
        reply = used.get("/v1/usage?limit=10")
        assert reply.body == {
            "items": [
                {
                    "application": desk.application.id, "license": owned.license,
                    "day": "2026-11-26", "milliseconds": 125_250,
                }
            ],
            "next": None,
            "names": {desk.application.id: "Orchard", owned.license: owned.plan_name},
        }  # fmt: skip
        key = wiring.licenses().new_key(desk.account, owned.license)
        assert Program(desk.application.id, license_key=key).get("/v1/usage").body == reply.body

    def test_wants_a_credential_that_holds(self, desk: Desk, used: Program) -> None:
        (owned,) = wiring.licenses().of_account(desk.account)
        old = wiring.licenses().new_key(desk.account, owned.license)
        wiring.licenses().new_key(desk.account, owned.license)
        assert Program("x").get("/v1/usage").status == 401
        assert Program("x", license_key=old).get("/v1/usage").status == 401

    def test_the_vendor_gets_the_same_rows(self, desk: Desk, used: Program) -> None:
        rows, last = wiring.usage().of_vendor("vnd_halyard", after=None, limit=10)
        assert [row.milliseconds for row in rows] == [125_250]
        assert last is None


class TestComputersPage:
    def test_is_empty_at_first(self, desk: Desk) -> None:
        assert "once you have a license" in desk.browser.get("/account/computers").words
        desk.license()
        assert "No computer has launched it yet" in desk.browser.get("/account/computers").words

    def test_shows_computers_and_what_runs(self, desk: Desk, used: Program) -> None:
        words = desk.browser.get("/account/computers").words
        assert used.computer.id[:4] in words
        assert "Nothing runs now" in words
        used.launch("launch-two")
        assert "Since 26 November 2026" in desk.browser.get("/account/computers").words

    def test_shows_a_license_key_once(self, desk: Desk) -> None:
        license_id = desk.license()
        answer = desk.browser.post(
            "/account/computers/keys", {"license": license_id}, page="/account/computers"
        )
        assert answer.status == 200
        (key,) = re.findall(r'data-license-key="([^"]+)"', answer.text)
        assert Program(desk.application.id, license_key=key).launch()["valid"]
        again = desk.browser.get("/account/computers")
        assert key not in again.text
        assert key not in desk.tables.dump()
        assert "Replace the license key" in again.words

    @pytest.mark.guarantee("G7")
    def test_makes_no_key_for_another_s_license(self, desk: Desk, other_desk: Desk) -> None:
        theirs = other_desk.license()
        desk.license()
        answers = [
            desk.browser.post(
                "/account/computers/keys", {"license": license_id}, page="/account/computers"
            )
            for license_id in (theirs, "lic_unknown")
        ]
        assert [answer.status for answer in answers] == [404, 404]
        assert answers[0].text == answers[1].text
        assert wiring.licenses().store.head(theirs).key_hash is None  # type: ignore[union-attr]  # it exists
