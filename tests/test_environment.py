"""The test environment is what the features rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import wiring
from chalicelib.settings import settings

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables


def test_what_is_written_is_read_back_and_dumped(tables: Tables) -> None:
    tables.accounts.apply(tables.accounts.put({"pk": "A#1", "sk": "A", "n": 1}))
    assert tables.accounts.get("A#1", "A") == {"pk": "A#1", "sk": "A", "n": 1}
    assert "A#1" in tables.dump()


def test_each_test_starts_empty(tables: Tables) -> None:
    assert tables.dump() == "[[], [], []]"


def test_settings_and_secrets_are_there(aws: None) -> None:
    assert settings().mail_queue_url.endswith("/mail")
    assert wiring.keyed().of("email", "a@example.com")


def test_time_stands_still_until_it_is_moved(clock: FakeClock) -> None:
    before = wiring.clock()
    clock.advance(1_500)
    assert wiring.clock() == before + 1_500
