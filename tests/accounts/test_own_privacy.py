"""What a person sees of their own data: all of it, each use, and the receipt of each answer."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.accounts.choice_routes import ROWS
from chalicelib.core.clock import DAY, to_text
from chalicelib.mail.wishes import COMPLAINED, suppression_of
from chalicelib.privacy.rules import Entry, Event, Purpose, policy
from tests.accounts.conftest import PROFILE, REGISTRATION
from tests.accounts.test_choices import answer, subject_of
from tests.browser import Browser

if TYPE_CHECKING:
    from chalicelib.privacy.rules import Row
    from tests.accounts.conftest import Mails
    from tests.conftest import FakeClock, Tables

PAGE = "/account/privacy"
LINE = re.compile(
    r'(?s)<tr id="row-(\d+)"><td[^>]*><time datetime="([^"]+)">.*?<code>([^<]*)</code>'
)


def ledger(tables: Tables) -> list[Row]:
    return list(wiring.vault().ledger.rows(subject_of(tables)))


def shown(browser: Browser, path: str = f"{PAGE}?show=rows") -> list[tuple[int, str, str]]:
    """Number, time and reason of every line, page after page, newest first."""
    text = browser.get(path).text
    lines = [(int(number), at, reason) for number, at, reason in LINE.findall(text)]
    older = re.search(r'href="(/account/privacy\?show=rows&amp;before=\d+)"', text)
    return lines + (shown(browser, unescape(older[1])) if older else [])


def grant(tables: Tables, purpose: Purpose) -> None:
    vault, subject = wiring.vault(), subject_of(tables)
    fields = {"email": PROFILE["email"]}
    vault.commit(lambda: vault.grant(subject, purpose, fields, "test"))


class TestThePage:
    @pytest.mark.promise("PS-79")
    def test_shows_every_field_and_under_which_version(self, member: Browser) -> None:
        page = member.get(PAGE)
        assert not [value for value in PROFILE.values() if value not in page.words]
        registered = re.findall(
            r"Held since 25 November 2026 ?, in the words of version (\d)", page.words
        )
        assert registered == ["1", "1", "3"], (
            "an unchanged use stays bound to whoever said it first"
        )
        assert "version 1 of the policy, unchanged since; version 3 says the same" in page.words
        assert 'href="/privacy/v/1"' in page.text

    def test_the_two_answers_of_a_choice_look_alike(self, member: Browser) -> None:
        def buttons() -> set[str]:
            return set(re.findall(r'<button name="answer" value="(\w+" class="\w+)"', card(member)))

        def card(browser: Browser) -> str:
            return (
                browser.get(PAGE).text.partition('id="card-marketing"')[2].partition("</form>")[0]
            )

        assert buttons() == {'yes" class="secondary'}
        answer(member, "marketing", "yes")
        assert buttons() == {'no" class="secondary'}

    def test_a_mailbox_is_spoken_of_where_a_link_went_there(self, member: Browser) -> None:
        for purpose, said in (
            ("marketing", "in force from now on"),
            ("partner_mail", "mailed you"),
        ):
            where = answer(member, purpose, "yes").location
            assert said in member.get(where).words.partition("Your data")[0]

    @pytest.mark.promise("PS-79")
    def test_equals_the_ledger_row_by_row_its_own_openings_included(
        self, member: Browser, tables: Tables, clock: FakeClock
    ) -> None:
        for _ in range(ROWS):
            wiring.vault().open(subject_of(tables), Purpose.ACCOUNT, "mail:receipt:msg_1")
            clock.advance(60_000)
        shared = Entry(Event.SHARED, Purpose.BILLING, None, "processor:checkout")
        wiring.vault().commit(lambda: wiring.vault().note_of(subject_of(tables), shared))
        member.get(PAGE)
        found = shown(member)
        rows = [(row.number, to_text(row.at), row.entry.reason) for row in ledger(tables)]
        assert found == rows[::-1]
        assert found[0][2] == "page:/account/privacy"
        assert len(found) > ROWS

    @pytest.mark.promise("PS-06")
    def test_says_of_each_choice_how_it_stands_since_when_and_under_which_version(
        self, member: Browser
    ) -> None:
        answer(member, "marketing", "yes")
        words = member.get(PAGE).words
        for choice, answered in (
            ("Offers and news", "Yes ?, since 26"),
            ("Partners. material", "No ?, since 25"),
        ):
            assert re.search(rf"{choice} .*? {answered} November 2026 ?, under version 3", words)

    @pytest.mark.promise("PS-06")
    @pytest.mark.promise("PS-76")
    @pytest.mark.parametrize(
        ("purpose", "row"),
        [
            (Purpose.PARTNER_MAIL, "CLASS#partner"), (Purpose.PARTNER_MAIL, COMPLAINED),
            (Purpose.MARKETING, "CLASS#offer"), (Purpose.MARKETING, COMPLAINED),
        ],
    )  # fmt: skip
    def test_says_that_a_mail_stopped_it_and_a_yes_lifts_that(
        self, member: Browser, tables: Tables, clock: FakeClock, purpose: Purpose, row: str
    ) -> None:
        grant(tables, purpose)
        hashed = suppression_of(wiring.keyed(), PROFILE["email"].upper())
        clock.advance(DAY)
        wiring.wishes().suppress(hashed, row, "remove", clock.now)
        assert re.search(
            r"Stopped by mail on 27 November 2026 ?: none of it comes until you say yes again ?\."
            r" You said yes on 26 November 2026", member.get(PAGE).words,
        )  # fmt: skip
        card = member.get(PAGE).text.partition(f'id="card-{purpose}"')[2].partition("</form>")[0]
        assert 'value="yes"' in card
        assert 'value="no"' in card
        assert answer(member, purpose, "yes").status == 303
        assert wiring.wishes().in_force(hashed) == []
        assert "Stopped by mail" not in member.get(PAGE).words

    def test_what_is_not_granted_is_a_no_whatever_stopped_it(
        self, member: Browser, clock: FakeClock
    ) -> None:
        hashed = suppression_of(wiring.keyed(), PROFILE["email"])
        wiring.wishes().suppress(hashed, COMPLAINED, "mail_service", clock.now)
        assert "Stopped by mail" not in member.get(PAGE).words

    @pytest.mark.promise("PS-79")
    def test_what_others_did_comes_first_and_is_not_lost_among_looks(
        self, member: Browser, tables: Tables
    ) -> None:
        vault, subject = wiring.vault(), subject_of(tables)
        vault.open(subject, Purpose.ACCOUNT, "mail:receipt")
        shared = Entry(Event.SHARED, Purpose.BILLING, None, "share:processor:customer")
        vault.commit(lambda: vault.note_of(subject, shared))
        for _ in range(ROWS):
            member.get("/account/setup")
        words = member.get(PAGE).words.partition("What was done with it")[2]
        assert "a mail to you: receipt" in words
        assert "to the card processor: that there is an account" in words
        assert "your page Setup" not in words
        assert "share:" not in words
        everything = member.get(f"{PAGE}?show=all")
        assert f"Opened {2 * ROWS} times" in everything.words
        assert "From 25 November 2026 to 26 November 2026 , newest first" in everything.words

    def test_a_line_that_is_for_no_purpose_names_its_version_alone(
        self, member: Browser, tables: Tables
    ) -> None:
        entry = Entry(Event.NOTIFIED, policy=policy(3).id, reason="mail:policy_change")
        wiring.vault().commit(lambda: wiring.vault().note_of(subject_of(tables), entry))
        assert '<td data-label="For">version 3</td>' in member.get(PAGE).text

    def test_the_pages_of_the_history_lead_both_ways(self, member: Browser) -> None:
        def numbers(text: str) -> list[int]:
            return [int(number) for number in re.findall(r'id="row-(\d+)"', text)]

        for _ in range(ROWS):
            member.get("/account/setup")
        first = member.get(f"{PAGE}?show=rows").text
        assert ">Newer<" not in first
        second = member.get(unescape(re.findall(r'href="([^"]+)">Older', first)[0])).text
        assert numbers(second)[0] == numbers(first)[-1] - 1
        back = member.get(unescape(re.findall(r'href="([^"]+)">Newer', second)[0])).text
        assert numbers(back) == numbers(first)
        assert ">Older<" in back

    def test_is_of_nobody_else(self, member: Browser, mails: Mails, tables: Tables) -> None:
        assert Browser().get(PAGE).status == 303

    def test_a_row_that_is_none_is_not_found(self, member: Browser) -> None:
        for before in ("x", "0", "-1", "1", "9" * 30, "y"):
            assert member.get(f"{PAGE}?before={before}").status == 404
        for other in ("after=0", "after=x", "show=none", f"after={'9' * 30}"):
            assert member.get(f"{PAGE}?{other}").status == 404

    def test_goes_on_below_any_row(self, member: Browser) -> None:
        assert [line[0] for line in shown(member, f"{PAGE}?show=rows&before=3")] == [2, 1]


class TestReceipts:
    def receipt(self, browser: Browser, number: int) -> dict[str, Any]:
        answered = browser.get(f"{PAGE}/receipts/{number}.json")
        assert answered.status == 200
        assert answered.headers["Content-Disposition"].startswith("attachment")
        found: dict[str, Any] = json.loads(answered.text)
        return found

    @pytest.mark.promise("PS-79")
    def test_each_answer_has_one_that_the_ledger_proves(
        self, member: Browser, tables: Tables
    ) -> None:
        answer(member, "marketing", "yes")
        row = next(r for r in ledger(tables) if r.entry.event is Event.GRANTED)
        receipt = self.receipt(member, row.number)
        assert receipt["proof"] == {
            "row": row.number, "hash": row.hash, "previous": row.previous,
        }  # fmt: skip
        named = receipt["pii_processing"]["privacy_notice"]
        assert named == "https://cetrus.test/privacy/v/3"
        assert row.entry.policy is not None
        assert named.rpartition("/")[2] == row.entry.policy.partition(":")[0]
        (event,) = receipt["event"]
        assert event["event_state"] == "dpv:ConsentGiven"
        assert event["event_time"] == to_text(row.at)
        assert event["event_type"] == "dpv:ExplicitlyExpressedConsent"

    @pytest.mark.promise("PS-79")
    def test_each_answer_in_the_history_leads_to_one_that_reads_like_a_page(
        self, member: Browser
    ) -> None:
        answer(member, "marketing", "yes")
        answer(member, "marketing", "no")
        listed = member.get(f"{PAGE}?show=answers").text
        links = re.findall(r'href="(/account/privacy/receipts/\d+)"', listed)
        said = [member.get(link).words for link in links]
        assert [next(w for w in ("taken back", "Yes.", "No.") if w in words) for words in said] == [
            "taken back",
            "Yes.",
            "No.",
            "No.",
        ]
        assert all("Version 3 of the privacy statement" in words for words in said)
        assert "your page Privacy" in said[0]
        text = member.get(f"{links[0]}.json").text
        assert text.startswith('{\n  "@context"'), "a file that a person can read too"

    def test_names_no_subject_and_no_address(self, member: Browser, tables: Tables) -> None:
        row = next(r for r in ledger(tables) if r.entry.event is Event.DECLINED)
        text = json.dumps(self.receipt(member, row.number))
        assert "dpv:ConsentRefused" in text
        assert subject_of(tables) not in text
        assert REGISTRATION["email"] not in text

    def test_what_is_not_an_answer_has_none(self, member: Browser, tables: Tables) -> None:
        for name in ("1.json", "999.json", "0.json", "x.json", "1", "4.xml", f"{'9' * 40}.json"):
            assert member.get(f"{PAGE}/receipts/{name}").status == 404
