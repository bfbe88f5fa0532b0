"""Leaving among many, and leaving with much: counted in calls and bytes, and never in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.core.clock import HOUR
from chalicelib.mail.rules import MailClass, Message
from chalicelib.mail.store import MailStore
from chalicelib.rights import wiring as rights
from tests.rights.conftest import MORA, forget_all_but, places, register, sweep, tombstone
from tests.rights.reads import counted

if TYPE_CHECKING:
    from tests.conftest import Tables

OTHERS = 2_000


def erase() -> int:
    """How many calls an erasure takes, from the button to the tombstone."""
    with counted() as calls:
        rights.erasure().ask(MORA, 0)
        assert sweep()["finished"] == 1
    assert tombstone(MORA)
    return calls.total()


def write_to_others(many: int) -> None:
    """Mail of both lanes, now and later, to people who stay."""
    store, now = MailStore(wiring.accounts_table()), wiring.now()
    for number in range(many):
        kind = MailClass.OFFER if number % 2 else MailClass.NOTICE
        message = Message(
            f"msg_{number}", "offer", kind, f"acc_{number}", None, {}, now, now + number * HOUR
        )
        store.table.apply(store.put(message))


@pytest.mark.promise("PS-70")
def test_mail_that_waits_for_thousands_of_others_is_not_looked_at(tables: Tables) -> None:
    kept = places(tables)
    register()
    alone = erase()
    forget_all_but(tables, kept)
    write_to_others(OTHERS)
    register()
    assert erase() == alone
    waiting = [i for i in tables.items("accounts") if i["type"] == "message"]
    assert len(waiting) == OTHERS
