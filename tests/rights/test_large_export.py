"""What a person with a long history takes along: each file fits one answer, and none is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.errors import NotFound
from chalicelib.privacy.rules import Entry, Event, Purpose
from chalicelib.rights import export as taking
from chalicelib.rights import wiring as rights
from tests.rights.conftest import MORA
from tests.rights.reads import counted

if TYPE_CHECKING:
    from chalicelib.accounts.rules import Account

BLOCK, ROWS = 50, 430
LIMIT = 6_000_000  # bytes of an answer of a function
ENTRY = Entry(Event.OPENED, Purpose.ACCOUNT, "1:2b3d61a3520d6ce9", "mail:receipt:" + "0" * 20)


@pytest.fixture
def long(mora: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """A history of many blocks, which are small here."""
    monkeypatch.setattr(taking, "ROWS", BLOCK)
    ledger = wiring.vault().ledger
    for _ in range(0, ROWS, 10):
        ledger.table.transact(*ledger.append(mora.subject, [ENTRY] * 10, wiring.now()))
    return mora


@pytest.mark.promise("PS-79")
class TestALongHistory:
    def test_is_taken_along_in_files_that_miss_no_row(self, long: Account) -> None:
        found = rights.export().of(MORA)
        head = wiring.vault().ledger.head(long.subject)
        assert head
        assert BLOCK <= len(found["uses"]) < 2 * BLOCK
        numbers = [row["number"] for row in found["uses"]]
        for file in found["further_files"]:
            last = int(file["json"].rpartition("=")[2])
            numbers += [row["number"] for row in rights.export().block(MORA, last)["uses"]]
        assert sorted(numbers) == list(range(1, head.number + 1))

    def test_is_walked_once(self, long: Account) -> None:
        with counted() as calls:
            rights.export().of(MORA)
        short = calls.total()
        ledger = wiring.vault().ledger
        ledger.table.transact(*ledger.append(long.subject, [ENTRY] * 50, wiring.now()))
        with counted() as calls:
            rights.export().of(MORA)
        assert calls.total() == short

    @pytest.mark.parametrize("last", [0, 1, BLOCK + 1, 10_000])
    def test_has_no_other_file(self, long: Account, last: int) -> None:
        with pytest.raises(NotFound):
            rights.export().block(MORA, last)


@pytest.mark.promise("PS-79")
def test_the_longest_file_of_uses_and_usage_fits_one_answer() -> None:
    use = {
        "number": 10**9, "at": "2026-11-25T12:00:00.000Z", "event": "deactivated",
        "purpose": "policy_notice", "policy": "1:2b3d61a3520d6ce9", "reason": ENTRY.reason,
        "about": "ord_3qsxrvc1f5ae58s6mf2e7d3a47",
    }  # fmt: skip
    row = dict.fromkeys("abcdefg", "x" * 40)
    sections = {"uses": [use] * 2 * taking.ROWS, "mails": [use] * 2 * taking.ROWS,
                **{name: [row] * 9_000 for name in ("usage", "members", "orders")}}  # fmt: skip
    left = list(taking.shorten(sections, "https://cetrus.test"))
    assert {each["section"]: each["rows"] for each in left} == dict.fromkeys(
        ("usage", "members", "orders"), 9_000 - taking.LONGEST
    )
    assert len(json.dumps(json.dumps(sections))) < LIMIT
