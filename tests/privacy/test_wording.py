"""The ledger in a person's words: each reason that a person may meet has some."""

from __future__ import annotations

import pytest

from chalicelib.privacy.rules import Entry, Event, Row
from chalicelib.privacy.wording import told


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("register", "the registration form"),
        ("mail:receipt:msg_1", "a mail to you"),
        ("page:/account/setup", "a page that you opened"),
        ("share:processor:card_page:ord_1", "to the card processor, for what you ordered"),
        ("link:unsubscribe", "a link that was mailed to you"),
        ("command:fiscal", "a command of the operator"),
    ],
)
def test_a_reason_is_told_in_words(reason: str, why: str) -> None:
    assert told(Row("sub_1", 1, 0, Entry(Event.OPENED, reason=reason), "", "")).why == why
