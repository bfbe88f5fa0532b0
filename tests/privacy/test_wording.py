"""The ledger in a person's words: each reason that a person may meet has some."""

from __future__ import annotations

import pytest

from chalicelib.privacy.rules import Entry, Event, Row
from chalicelib.privacy.wording import told


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("register", "the registration form"),
        ("mail:receipt:msg_1", "a mail to you: receipt"),
        ("page:/account/setup", "your page Setup"),
        ("share:processor:card_page:ord_1", "to the card processor: that a card is to be saved"),
        ("link:unsubscribe", "the link in a mail that stops such mail"),
        ("command:fiscal", "a command of the operator"),
    ],
)
def test_a_reason_is_told_in_words(reason: str, why: str) -> None:
    assert told(Row("sub_1", 1, 0, Entry(Event.OPENED, reason=reason), "", "")).why == why
