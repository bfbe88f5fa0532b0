"""The export to read: all that the one for programs says, in words, and nothing beside it."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

import chalicelib
from chalicelib import wiring
from chalicelib.accounts.countries import COUNTRIES
from chalicelib.core.clock import from_text
from chalicelib.licenses.member_store import Membership
from chalicelib.privacy import policies
from chalicelib.privacy.rules import Entry, Event, Purpose
from chalicelib.privacy.wording import why_of
from chalicelib.rights import export as taking
from chalicelib.rights import reading_words
from chalicelib.rights import wiring as rights
from chalicelib.rights.reading import file_of
from chalicelib.rights.reading_words import SECTIONS
from chalicelib.rights.rules import Beside
from tests.browser import Browser
from tests.rights.conftest import MORA, PASSWORD, PROFILE, buy
from tests.rights.test_large_export import LIMIT

if TYPE_CHECKING:
    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from tests.conftest import Tables
    from tests.payments.conftest import FakeProcessor

HOME, ZONE = "https://cetrus.test", "Asia/Kathmandu"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
COUNTED = {"anchor", "period_start", "period_end", "due"}  # instants that programs get as numbers
MONEY = {"amount", "price", "refunded", "disputed", "lost"}
STANDS_IN_MONEY = {"currency"}
# How words of the program read: what is not here reads as itself, or as itself with a capital.
READS: dict[str, dict[Any, Any]] = {
    "country": COUNTRIES,
    "state": {"paid": "Complete", "active": ("Active", "Renews")},
    "standing": {"active": "Active"},
    "role": {"user": "Launch it", "billing": "See usage and receipts"},
    "accepted": {True: "Member", False: "Invited, not answered yet"},
    "blocked": {True: "No, blocked", False: "Yes"},
    "dispute": {"open": "Asked back by a bank, not decided"},
    "event": {
        "collected": ("Collected", "You said yes"), "granted": "You said yes",
        "declined": "You said no", "withdrawn": "You took your yes back", "shared": "Passed on",
        "notified": "You were told",
    },
    "purpose": {
        "account": "Your account", "billing": "Your bills", "policy_notice": "Notices of change",
        "marketing": "Offers and news", "partner_mail": "Partners\u2019 material",
        "fiscal": "Tax records", "computers": "Names of your computers",
    },
    "fields": {
        "login": "Login name", "email": "Email address", "name": "Your name",
        "street": "Street and number", "city": "Town or city", "tax_id": "Tax number",
        "computer_label": "What you call a computer",
    },
    "recipients": policies.RECIPIENTS,
    "not_wanted": {"usage_summary": "Weekly summary of what you used"},
    "what": {
        "CLASS#offer": "Offers and news", "BOUNCED": "Notices, since mail to your address bounces"
    },
    "months": {1: "once a month"},
    "section": {"members": "People of your licenses"},
}  # fmt: skip
# Words that tell what an id is of, or what a reason means; they are said of no value by themselves.
AROUND = re.compile(
    r"^(None|order|license|application|vendor|plan|account|its page|payment|your random name|"
    r"account that pays|invitation|version \d)$"
)


CELLS, INSIDE = {"td", "dd", "h3"}, {"time", "code", "a"}


class Read(HTMLParser):
    """The rows of each section as a person reads them: a row is the texts of its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[list[list[str]]]] = {}
        self.instants: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shape = ""
        self.open = False
        self.at = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "h2" and found.get("id") not in {None, "contents"}:
            self.here = self.rows.setdefault(str(found["id"]), [])
            self.shape = ""
        if tag in {"tr", "h3"} or (tag == "dl" and self.shape != "records"):
            self.here.append([])
        if tag == "h3":
            self.shape = "records"
        if tag in {"td", "dd", "h3"}:
            self.here[-1].append([])
        self.at = found.get("datetime") or "" if tag == "time" else ""
        if tag not in INSIDE:
            self.open = tag in CELLS and bool(self.rows)

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open and tag in INSIDE

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.here[-1][-1].append(data.strip())
            if self.at:
                self.instants[data.strip()] = self.at


def read(text: str) -> Read:
    found = Read()
    found.feed(text)
    for rows in found.rows.values():
        rows[:] = [row for row in rows if row]
    return found


