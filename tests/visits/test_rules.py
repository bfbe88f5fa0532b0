"""From lines to counters: what counts as what, and that nothing else comes out."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.clock import DAY as A_DAY
from chalicelib.visits import rules
from chalicelib.visits.agents import agent_of
from chalicelib.visits.networks import network_of
from chalicelib.visits.rules import (
    DAY_ROOM,
    FAMILIES,
    FILE_ROOM,
    MOST_VISITS,
    OTHER,
    ROOM,
    admitted,
    counters_end,
    day_start,
    last_gone,
    months,
    open_days,
    referrer_of,
    rolled,
)
from tests.visits.logs import CHROME, CRAWLER, DAY, FIREFOX, LINE, line

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = 1_795_608_000_000


def counted(*lines: bytes, own: str = "cetrus.test") -> dict[str, dict[str, int]]:
    return rolled(lines, own=own).days[DAY]


class TestClicks:
    def test_a_click_counts_once_in_each_family(self) -> None:
        found = counted(line(referrer="https://news.example"))
        assert found == {
            "kind": {"pages": 1},
            "page": {"/apps": 1},
            "status": {"200": 1},
            "referrer": {"news.example": 1},
            "browser": {"Chrome": 1},
            "platform": {"Windows": 1},
            "network": {"Deutsche Telekom": 1},
            "country": {"DE": 1},
            "hour": {"11": 1},
            "move": {},
            "entry": {"/apps": 1},
            "exit": {"/apps": 1},
        }
        assert set(found) == set(FAMILIES)

    def test_an_answer_that_leads_on_is_part_of_the_click_it_leads_to(self) -> None:
        found = counted(
            line(page="/login", method="POST", status="303"), line(page="/account", at="11:20:34")
        )
        assert found["page"] == {"/account": 1}
        assert found["status"] == {"303": 1, "200": 1}
        assert found["kind"] == {"pages": 2}

    @pytest.mark.parametrize(
        ("pattern", "kind"),
        [
            ("/assets/*", "assets"),
            ("/v1/*", "programs"),
            ("/v1/vendor/*", "programs"),
            ("/webhooks/*", "programs"),
            ("/staff*", "staff"),
        ],
    )
    def test_what_no_visitor_asks_for_is_counted_by_its_kind_alone(
        self, pattern: str, kind: str
    ) -> None:
        found = counted(line(page=pattern, agent="anything/1.0"))
        assert {family: names for family, names in found.items() if names} == {"kind": {kind: 1}}

    def test_bots_are_counted_as_bots_alone(self) -> None:
        found = counted(line(agent=CRAWLER), line(agent="-"), line(agent="curl/8.5.0"))
        assert {family: names for family, names in found.items() if names} == {"kind": {"bots": 3}}

    def test_what_is_no_page_of_ours_is_no_click(self) -> None:
        found = counted(line(page="*", status="404"), line(page="/made-up", status="404"))
        assert found["kind"] == {"strays": 2}
        assert found["status"] == {"404": 2}
        assert found["page"] == {}

    def test_a_look_at_the_head_is_no_click(self) -> None:
        assert counted(line(method="HEAD"))["page"] == {}

    def test_strange_values_have_no_names_of_their_own(self) -> None:
        found = counted(line(country="<b>", status="99x", asn="-", agent="Wonderlynx/3 (Plan 9)"))
        assert found["country"] == {"unknown": 1}
        assert found["status"] == {"other": 1}
        assert found["network"] == {"unknown": 1}
        assert found["browser"] == found["platform"] == {"other": 1}


class TestReferrers:
    @pytest.mark.parametrize(
        ("text", "site"),
        [
            ("-", "direct"),
            ("https://News.Example/item?id=7#x", "news.example"),
            ("http://www.news.example:8080", "news.example"),
            ("https://u-829.mail.provider.co.example/inbox", "provider.co.example"),
            ("https://name:word@news.example/", "news.example"),
            ("https://203.0.113.9/", OTHER),
            ("https://[2001:db8::1]/", OTHER),
            ("http://alices-laptop.local/", OTHER),
            ("http://intranet/", OTHER),
            ("android-app://com.example.reader", OTHER),
            ("javascript:alert(1)", OTHER),
            ("https://news.example\\evil", OTHER),
            ("https://cetrus.test/account", ""),
        ],
    )
    def test_only_a_public_site_is_named(self, text: str, site: str) -> None:
        assert referrer_of(text, "cetrus.test") == site

    def test_nobody_comes_from_our_own_pages(self) -> None:
        found = counted(line(referrer="https://cetrus.test"), line())
        assert found["referrer"] == {"direct": 1}

    def test_our_own_host_is_known_by_its_whole_name(self) -> None:
        assert counted(line(referrer="http://localhost:8000"), own="localhost")["referrer"] == {}
        assert referrer_of("https://a.b.cetrus.test", "cetrus.test") == "b.cetrus.test"


class TestMoves:
    def test_clicks_of_one_browser_in_one_file_are_a_visit(self) -> None:
        found = counted(
            line(page="/", at="11:00:00"),
            line(page="/apps", at="11:02:00"),
            line(page="/", at="11:02:01", ip="203.0.113.10"),
            line(page="/apps/*", at="11:04:00"),
        )
        assert found["entry"] == {"/": 2}
        assert found["move"] == {"/ > /apps": 1, "/apps > /apps/*": 1}
        assert found["exit"] == {"/apps/*": 1, "/": 1}

    def test_another_browser_at_the_same_address_is_another_visit(self) -> None:
        found = counted(line(page="/"), line(page="/apps", agent=FIREFOX))
        assert found["move"] == {}
        assert found["entry"] == found["exit"] == {"/": 1, "/apps": 1}

    def test_half_an_hour_without_a_click_ends_a_visit(self) -> None:
        still = counted(line(page="/", at="11:00:00"), line(page="/apps", at="11:30:59"))
        over = counted(line(page="/", at="11:00:00"), line(page="/apps", at="11:31:00"))
        assert still["move"] == {"/ > /apps": 1}
        assert over["move"] == {}
        assert over["entry"] == over["exit"] == {"/": 1, "/apps": 1}

    def test_a_visit_over_midnight_counts_on_the_day_of_each_click(self) -> None:
        found = rolled(
            [
                line(page="/", at="23:59:00"),
                line(page="/apps", day="2026-11-26", at="00:01:00"),
            ]
        ).days
        assert found[DAY]["entry"] == {"/": 1}
        assert found[DAY]["exit"] == {}
        assert found["2026-11-26"]["move"] == {"/ > /apps": 1}
        assert found["2026-11-26"]["exit"] == {"/apps": 1}

    def test_entries_and_exits_are_as_many_as_visits(self) -> None:
        lines = [
            line(ip=f"10.0.{n % 50}.{n % 7}", at=f"{n % 24:02d}:{n % 60:02d}:00")
            for n in range(3_000)
        ]
        found = counted(*lines)
        clicks = sum(found["page"].values())
        assert sum(found["entry"].values()) == sum(found["exit"].values())
        assert sum(found["entry"].values()) + sum(found["move"].values()) == clicks == 3_000


class TestBounds:
    def test_visits_under_way_are_bounded_and_none_is_lost(self) -> None:
        roll = rules.Roll("", None)
        for n in range(MOST_VISITS + 500):
            roll.take(line(ip=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"))
        assert len(roll.visits) == MOST_VISITS
        found = roll.finish().days[DAY]
        assert found["entry"] == found["exit"] == {"/apps": MOST_VISITS + 500}

    def test_names_are_bounded_and_the_sum_is_kept(self) -> None:
        often = [line(referrer="https://often.example")] * 50
        once = [line(referrer=f"https://spam-{n}.example") for n in range(3 * ROOM)]
        found = counted(*often, *once, *often)["referrer"]
        assert len(found) <= ROOM
        assert found["often.example"] == 100
        assert sum(found.values()) == 100 + 3 * ROOM

    def test_what_is_known_of_agents_and_referrers_is_bounded(self) -> None:
        roll = rules.Roll("", None)
        for n in range(2 * rules.CACHED):
            roll.take(line(agent=f"{CHROME} {n}", referrer=f"https://a{n}.example"))
        assert len(roll.agents) <= rules.CACHED
        assert len(roll.referrers) <= rules.CACHED

    def test_days_are_bounded(self) -> None:
        first = date(2026, 1, 1)
        found = rolled(
            line(day=(first + timedelta(days=n)).isoformat()) for n in range(rules.MOST_DAYS + 9)
        )
        assert len(found.days) == rules.MOST_DAYS
        assert found.misdated == 9

    def test_a_day_that_is_closed_is_not_counted(self) -> None:
        days = open_days(NOON)
        assert days == ("2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26")
        found = rolled([line(day="2026-11-22"), line()], days=days)
        assert found.misdated == 1
        assert set(found.days) == {DAY}

    @given(
        st.dictionaries(
            st.one_of(st.just(OTHER), st.integers(0, 500).map(str)), st.integers(1, 99),
            max_size=450,
        ),
        st.sets(st.integers(0, 500).map(str), max_size=DAY_ROOM),
    )  # fmt: skip
    def test_what_a_day_takes_in_has_room_and_keeps_the_sum(
        self, names: dict[str, int], known: set[str]
    ) -> None:
        found = admitted(names, known)
        assert sum(found.values()) == sum(names.values())
        assert len(found) <= FILE_ROOM + 1
        assert len(known | set(found) - {OTHER}) <= DAY_ROOM
        least = min((n for name, n in found.items() if name != OTHER), default=0)
        if not known and len(names) > FILE_ROOM + 1:
            assert max(n for name, n in names.items() if name not in found) <= least


class TestMemory:
    def test_ten_times_the_lines_take_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, bound in (("MOST_VISITS", 100), ("ROOM", 40), ("CACHED", 50)):
            monkeypatch.setattr(rules, name, bound)

        def lines(count: int) -> Iterator[bytes]:
            for n in range(count):
                yield line(
                    ip=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", agent=f"{CHROME} {n}",
                    referrer=f"https://a{n}.example", country=f"{chr(65 + n % 26)}A",
                    at=f"{n % 24:02d}:00:00",
                )  # fmt: skip

        def peak(count: int) -> int:
            tracemalloc.start()
            assert rolled(lines(count)).lines == count
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return most

        peak(100)
        assert peak(5_000) < 1.5 * peak(500)


class TestBadLines:
    @pytest.mark.parametrize(
        "bad",
        [
            b"\0",
            b"{",
            b"[]",
            b"7",
            b"null",
            b"[" * 60_000,
            b"\xff\xfe",
            json.dumps({n: v for n, v in LINE.items() if n != "c-ip"}).encode(),
            line(status=200),
            line(agent=None),
            line(page=["/"]),
            line(day="2026-13-01"),
            line(day="20261125"),
            line(day="2026-W48-3"),
            line(at="24:00:00"),
            line(at="noon"),
            line(at="11:20"),
        ],
        ids=str,
    )
    def test_a_line_that_is_none_of_ours_counts_nowhere(self, bad: bytes) -> None:
        found = rolled([line(), bad, line()])
        assert found.lines == 3
        assert found.unreadable == 1
        assert not found.strange
        assert found.days[DAY]["page"] == {"/apps": 2}
        assert found.days[DAY]["kind"] == {"pages": 2}

    def test_a_file_of_mostly_such_lines_is_strange(self) -> None:
        assert rolled([b"{", line()]).strange is False
        assert rolled([b"{", b"{", line()]).strange
        assert rolled([]).strange is False


@pytest.mark.promise("PS-31")
@pytest.mark.guarantee("G9")
class TestNothingElseComesOut:
    def test_no_address_and_no_user_agent(self) -> None:
        lines = [
            line(ip=f"198.51.100.{n}", agent=f"{CHROME} Canary/{n}.7f3a", page=page)
            for n in range(200)
            for page in ("/", "/apps", "/v1/*", "*")
        ]
        said = json.dumps(asdict(rolled(lines)))
        for canary in ("198.51.100", "Canary", "7f3a", "Mozilla", "142.0"):
            assert canary not in said

    def test_no_name_holds_two_attributes_but_for_ways_between_pages(self) -> None:
        found = counted(*(line(page=page, ip="10.0.0.1") for page in ("/", "/apps", "/exit")))
        for family, names in found.items():
            parts = 2 if family == "move" else 1
            assert {len(name.split(" > ")) for name in names} <= {parts}
            assert not [name for name in names if "|" in name or "," in name]


class TestVocabulary:
    @pytest.mark.parametrize(
        ("text", "browser", "platform"),
        [
            (CHROME, "Chrome", "Windows"),
            (FIREFOX, "Firefox", "Linux"),
            (CHROME.replace(" ", "%20"), "Chrome", "Windows"),
            (f"{CHROME} Edg/142.0.0.0", "Edge", "Windows"),
            (f"{CHROME} OPR/120.0", "Opera", "Windows"),
            (
                ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) Version/18.1 Safari/605.1.15"),
                "Safari", "macOS",
            ),
            (
                ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
                "(KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1"),
                "Chrome", "iOS",
            ),
            (
                ("Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
                "SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36"),
                "Samsung Internet", "Android",
            ),
            (
                ("Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 "
                "(KHTML, like Gecko) Chrome/142.0 Mobile Safari/537.36"),
                "Chrome", "Android",
            ),
            ("Mozilla/5.0 (X11; CrOS x86_64 15917.0.0) Chrome/142.0 Safari/537.36",
             "Chrome", "ChromeOS"),
            ("Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko",
             "Internet Explorer", "Windows"),
        ],
    )  # fmt: skip
    def test_browsers_and_platforms(self, text: str, browser: str, platform: str) -> None:
        assert agent_of(text) == (False, browser, platform)

    @pytest.mark.parametrize(
        "text",
        [
            "", "-", CRAWLER, "curl/8.5.0", "python-httpx/0.28", "Go-http-client/2.0",
            "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/142.0 Safari/537.36",
            "facebookexternalhit/1.1", "Mozilla/5.0 (compatible; bingbot/2.0)",
        ],
    )  # fmt: skip
    def test_bots(self, text: str) -> None:
        assert agent_of(text).bot

    def test_networks(self) -> None:
        assert network_of("3320") == "Deutsche Telekom"
        assert network_of("64500") == "other"
        assert network_of("-") == "unknown"


class TestTerms:
    @given(st.dates(date(2024, 1, 1), date(2032, 12, 31)))
    @pytest.mark.promise("PS-32")
    def test_counters_end_when_they_are_25_months_old(self, today: date) -> None:
        now = day_start(today.isoformat()) + A_DAY // 2
        last = last_gone(now)
        after = (date.fromisoformat(last) + timedelta(days=1)).isoformat()
        assert counters_end(last) <= now < counters_end(after)

    def test_months_between_days(self) -> None:
        assert months("2026-11-30", "2027-01-01") == ["2026-11", "2026-12", "2027-01"]
        assert months("2026-11-01", "2026-11-30") == ["2026-11"]
