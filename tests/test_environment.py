"""The test environment is what the features rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.settings import settings

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

CLAIM = {"pk": "EMAIL#1", "sk": "EMAIL", "type": "email_claim", "v": 1, "account": "acc_1"}


def test_what_is_written_is_read_back_and_dumped(tables: Tables) -> None:
    tables.accounts.apply(tables.accounts.put(CLAIM))
    assert tables.accounts.get("EMAIL#1", "EMAIL") == CLAIM
    assert "EMAIL#1" in tables.dump()


def test_each_test_starts_empty(tables: Tables) -> None:
    assert tables.dump() == "[[], [], []]"


def test_settings_and_secrets_are_there(aws: None) -> None:
    assert settings().mail_queue_url.endswith("/mail")
    assert wiring.keyed().of("email", "a@example.com")


def test_time_stands_still_until_it_is_moved(clock: FakeClock) -> None:
    before = wiring.clock()
    clock.advance(1_500)
    assert wiring.clock() == before + 1_500