def leaves(row: dict[str, Any]) -> list[tuple[str, Any]]:
    """The values of a row by their keys; of a list each by itself."""
    found = [(k, v) for k, v in row.items() if v not in (None, "", []) and k not in STANDS_IN_MONEY]
    return [(k, each) for k, v in found for each in (v if isinstance(v, list) else [v])]


def forms(key: str, value: Any, row: dict[str, Any]) -> set[str]:
    """How a value may read, by rules of this test alone."""
    if key in COUNTED or (isinstance(value, str) and INSTANT.fullmatch(value)):
        instant = value / 1000 if isinstance(value, int) else from_text(value) / 1000
        at = dt.datetime.fromtimestamp(instant, ZoneInfo(ZONE))
        return {f"{at.day} {at:%B %Y, %H:%M} (UTC+05:45)"}
    if key in MONEY:
        return {f"{value / 100:.2f} {row['currency']}"}
    if key in {"day", "used_on"}:
        day = dt.date.fromisoformat(value)
        return {f"{day.day} {day:%B %Y}"}
    if key == "milliseconds":
        hours, rest = divmod(value // 1000, 3600)
        return {f"{hours} h {rest // 60:02d} min {rest % 60:02d} s"}
    plain = (str(value), str(value).replace("_", " ").capitalize())
    if key == "policy":
        plain = (f"version {value.partition(':')[0]}", value)
    known = READS.get(key, {}).get(value, plain)
    return {known} if isinstance(known, str) else set(known)


def told(texts: list[str]) -> str:
    return "|".join(texts)


@pytest.fixture
def everything(
    mora: Account, processor: FakeProcessor, crew: Plan, day_pass: Plan
) -> dict[str, Any]:
    """An export with rows in each section and a value for each key that any of them has."""
    buy(processor, crew)
    buy(processor, day_pass, "b")
    wiring.wishes().table.apply(wiring.wishes().set_zone(MORA, ZONE))
    wiring.vault().withdraw(mora.subject, Purpose.MARKETING, "page:/account/privacy")
    found = rights.export().of(MORA)
    license_id, at = found["licenses"][0]["license"], found["made_at"]
    member = Membership(
        "lic_theirs", "acc_theirs", "app_theirs", "Spinnaker", "ven_theirs", "pln_theirs", "Fleet",
        "user", "inv_theirs", 1_790_000_000_000,
    )  # fmt: skip
    found["uses"][-1]["about"] = found["orders"][0]["id"]
    found["payments"][0].update(refunded=125, dispute="open", disputed=250, lost=375)
    found["subscriptions"][0].update(due=1_790_000_100_000, charging=2, refused="expired_card")
    return {
        **found,
        "members": [
            {"license": license_id, "address": f"{name}@harbor.example", "role": role,
             "accepted": name == "ann", "since": at}
            for name, role in (("ann", "user"), ("bo", "billing"))
        ],
        "memberships": [taking.dated(asdict(member))],
        "computers": [
            {"license": license_id, "computer": "k" * 43, "name": name, "blocked": bool(name)}
            for name in ("", "Drawing office")
        ],
        "usage": [{"application": "app_x", "license": license_id, "day": "2026-11-24",
                   "milliseconds": 3_723_000}],
        "sessions": [{"started_at": at, "used_on": "2026-11-24", "ends_at": at}],
        "notices": {"time_zone": ZONE, "not_wanted": ["usage_summary"]},
        "not_wanted": [{"what": what, "since": at} for what in ("CLASS#offer", "BOUNCED")],
        "mails": [{"at": at, "template": "receipt_copy"}],
        "further_files": [{"rows": "1 to 2000", "json": f"{HOME}/x.json?rows=2000",
                           "html": f"{HOME}/x.html?rows=2000"}],
        "left_out": [{"section": "members", "rows": 7, "where": f"{HOME}/account"}],
    }  # fmt: skip


def to_read(found: dict[str, Any], zone: str = ZONE) -> str:
    return file_of(found, Beside(zone, 3), HOME)


@pytest.mark.promise("PS-79")
class TestNothingIsMissing:
    def test_every_value_for_programs_stands_in_its_section_in_words(
        self, everything: dict[str, Any]
    ) -> None:
        found = read(to_read(everything)).rows
        assert not [name for name, rows in everything.items() if not rows]
        for name, rows in everything.items():
            if name == "made_at":
                continue
            listed = rows if isinstance(rows, list) else [rows]
            shown = found[name.replace("_", "-")]
            assert len(shown) == len(listed), name
            for row, cells in zip(listed, shown, strict=True):
                words = told([told(texts) for texts in cells])
                for key, value in leaves(row):
                    readable = forms(key, value, row)
                    assert any(form in words for form in readable), (name, key, value, words)

    def test_nothing_stands_there_that_programs_are_not_told(
        self, everything: dict[str, Any]
    ) -> None:
        found = read(to_read(everything)).rows
        named = {f"{row['application']}, {row['plan']}" for row in everything["licenses"]}
        for name, rows in everything.items():
            listed = rows if isinstance(rows, list) else [rows]
            for row, cells in zip(listed, found.get(name.replace("_", "-"), ()), strict=False):
                known = {form for key, v in leaves(row) for form in forms(key, v, row)}
                if "reason" in row:
                    known.add(why_of(row["reason"]))
                for text in (text for texts in cells for text in texts):
                    rest = text
                    for form in sorted(known | named, key=len, reverse=True):
                        rest = rest.replace(form, "")
                    rest = rest.strip(" ,")
                    assert not rest or AROUND.match(rest), (name, text, rest)

    def test_every_instant_is_there_to_the_millisecond(self, everything: dict[str, Any]) -> None:
        exact = set(read(to_read(everything)).instants.values())
        text = json.dumps({**everything, "notices": {}})
        times = [attrs.get("datetime") for tag, attrs in read(to_read(everything)).tags]
        assert exact
        assert set(INSTANT.findall(text)) <= set(times)

    def test_what_nobody_said_how_to_read_is_shown_all_the_same(
        self, everything: dict[str, Any]
    ) -> None:
        everything["sails"] = [{"kind_of_cloth": "canvas <b>"}]
        everything["licenses"][0]["flag_color"] = "teal"
        text = to_read(everything)
        assert read(text).rows["sails"] == [[["canvas <b>"]]]
        assert '<th scope="col">Kind of cloth' in text
        assert ["teal"] in read(text).rows["licenses"][0]

    def test_each_key_has_a_label_of_its_own(self, everything: dict[str, Any]) -> None:
        assert set(everything) - {"made_at"} == set(SECTIONS) - {"choices"}
        for name, rows in everything.items():
            if name in SECTIONS:
                known = {key for column in SECTIONS[name].columns for key in column.ways}
                for row in rows if isinstance(rows, list) else [rows]:
                    assert set(row) <= known | SECTIONS[name].told, name

    def test_choices_are_the_answers_among_the_uses(self, everything: dict[str, Any]) -> None:
        shown = read(to_read(everything)).rows["choices"]
        assert [told(cell) for row in shown for cell in row[1:3]] == [
            "Offers and news", "You said yes", "Partners\u2019 material", "You said no",
            "Offers and news", "You took your yes back",
        ]  # fmt: skip


@pytest.mark.promise("PS-79")
class TestForALayPerson:
    def test_it_opens_by_what_it_is_when_it_was_made_and_under_which_version(
        self, everything: dict[str, Any]
    ) -> None:
        lead = re.search(r'(?s)<p class="lead">(.*?)</p>', to_read(everything))
        assert lead
        words = re.sub(r"<[^>]+>", "", lead[1])
        made = forms("made_at", everything["made_at"], {}).pop()
        assert words.startswith("This is all that Cetrus holds of you")
        assert f"It was made on {made}, while version 3 of the privacy statement" in words
        assert f"Times are in the time zone {ZONE};" in words

    def test_without_a_zone_it_is_utc_and_says_so(self, everything: dict[str, Any]) -> None:
        text = to_read(everything, "")
        assert "Times are in the time zone UTC, since you chose none" in text
        assert "(UTC)</time>" in text
        assert "+05:45" not in text

    def test_the_contents_lead_to_every_section_and_each_has_its_heading(
        self, everything: dict[str, Any]
    ) -> None:
        text = to_read(everything)
        found = read(text)
        assert [tag for tag, _ in found.tags].count("h1") == 1
        assert [tag for tag, _ in found.tags].count("main") == 1
        titles = re.findall(r'<h2 id="([^"]+)">([^<]+)</h2>', text)[1:]
        assert re.findall(r'<li><a href="#([^"]+)">([^<]+)</a>', text) == titles
        assert [title for _, title in titles] == [each.title for each in SECTIONS.values()]
        assert text.count("<section aria-labelledby=") == len(titles)
        assert all(attrs.get("scope") == "col" for tag, attrs in found.tags if tag == "th")

    def test_what_is_empty_says_so_in_a_sentence(self, mora: Account) -> None:
        text = file_of(rights.export().of(MORA), rights.export().beside(MORA), HOME)
        for name in ("licenses", "members", "memberships", "computers", "usage", "orders",
                     "payments", "subscriptions", "sessions", "not_wanted", "further_files",
                     "left_out"):  # fmt: skip
            assert f'<p class="empty">{SECTIONS[name].none}</p>' in text, name
            assert SECTIONS[name].none.endswith(".")

    def test_it_loads_nothing_and_runs_nothing(self, everything: dict[str, Any]) -> None:
        text = to_read(everything)
        found = read(text)
        assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in found.tags}
        assert not [a for _, attrs in found.tags for a in attrs if a == "src" or a[:2] == "on"]
        law = "default-src 'none'; style-src 'unsafe-inline'"
        assert [a["content"] for _, a in found.tags if "http-equiv" in a] == [law]
        assert "url(" not in text
        assert "@import" not in text
        links = {str(attrs["href"]) for tag, attrs in found.tags if tag == "a"}
        assert all(link.startswith(("#", HOME)) for link in links)

    def test_no_word_of_a_person_becomes_markup(self, everything: dict[str, Any]) -> None:
        everything["profile"]["name"] = "<script>alert(1)</script>"
        everything["computers"][0]["name"] = '"><img src=x>'
        tags = {tag for tag, _ in read(to_read(everything)).tags}
        assert not {"script", "img"} & tags

    def test_its_words_are_those_of_the_pages(self, mora: Account, tables: Tables) -> None:
        browser = Browser()
        browser.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
        forms_of = browser.get("/account/setup").words + browser.get("/register").words
        for label in reading_words.DETAILS.values():
            assert label in forms_of
        folder = Path(chalicelib.__file__).parent
        order = (folder / "payments/templates/order.html").read_text()
        assert all(reading_words.DISPUTES[name] in order for name in ("open", "lost"))
        pages = "".join(path.read_text() for path in folder.glob("*/templates/*.html"))
        for name in ("licenses", "memberships", "computers", "sessions", "notices", "orders",
                     "payments", "subscriptions", "usage"):  # fmt: skip
            assert f">{SECTIONS[name].title}</h" in pages, name


