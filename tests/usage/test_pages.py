"""`/account/usage`, `/account/computers` and `/v1/usage`, with one person's use of one program."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.edge.sheets import harmless
from chalicelib.usage import files
from tests.accounts.watch import watched
from tests.program import Program

if TYPE_CHECKING:
    from tests.conftest import FakeClock
    from tests.identity.conftest import Desk

DECEMBER = 1_796_083_200_000  # 2026-12-01T00:00:00Z
LENGTHS = (1_001, 2_002, 200_000, 3_003)
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

    @pytest.mark.promise("PS-34")
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

    @pytest.mark.promise("PS-34")
    def test_shows_nobody_else_s(self, other_desk: Desk, used: Program) -> None:
        assert not DATA.findall(other_desk.browser.get("/account/usage").text)


def sums_of(text: str, caption: str) -> list[int]:
    """The figures of one table."""
    table = text.partition(f"<caption>{caption}</caption>")[2].partition("</table>")[0]
    return [int(value) for value, _ in DATA.findall(table)]


class TestSelection:
    @pytest.fixture
    def busy(self, desk: Desk, clock: FakeClock) -> list[Program]:
        """Two computers over the end of a month, with a sweep at the end."""
        desk.license()
        programs = [desk.program(), desk.program()]
        for turn, length in enumerate(LENGTHS):
            if turn == 2:
                clock.now = DECEMBER - 60_000
            program = programs[turn % 2]
            program.sign_in(desk.browser)
            lease = program.launch(f"launch-{turn}")["lease"]
            clock.advance(length)
            program.end(lease)
        wiring.license_sweep().run()
        return programs

    @pytest.mark.guarantee("G2")
    def test_every_table_has_the_same_sum(
        self, desk: Desk, busy: list[Program], clock: FakeClock
    ) -> None:
        whole = sum(LENGTHS)
        answers = {
            query: desk.browser.get(f"/account/usage?{query}").text
            for query in ("month=all", "month=2026-11", "month=2026-12")
        }
        found = {
            query: {sum(sums_of(text, f"By {part}")) for part in ("day", "application", "computer")}
            for query, text in answers.items()
        }
        assert all(len(each) == 1 for each in found.values())
        (every,), (november,), (december,) = found.values()
        assert every == november + december == whole
        assert november == 1_001 + 2_002 + 60_000
        assert all(int(DATA.findall(text)[0][0]) == whole for text in answers.values())
        assert int(DATA.findall(answers["month=2026-12"])[1][0]) == december
        assert answers["month=2026-11"].count("<rect") == len(
            sums_of(answers["month=2026-11"], "By day")
        )
        assert answers["month=all"].count("<rect") == 2

    def test_begins_with_the_newest_month(self, desk: Desk, busy: list[Program]) -> None:
        answer = desk.browser.get("/account/usage")
        assert '<option value="2026-12" selected>' in answer.text
        assert desk.browser.get("/account/usage?month=soon").text == answer.text

    def test_by_computer_shows_that_one_by_its_name(self, desk: Desk, busy: list[Program]) -> None:
        computer = busy[1].computer.id
        wiring.labels().name(desk.account, computer, "Studio <1>")
        text = desk.browser.get(f"/account/usage?month=all&computer={computer}").text
        assert sums_of(text, "By computer") == [2_002 + 3_003]
        assert "Studio &lt;1&gt;" in text
        assert "<script" not in text

    @pytest.mark.guarantee("G7")
    @pytest.mark.promise("PS-34")
    def test_of_anothers_ids_and_of_nobodys_look_alike(
        self, desk: Desk, other_desk: Desk, busy: list[Program]
    ) -> None:
        other_desk.license()
        seen = []
        for computer in (busy[0].computer.id, "x" * 43):
            with watched() as steps:
                answer = other_desk.browser.get(f"/account/usage?month=all&computer={computer}")
            seen.append((answer.status, steps))
            assert not DATA.findall(answer.text)
        assert seen[0] == seen[1]
        for application in (desk.application.id, "app_unknown"):
            text = desk.browser.get(f"/account/usage?month=all&application={application}").text
            assert bool(sums_of(text, "By day")) is (application == desk.application.id)

    def test_hostile_queries_are_harmless(self, desk: Desk, busy: list[Program]) -> None:
        for query in ("month=2026-99", "month=%00", "computer=%3Cscript%3E", "application=a%22b"):
            answer = desk.browser.get(f"/account/usage?{query}")
            assert answer.status == 200
            assert "<script" not in answer.text


class TestNow:
    def test_what_runs_is_shown_beside_the_sums(
        self, desk: Desk, used: Program, clock: FakeClock
    ) -> None:
        used.launch("launch-two")
        clock.advance(90_000)
        answer = desk.browser.get("/account/usage")
        assert "Running now" in answer.words
        assert "1 min 30 s" in answer.words
        assert {value for value, _ in DATA.findall(answer.text)} == {"125250"}
        assert "Running now" not in desk.browser.get("/account/usage?month=2026-10").words

    def test_what_ended_since_the_last_sweep_is_not_lost(
        self, desk: Desk, clock: FakeClock
    ) -> None:
        desk.license()
        program = desk.program()
        lease = program.launch()["lease"]
        clock.advance(61_000)
        program.end(lease)
        words = desk.browser.get("/account/usage").words
        assert "1 min 01 s has ended and is being added" in words
        wiring.license_sweep().run()
        answer = desk.browser.get("/account/usage")
        assert "being added" not in answer.words
        assert DATA.findall(answer.text)[0][0] == "61000"


class TestFiles:
    def lines(self, desk: Desk, path: str) -> list[dict[str, str]]:
        answer = desk.browser.get(path)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        return list(csv.DictReader(io.StringIO(answer.text)))

    def test_have_the_rows_and_the_sums(self, desk: Desk, used: Program) -> None:
        (owned,) = wiring.licenses().of_account(desk.account)
        wiring.labels().name(desk.account, used.computer.id, "Studio")
        (day,) = self.lines(desk, "/account/usage/days.csv")
        assert day == {
            "day": "2026-11-26", "application": "Orchard", "license": owned.license,
            "computer": harmless(used.computer.id), "label": "Studio", "milliseconds": "125250",
        }  # fmt: skip
        (row,) = self.lines(desk, "/account/usage/intervals.csv?month=2026-11")
        assert row["started_at"] == "2026-11-26T12:00:00.000Z"
        assert row["ended_at"] == "2026-11-26T12:02:05.250Z"
        assert (row["milliseconds"], row["label"], row["ended_by"]) == ("125250", "Studio", "end")
        assert (row["rate"], row["currency"]) == ("37000000", "USD")
        assert not self.lines(desk, "/account/usage/intervals.csv?month=2026-10")
        assert not self.lines(desk, "/account/usage/days.csv?computer=none")

    @pytest.mark.promise("PS-34")
    def test_hold_nothing_of_anybody_else_s(
        self, desk: Desk, other_desk: Desk, used: Program
    ) -> None:
        other_desk.license()
        for path in ("days.csv?month=all", "intervals.csv"):
            assert not self.lines(other_desk, f"/account/usage/{path}")

    def test_compute_nothing_in_a_spreadsheet(self, desk: Desk, used: Program) -> None:
        for label in ("=1+1", "+1", "-1", "@x", "\u202e=1"):
            wiring.labels().name(desk.account, used.computer.id, label)
            (day,) = self.lines(desk, "/account/usage/days.csv")
            assert not day["label"].startswith(("=", "+", "-", "@"))
            assert day["label"].lstrip("'") == label
        assert int(day["milliseconds"]) == 125_250

    def test_are_refused_rather_than_cut_short(
        self, desk: Desk, used: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "MOST", 0)
        assert desk.browser.get("/account/usage/days.csv").status == 413
        assert desk.browser.get("/account/usage/intervals.csv").status == 413

    def test_of_intervals_need_a_month(self, desk: Desk, used: Program) -> None:
        assert desk.browser.get("/account/usage/intervals.csv?month=all").status == 422


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

    def test_tells_computers_apart_where_it_is_asked_to(self, desk: Desk, used: Program) -> None:
        rows = used.get("/v1/usage?by=computer")["items"]
        assert [(row["computer"], row["milliseconds"]) for row in rows] == [
            (used.computer.id, 125_250)
        ]
        assert used.get("/v1/usage?by=license").body == used.get("/v1/usage").body
        assert used.get("/v1/usage?by=weather").status == 422

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
        assert "26 November 2026, 12:02 UTC End it" in desk.browser.get("/account/computers").words

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
