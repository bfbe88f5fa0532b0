"""A history as its owner reads it: folding loses nothing, and pages go on where one ended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.privacy.history import FURTHEST, Show, read
from chalicelib.privacy.rules import Entry, Event, Purpose, Row, policy

ENTRIES = (
    Entry(Event.OPENED, Purpose.ACCOUNT, None, "page:/account/setup"),
    Entry(Event.OPENED, Purpose.BILLING, None, "page:/account/setup"),
    Entry(Event.OPENED, Purpose.ACCOUNT, None, "page:/account/privacy"),
    Entry(Event.OPENED, Purpose.ACCOUNT, None, "mail:receipt:0f"),
    Entry(Event.OPENED, Purpose.ACCOUNT, None, "page:/staff/cases"),
    Entry(Event.SHARED, Purpose.BILLING, None, "share:processor:charge:0f"),
    Entry(Event.GRANTED, Purpose.MARKETING, policy(3).id, "page:/account/privacy"),
    Entry(Event.CORRECTED, Purpose.ACCOUNT, policy(1).id, "setup"),
)
SETUP, _, PRIVACY, MAIL, STAFF, CHARGE, YES, _ = ENTRIES


def rows(*entries: Entry) -> list[Row]:
    return [Row("sub_1", n, n * 1000, entry, "", "") for n, entry in enumerate(entries, 1)]


def reasons(entries: tuple[Entry, ...], show: Show) -> list[str]:
    return [line.told.reason for line in read(reversed(rows(*entries)), show, 25).lines]


def test_looks_of_one_page_in_a_row_are_one_line_with_their_number() -> None:
    (page, mail, older) = read(reversed(rows(*ENTRIES[:2], MAIL, SETUP, SETUP)), Show.ALL, 9).lines
    assert (page.count, page.told.number, page.since) == (2, 5, 4000)
    assert (mail.count, older.count, older.purposes) == (1, 2, ["billing", "account"])


def test_what_others_did_is_passed_on_mailed_or_opened_by_those_who_work_here() -> None:
    assert reasons(ENTRIES, Show.OTHERS) == [e.reason for e in (CHARGE, STAFF, MAIL)]


def test_answers_and_looks_are_each_by_themselves() -> None:
    assert reasons(ENTRIES, Show.ANSWERS) == [YES.reason]
    assert reasons(ENTRIES, Show.LOOKS) == [PRIVACY.reason, SETUP.reason]


def test_what_is_rare_is_sought_in_so_many_rows_and_no_further() -> None:
    found = read(reversed(rows(MAIL, *[SETUP] * FURTHEST)), Show.OTHERS, 25)
    assert (found.lines, found.more, found.oldest) == ([], True, 2)


@given(st.lists(st.sampled_from(ENTRIES)), st.sampled_from(Show), st.integers(1, 5))
def test_every_row_is_on_one_page_either_way(entries: list[Entry], show: Show, size: int) -> None:
    every = rows(*entries)
    back, forth = [], []
    left = every[::-1]
    while left:
        page = read(left, show, size)
        back += [(line.told.number, line.count) for line in page.lines]
        left = [row for row in left if row.number < page.oldest] if page.more else []
    left = every
    while left:
        page = read(left, show, size)
        forth += [(line.told.number, line.count) for line in page.lines[::-1]]
        left = [row for row in left if row.number > page.newest] if page.more else []
    assert back == forth[::-1]
    if show in {Show.ALL, Show.ROWS}:
        assert sum(count for _, count in back) == len(every)