@pytest.mark.promise("PS-79")
class TestFiles:
    def test_a_further_file_is_a_document_too(
        self, mora: Account, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(taking, "ROWS", 10)
        ledger = wiring.vault().ledger
        entry = Entry(Event.OPENED, Purpose.ACCOUNT, None, "mail:receipt")
        ledger.table.transact(*ledger.append(mora.subject, [entry] * 40, wiring.now()))
        browser = Browser()
        browser.post("/login", {"login": PROFILE["login"], "password": PASSWORD})
        first = browser.get("/account/privacy/export.html").text
        link = re.search(r'href="[^"]*(/account/privacy/export.html\?rows=20)"', first)
        assert link
        assert "What is older stands in" in first
        page = browser.get(link[1]).text
        assert "a further file of what Cetrus has on record about you" in page
        assert len(read(page).rows["uses"]) == 10
        assert "profile" not in read(page).rows

    def test_the_longest_fits_one_answer_and_is_made_in_time(
        self, everything: dict[str, Any]
    ) -> None:
        """More than any account has: each section at its longest, but those that are short."""
        short = {"grants": 12, "not_wanted": 40, "left_out": 12, "further_files": 500,
                 "subscriptions": 300, "memberships": 300, "sessions": 300}  # fmt: skip
        for name, rows in everything.items():
            if isinstance(rows, list):
                longest = 2 * taking.ROWS if name in {"uses", "mails"} else taking.LONGEST
                many = short.get(name, longest)
                everything[name] = (rows * many)[:many]
        began = time.monotonic()
        text = to_read(everything)
        assert time.monotonic() - began < 10
        assert len(json.dumps(text)) < LIMIT
