"""The account's list of sessions: what it shows, what it keeps, and what it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.session_routes import PAGE_SIZE
from chalicelib.core.clock import DAY, HOUR
from tests.accounts.test_sessions import SID, entered, signed_in
from tests.accounts.watch import watched
from tests.crash import at_every_call
from tests.identity.conftest import Desk, desk, offer, other_desk

if TYPE_CHECKING:
    from tests.browser import Browser
    from tests.conftest import FakeClock, Tables

__all__ = ["desk", "offer", "other_desk"]  # fixtures of another folder
PAGE = "/account/sessions"
NAME = re.compile(r'name="session" value="([^"]+)"')


def names(browser: Browser) -> list[str]:
    """Of the sessions that may be ended from here, newest first."""
    return NAME.findall(browser.get(PAGE).text)


class TestList:
    def test_marks_this_browser_and_offers_the_others(
        self, member: Browser, clock: FakeClock
    ) -> None:
        assert "This browser" in member.get(PAGE).words
        assert not names(member)
        other = entered()
        assert len(names(member)) == 1
        words = other.get(PAGE).words
        assert words.count("This browser") == 1
        assert "26 November 2026" in words

    def test_shows_the_day_of_the_last_use(self, member: Browser, clock: FakeClock) -> None:
        other = entered()
        clock.advance(2 * DAY)
        other.get("/account")
        clock.advance(3 * DAY)
        assert '<time datetime="2026-11-28">' in member.get(PAGE).text

    @pytest.mark.promise("PS-31")
    def test_holds_neither_address_nor_browser_nor_a_finer_time_of_use(
        self, member: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        clock.advance(7 * HOUR)
        member.get("/account", **{"user-agent": "Strange Browser 1.0"})
        rows = [i for i in tables.items("usage") if i["type"].startswith("session")]
        facts = {name for row in rows for name in row}
        assert facts == {
            "pk", "sk", "type", "v", "account", "epoch", "created_at", "ends_at", "used_on",
            "purge_at", "session",
        }  # fmt: skip
        assert {row["used_on"] for row in rows if "used_on" in row} == {"2026-11-26"}
        assert "Strange" not in tables.dump()
        assert "203.0.113.9" not in tables.dump()

    def test_comes_in_pages(self, member: Browser, clock: FakeClock) -> None:
        for _ in range(PAGE_SIZE + 2):
            clock.advance(1)
            entered()
        first = member.get(PAGE)
        assert len(NAME.findall(first.text)) == PAGE_SIZE
        (older,) = re.findall(r'href="([^"]+cursor=[^"]+)"', first.text)
        second = member.get(older)
        assert len(NAME.findall(second.text)) == 2
        assert "This browser" in second.words
        assert not set(NAME.findall(first.text)) & set(NAME.findall(second.text))

    def test_leaves_out_what_has_ended(self, member: Browser, clock: FakeClock) -> None:
        for ending in ("/logout", "/logout/everywhere"):
            other = entered()
            assert len(names(member)) == 1
            if ending == "/logout":
                other.post(ending, {}, page="/account")
                assert not names(member)
        clock.advance(30 * DAY - 1)
        fresh = entered()
        assert len(names(fresh)) == 1  # the browser that signed in a moment after the member
        clock.advance(1)
        assert not names(fresh)

    def test_takes_in_a_session_that_was_started_before_there_was_a_list(
        self, member: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        other = entered()
        for row in [i for i in tables.items("usage") if i["type"] == "session_listed"]:
            tables.usage.apply(tables.usage.delete(row["pk"], row["sk"]))
        for row in [i for i in tables.items("usage") if i["type"] == "session"]:
            del row["used_on"]
            tables.usage.apply(tables.usage.put(row))
        member.get("/account")
        assert not names(member)
        other.get("/account")
        assert len(names(member)) == 1


class TestLastUse:
    def test_costs_one_transaction_a_day(self, member: Browser, clock: FakeClock) -> None:
        member.get("/device")
        clock.advance(DAY)
        with watched() as steps:
            member.get("/device")
        reads = [("dynamodb", "GetItem", "usage"), ("dynamodb", "GetItem", "accounts")]
        assert steps[:2] == reads
        assert [step[1] for step in steps[2:]] == ["TransactWriteItems"]
        with watched() as steps:
            member.get("/device")
        assert steps == reads

    @pytest.mark.guarantee("G7")
    def test_is_not_told_by_what_names_something_or_is_refused(
        self, member: Browser, clock: FakeClock
    ) -> None:
        paths = ("/orders/ord_unknown", "/account/usage?computer=none")
        for path in paths:
            member.get(path)  # the process reads its secrets once
            clock.advance(DAY)
            with watched() as first:
                member.get(path)
            with watched() as second:
                member.get(path)
            assert first == second

    def test_that_cannot_be_kept_spoils_no_answer(
        self, member: Browser, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise LookupError

        clock.advance(DAY)
        monkeypatch.setattr(type(wiring.sessions().kept), "use_session", broken)
        assert member.get("/device").status == 200


class TestEnding:
    def test_one_ends_that_one_alone(self, member: Browser, clock: FakeClock) -> None:
        one, two = entered(), entered()
        (newest, *_) = names(member)
        answer = member.post(f"{PAGE}/end", {"session": newest}, page=PAGE)
        assert answer.location == f"{PAGE}?done=one"
        assert "That session has ended" in member.get(answer.location).words
        assert [signed_in(one), signed_in(two), signed_in(member)].count(False) == 1
        assert signed_in(member)

    def test_this_one_signs_out(self, member: Browser, clock: FakeClock) -> None:
        clock.advance(1)
        other = entered()
        (mine,) = names(other)
        answer = member.post(f"{PAGE}/end", {"session": mine}, page=PAGE)
        assert answer.location == "/"
        assert SID not in member.cookies
        assert signed_in(other)

    def test_all_others_leaves_this_one(self, member: Browser) -> None:
        others = [entered(), entered()]
        answer = member.post(f"{PAGE}/others", {}, page=PAGE)
        assert answer.location == f"{PAGE}?done=others"
        assert not any(signed_in(browser) for browser in others)
        assert signed_in(member)
        assert not names(member)

    @pytest.mark.guarantee("G12")
    def test_all_others_ends_all_or_none_at_any_crash(self, member: Browser) -> None:
        token = member.cookies[SID]

        def judge(other: Browser) -> None:
            assert signed_in(member)
            wiring.sessions().end_others(token)
            assert signed_in(member)
            assert not signed_in(other)

        assert at_every_call(entered, lambda _: wiring.sessions().end_others(token), judge) == 6

    @pytest.mark.guarantee("G7")
    def test_anothers_and_nobodys_look_alike(self, desk: Desk, other_desk: Desk) -> None:
        (theirs,) = [
            item["sk"] for item in desk.tables.items("usage")
            if item["pk"] == f"SESSIONS#{other_desk.account}"
        ]  # fmt: skip
        token = desk.browser.token(PAGE)
        seen = []
        for name in (theirs, theirs[:-4] + "zzzz"):
            body = f"csrf={token}&session={name}".encode()
            with watched() as steps:
                answer = desk.browser.post_raw(f"{PAGE}/end", body)
            seen.append((answer.status, answer.text, steps))
        assert seen[0][0] == 404
        assert seen[0] == seen[1]
        assert other_desk.browser.get("/account").status == 200

    def test_without_the_form_nothing_ends(self, member: Browser) -> None:
        other = entered()
        (name,) = names(member)
        assert member.post_raw(f"{PAGE}/end", f"csrf=x&session={name}".encode()).status == 403
        assert member.post_raw(f"{PAGE}/others", b"csrf=x").status == 403
        assert signed_in(other)

    def test_a_form_that_names_none_says_so(self, member: Browser) -> None:
        answer = member.post(f"{PAGE}/end", {}, page=PAGE)
        assert answer.status == 422
        assert "Choose a session from the list" in answer.words
