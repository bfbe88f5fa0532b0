"""`/account/computers` in a browser: names, blocks, ending what runs, search, pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import MINUTE
from chalicelib.licenses import overview
from tests.accounts.watch import watched
from tests.browser import Answer, Browser
from tests.program import Program, claims_of

if TYPE_CHECKING:
    from tests.conftest import FakeClock
    from tests.identity.conftest import Desk

HERE = "/account/computers"
FORMS = ("name", "end", "block", "unblock")


@pytest.fixture
def running(desk: Desk) -> Program:
    desk.license()
    program = desk.program()
    program.launch()
    return program


def send(browser: Browser, what: str, **fields: str) -> Answer:
    return browser.post(f"{HERE}/{what}", fields, page=HERE)


def license_of(desk: Desk) -> str:
    return wiring.licenses().of_account(desk.account)[0].license


def lease_on(page: Answer) -> str:
    (found,) = re.findall(r'name="lease" value="([^"]+)"', page.text)
    return str(found)


class TestEnding:
    def test_ends_what_the_page_shows_and_the_program_learns_of_it(
        self, desk: Desk, clock: FakeClock
    ) -> None:
        desk.license()
        program = desk.program()
        lease = program.launch()["lease"]
        clock.advance(2 * MINUTE)
        page = desk.browser.get(HERE)
        answer = send(desk.browser, "end", license=license_of(desk), lease=lease_on(page))
        assert answer.location == f"{HERE}?done=ended"
        after = desk.browser.get(answer.location)
        assert "Ended, and billed up to now" in after.words
        assert "Nothing runs now" in after.words
        reply = program.beat(lease, 1, shown=program.computer.shown(lease))
        assert (reply["valid"], reply["code"]) == (False, "LEASE_ENDED")
        receipt = claims_of(program.end(lease)["receipt"])
        assert (receipt["billed_ms"], receipt["by"]) == (2 * MINUTE, "end")

    def test_twice_or_of_a_lease_that_is_not_there_says_that_it_is_over(
        self, desk: Desk, running: Program
    ) -> None:
        license_id, lease = license_of(desk), lease_on(desk.browser.get(HERE))
        for name in ("lea_unknown", lease, lease):
            answer = send(desk.browser, "end", license=license_id, lease=name)
        assert answer.location == f"{HERE}?done=over"
        assert "had ended before" in desk.browser.get(answer.location).words


class TestNaming:
    def test_is_shown_here_and_taken_away_by_an_empty_one(
        self, desk: Desk, running: Program
    ) -> None:
        computer = running.computer.id
        fields = {"license": license_of(desk), "computer": computer}
        answer = send(desk.browser, "name", **fields, label="  Mora's <studio>  ")
        assert answer.location == f"{HERE}?done=named"
        page = desk.browser.get(HERE)
        assert "Mora's <studio>" in page.words
        assert "<studio>" not in page.text
        assert wiring.labels().of(desk.account, "test") == {computer: "Mora's <studio>"}
        send(desk.browser, "name", **fields, label="")
        assert wiring.labels().of(desk.account, "test") == {}

    @pytest.mark.parametrize(
        ("label", "sentence"), [("x" * 41, "too long"), ("a\nb", "one line"), ("a\0b", "cannot be")]
    )
    def test_refuses_what_is_no_name(
        self, desk: Desk, running: Program, label: str, sentence: str
    ) -> None:
        fields = {"license": license_of(desk), "computer": running.computer.id}
        answer = send(desk.browser, "name", **fields, label=label)
        assert answer.status == 422
        assert sentence in answer.words

    def test_is_never_told_to_the_vendor_or_the_program(self, desk: Desk, running: Program) -> None:
        fields = {"license": license_of(desk), "computer": running.computer.id}
        send(desk.browser, "name", **fields, label="Canary studio")
        assert "Canary" not in str(running.get("/v1/usage?by=computer").body)
        assert "Canary" not in str(running.check().body)
        assert "Canary" not in repr(desk.tables.items("usage"))


class TestBlocking:
    def test_stops_that_computer_until_it_is_unblocked(self, desk: Desk, running: Program) -> None:
        fields = {"license": license_of(desk), "computer": running.computer.id}
        assert send(desk.browser, "block", **fields).location == f"{HERE}?done=blocked"
        page = desk.browser.get(f"{HERE}?done=blocked")
        assert "No, blocked" in page.words
        assert "Nothing runs now" in page.words
        assert running.launch("launch-two")["code"] == "COMPUTER_BLOCKED"
        assert running.check(computer=running.computer.jwk)["code"] == "COMPUTER_BLOCKED"
        assert send(desk.browser, "unblock", **fields).location == f"{HERE}?done=unblocked"
        assert running.launch("launch-three")["valid"]


class TestList:
    def test_shows_when_it_was_added_and_last_seen(
        self, desk: Desk, running: Program, clock: FakeClock
    ) -> None:
        assert "Runs now" in desk.browser.get(HERE).words
        lease = running.launch("launch-two")["lease"]
        clock.advance(3 * MINUTE)
        running.end(lease)
        clock.advance(20 * MINUTE)
        wiring.license_sweep().run()
        assert "26 November 2026, 12:03 UTC" in desk.browser.get(HERE).words

    def test_a_computer_is_one_under_however_many_licenses(self, desk: Desk) -> None:
        program, licenses = desk.program(signed_in=False), [desk.license(), desk.license()]
        for license_id in licenses:
            program.license_key = wiring.licenses().new_key(desk.account, license_id)
            program.launch(f"launch-{license_id}")
        page = desk.browser.get(HERE)
        assert "1 computer " in page.words
        assert re.findall(r'<code title="([^"]+)"', page.text) == [program.computer.id]
        assert page.text.count("Orchard, By the hour</td>") == len(licenses)
        assert "a subscription, then a trial, then a pass" in page.words

    def test_is_searched_and_comes_in_pages(
        self, desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(overview, "PAGE_SIZE", 2)
        license_id = desk.license()
        programs = [desk.program(signed_in=False) for _ in range(6)]
        for number, program in enumerate(programs):
            program.license_key = program.license_key or wiring.licenses().new_key(
                desk.account, license_id
            )
            program.end(program.launch(f"launch-{number}")["lease"])
            clock.advance(MINUTE)
        first = desk.browser.get(HERE)
        assert "6 computers, page 1 of 3" in first.words
        shown: list[str] = []
        for number in (1, 2, 3):
            text = desk.browser.get(f"{HERE}?page={number}").text
            shown += re.findall(r'<code title="([^"]+)"', text)
        assert sorted(shown) == sorted(program.computer.id for program in programs)
        send(
            desk.browser, "name", license=license_id, computer=programs[3].computer.id, label="Loft"
        )
        found = desk.browser.get(f"{HERE}?q=LOFT")
        assert re.findall(r'<code title="([^"]+)"', found.text) == [programs[3].computer.id]
        assert "No computer answers to that" in desk.browser.get(f"{HERE}?q=cellar").words
        for query in ("page=99", "page=x", "page=-1", "q=%3Cscript%3E", "done=%3Cb%3E"):
            answer = desk.browser.get(f"{HERE}?{query}")
            assert answer.status == 200
            assert "<script" not in answer.text


@pytest.mark.guarantee("G7")
class TestForeign:
    def test_licenses_of_others_and_of_nobody_look_alike(
        self, desk: Desk, other_desk: Desk, running: Program
    ) -> None:
        other_desk.license()
        token = other_desk.browser.token(HERE)
        lease = lease_on(desk.browser.get(HERE))
        for what in FORMS:
            seen = []
            for license_id in (license_of(desk), "lic_unknown"):
                fields = {"license": license_id, "computer": running.computer.id, "lease": lease}
                if what == "end":
                    del fields["computer"]
                else:
                    del fields["lease"]
                body = "&".join(f"{name}={value}" for name, value in fields.items())
                with watched() as steps:
                    answer = other_desk.browser.post_raw(
                        f"{HERE}/{what}", f"csrf={token}&{body}".encode()
                    )
                seen.append((answer.status, answer.text, steps))
            assert seen[0][0] == 404
            assert seen[0] == seen[1]
        assert running.beat(running.launch()["lease"], 1).status == 200
        assert "Runs now" in desk.browser.get(HERE).words

    def test_computers_of_others_and_of_nobody_look_alike(
        self, desk: Desk, other_desk: Desk, running: Program
    ) -> None:
        mine = other_desk.license()
        token = other_desk.browser.token(HERE)
        for what in ("name", "block", "unblock"):
            seen = []
            for computer in (running.computer.id, "x" * 43):
                body = f"csrf={token}&license={mine}&computer={computer}"
                with watched() as steps:
                    answer = other_desk.browser.post_raw(f"{HERE}/{what}", body.encode())
                seen.append((answer.status, answer.text, steps))
            assert seen[0][0] == 404
            assert seen[0] == seen[1]

    def test_nothing_happens_without_the_form_or_a_session(
        self, desk: Desk, running: Program
    ) -> None:
        fields = f"license={license_of(desk)}&computer={running.computer.id}"
        for what in FORMS:
            path = f"{HERE}/{what}"
            assert desk.browser.post_raw(path, f"csrf=x&{fields}".encode()).status == 403
            assert Browser().post_raw(path, fields.encode()).location.startswith("/login")
        assert "Runs now" in desk.browser.get(HERE).words
