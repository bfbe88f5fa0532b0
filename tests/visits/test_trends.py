"""The trends page: what operators see, and that small numbers stay among the others."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.core.errors import Unavailable
from chalicelib.core.few import SHOWN_FROM
from chalicelib.edge.pages import asset_path
from chalicelib.staff.rules import Role
from chalicelib.visits.charts import bars, scale
from chalicelib.visits.classes import PAGES
from chalicelib.visits.routes import ROWS
from chalicelib.visits.rules import OTHER, open_days
from chalicelib.visits.trends import (
    TITLES,
    Range,
    WrongRange,
    days_a_bar,
    ending,
    grouped,
    range_of,
    suppressed,
    table,
)
from tests.conftest import NOON
from tests.staff.conftest import NAME, signed_in
from tests.visits.logs import FIREFOX, Door, line, rollup

if TYPE_CHECKING:
    from tests.browser import Browser
    from tests.conftest import Tables


@pytest.fixture
def operator(door: Door) -> Browser:
    return signed_in(NAME, Role.OPERATOR)


def busy(door: Door) -> None:
    """A day with clicks enough to be shown, and some that are too few."""
    door.write(
        *(line(page="/", ip=f"10.0.0.{n}", referrer="https://news.example") for n in range(30)),
        *(line(ip=f"10.0.0.{n}", at="12:00:00", agent=FIREFOX, country="US") for n in range(12)),
        *(line(page="/contact", ip=f"10.1.0.{n}", country="FR", at="13:00:00") for n in range(3)),
    )
    rollup()


def cells(page: str, family: str) -> dict[str, int]:
    """The rows of one table as a page shows them."""
    section = page.partition(f'<section aria-labelledby="{family}">')[2].partition("</section>")[0]
    rows = re.findall(r"<tr><td>([^<]+)(?:<svg.*?</svg>)?<td>([0-9]+)<", section)
    return {name: int(number) for name, number in rows}


class TestPage:
    def test_without_any_clicks_it_says_what_it_will_hold(self, operator: Browser) -> None:
        answer = operator.get("/staff/trends")
        assert answer.status == 200
        assert "No clicks from 19 November 2026 to 25 November 2026" in answer.words

    @pytest.mark.promise("PS-28")
    def test_it_shows_what_was_counted(self, operator: Browser, door: Door) -> None:
        busy(door)
        page = operator.get("/staff/trends").text
        assert '<data value="45">45</data> clicks' in page
        assert cells(page, "page") == {"/": 30, "All others": 15}
        assert cells(page, "country") == {"Germany": 30, "All others": 15}
        assert cells(page, "browser") == {"Chrome": 33, "Firefox": 12}
        assert cells(page, "referrer") == {"news.example": 30, "direct": 15}
        assert cells(page, "status") == {"200": 45}

    def test_a_number_below_eleven_is_not_shown(self, operator: Browser, door: Door) -> None:
        door.write(*(line(ip=f"10.0.0.{n}") for n in range(10)))
        rollup()
        page = operator.get("/staff/trends").text
        assert "Fewer than 11 clicks" in page
        assert ">10<" not in page

    def test_days_are_chosen(self, operator: Browser, door: Door) -> None:
        busy(door)
        assert "45" in operator.get("/staff/trends?from=2026-11-25&to=2026-11-25").words
        assert "No clicks" in operator.get("/staff/trends?from=2026-11-01&to=2026-11-24").words

    def test_the_days_before_are_compared_with(self, operator: Browser, door: Door) -> None:
        busy(door)
        door.write(*(line(day="2026-11-24", ip=f"10.0.{n}.1") for n in range(30)))
        rollup()
        words = operator.get("/staff/trends?from=2026-11-25&to=2026-11-25").words
        assert "50 percent more than in the day before" in words

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            ("from=yesterday", "Write a date"),
            ("to=2026-11-26", "has not come yet"),
            ("from=2026-11-20&to=2026-11-19", "after the last day"),
            ("from=2024-09-30&to=2024-10-01", "kept for 25 months"),
            ("from=2025-01-01&to=2026-02-01", "At most 366 days"),
            ("from=%3Cscript%3E", "Write a date"),
        ],
    )
    def test_days_that_cannot_be_shown_are_told_in_place(
        self, query: str, sentence: str, operator: Browser
    ) -> None:
        answer = operator.get(f"/staff/trends?{query}")
        assert answer.status == 422
        assert sentence in answer.words
        assert "<script" not in answer.text

    def test_a_name_that_a_visitor_chose_is_only_text(self, operator: Browser, door: Door) -> None:
        wiring.visit_store().leave("2026-11-25", "=<b>&")
        for _ in range(12):
            wiring.visit_store().leave("2026-11-25", "=<b>&")
        busy(door)
        assert "=&lt;b&gt;&amp;" in operator.get("/staff/trends").text
        assert "'=<b>&" in operator.get("/staff/trends.csv").text

    @pytest.mark.parametrize("first", ["2026-11-19", "2026-10-26", "2026-09-01", "2025-11-25"])
    def test_with_its_styles_it_is_small_and_has_no_script(
        self, first: str, operator: Browser, door: Door
    ) -> None:
        for day in open_days(NOON)[:3]:
            door.write(
                *(
                    line(day=day, page=page, ip=f"10.0.{n}.{m}", at=f"{n:02d}:00:00",
                         referrer=f"https://a{m}.example", asn=str(3000 + m),
                         country=f"{chr(65 + m)}A", status=str(400 + m))
                    for m, page in enumerate(PAGES[:26]) for n in range(20)
                )
            )  # fmt: skip
        rollup()
        page = operator.get(f"/staff/trends?from={first}&to=2026-11-25").text
        styles = operator.get(asset_path("site.css")).text
        assert len(page.encode()) + len(styles.encode()) < 30_000
        assert "<script" not in page
        assert "style=" not in page

    def test_one_family_has_a_page_with_all_its_rows(self, operator: Browser, door: Door) -> None:
        door.write(*(line(page=page, ip=f"10.0.{n}.1") for page in PAGES[:9] for n in range(11)))
        rollup()
        assert len(cells(operator.get("/staff/trends").text, "page")) == ROWS + 1
        page = operator.get("/staff/trends?show=page").text
        assert set(cells(page, "page")) == set(PAGES[:9])
        assert cells(page, "country") == {}
        assert operator.get("/staff/trends?show=visitors").status == 404

    def test_under_the_stage_prefix_every_link_has_it(self, operator: Browser, door: Door) -> None:
        busy(door)
        operator.stage = "/api"
        page = operator.get("/staff/trends").text
        assert not re.findall(r'(?:href|action|src)="/(?!api/)', page)


def refused(*_: object) -> None:
    raise Unavailable


class TestFile:
    def test_it_has_the_same_figures(self, operator: Browser, door: Door) -> None:
        busy(door)
        answer = operator.get("/staff/trends.csv?from=2026-11-24&to=2026-11-25")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "cetrus-trends-2026-11-24-2026-11-25.csv" in answer.headers["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        found = {(row["family"], row["name"]): row["count"] for row in rows}
        assert found["page", "/"] == "30"
        assert found["page", "(others)"] == "15"
        assert found["country", "DE"] == "30"
        assert not [n for n in found.values() if n.isdigit() and int(n) < SHOWN_FROM]

    @pytest.mark.promise("PS-45")
    def test_who_took_it_and_of_which_days_is_in_the_ledger_first(
        self, operator: Browser, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        days = "from=2026-11-24&to=2026-11-25"
        with monkeypatch.context() as failing:
            failing.setattr(type(wiring.staff()), "took", refused)
            assert operator.get(f"/staff/trends.csv?{days}").status == 503
        assert operator.get(f"/staff/trends.csv?{days}").status == 200
        (member,) = [i["pk"] for i in tables.items("accounts") if i["type"] == "staff"]
        chain = wiring.staff().ledger.rows(member.removeprefix("STAFF#"))
        rows = [row.entry.reason for row in chain]
        assert rows[-1] == "page:/staff/trends.csv:2026-11-24:2026-11-25"

    def test_days_that_cannot_be_had_are_refused(self, operator: Browser) -> None:
        assert operator.get("/staff/trends.csv?to=2027-01-01").status == 422


class TestSmallNumbers:
    @given(st.dictionaries(st.text(max_size=3) | st.just(OTHER), st.integers(1, 40), max_size=12))
    def test_are_never_shown_nor_left_over(self, names: dict[str, int]) -> None:
        shown, hidden = suppressed(names)
        assert sum(shown.values()) + hidden == sum(names.values())
        assert all(number >= SHOWN_FROM for number in shown.values())
        assert hidden == 0 or hidden >= SHOWN_FROM or not shown
        assert OTHER not in shown

    def test_one_small_number_takes_the_next_larger_with_it(self) -> None:
        assert suppressed({"a": 50, "b": 20, "c": 3}) == ({"a": 50}, 23)
        assert suppressed({"a": 50, "b": 20, "c": 6, "d": 6}) == ({"a": 50, "b": 20}, 12)

    def test_too_few_in_all_are_told_as_too_few(self) -> None:
        assert table("page", {"/": 10}).others is None
        assert table("page", {}).others == 0
        assert table("page", {"/": 11}).others == 0

    @given(st.dictionaries(st.text(max_size=3), st.integers(1, 99), max_size=30))
    def test_rows_beyond_the_most_are_among_the_others(self, names: dict[str, int]) -> None:
        found = table("page", names, 5)
        assert len(found.rows) <= 5
        assert sum(row.number for row in found.rows) + (found.others or 0) == (
            sum(names.values()) if found.others is not None else 0
        )


class TestRanges:
    def test_nothing_asked_is_the_last_week(self) -> None:
        assert range_of("", "", NOON) == Range("2026-11-19", "2026-11-25")
        assert range_of("", "2026-11-10", NOON) == Range("2026-11-04", "2026-11-10")

    def test_the_days_before_are_as_many(self) -> None:
        assert ending("2026-03-01", 3).before == Range("2026-02-24", "2026-02-26")
        assert ending("2026-03-01", 3).days == ["2026-02-27", "2026-02-28", "2026-03-01"]

    def test_dates_are_written_one_way(self) -> None:
        for text in ("20261125", "2026-W48-3", "2026-11-31", "25.11.2026"):
            with pytest.raises(WrongRange):
                range_of(text, "", NOON)


class TestCharts:
    def test_many_days_share_bars(self) -> None:
        assert [days_a_bar(n) for n in (1, 31, 32, 217, 218, 366)] == [1, 1, 7, 7, 14, 14]
        days = {f"2026-11-{n:02d}": n for n in range(1, 10)}
        assert grouped(days, 7) == {"2026-11-01": 28, "2026-11-08": 17}

    @given(st.lists(st.none() | st.integers(0, 10**9), min_size=1, max_size=366))
    def test_bars_stay_inside_and_a_number_is_at_least_a_hairline(
        self, numbers: list[int | None]
    ) -> None:
        found = bars([(str(n), number) for n, number in enumerate(numbers)])
        for bar in found.bars:
            assert found.left <= bar.x <= found.width
            assert 0 <= bar.y <= found.base
            assert (bar.height >= 1) == bool(bar.number)

    @pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (3, 5), (11, 20), (120, 200)])
    def test_the_scale_ends_at_a_round_number(self, most: int, top: int) -> None:
        assert scale(most) == top


def test_every_family_has_its_title() -> None:
    from chalicelib.visits.rules import FAMILIES

    assert set(TITLES) == {*FAMILIES, "left"} - {"hour"}
