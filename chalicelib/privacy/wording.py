"""The ledger in a person's words: what happened to their data, for which purpose, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.privacy.rules import Event, known_policies

if TYPE_CHECKING:
    from chalicelib.privacy.rules import Row

EVENTS = {
    Event.COLLECTED: "Collected",
    Event.CORRECTED: "Corrected",
    Event.OPENED: "Opened",
    Event.GRANTED: "You said yes",
    Event.DECLINED: "You said no",
    Event.WITHDRAWN: "You took your yes back",
    Event.SHARED: "Passed on",
    Event.NOTIFIED: "You were told",
    Event.DEACTIVATED: "Put on hold",
    Event.REACTIVATED: "Taken from hold",
    Event.ERASED: "Erased",
}
MAIL = "a mail to you"
REASONS = (
    ("gpc", "your browser's Global Privacy Control"),
    ("register", "the registration form"),
    ("setup", "the setup page"),
    ("computers", "the page of your computers"),
    ("stop:mail", "a mail to us that stopped it"),
    ("mail:inbound", "a mail to us"),
    ("mail:", MAIL),
    ("page:/staff", "a page of those who work here"),
    ("staff:", "somebody who works here"),
    ("case:", "what you wrote to us"),
    ("processor", "the card processor"),
    ("share:processor:customer", "to the card processor: that there is an account, by a number"),
    ("share:processor:card_page", "to the card processor: that a card is to be saved"),
    ("share:processor:payment_page", "to the card processor: what an order costs"),
    ("share:processor:charge", "to the card processor: what a renewal costs"),
    ("share:processor:refund", "to the card processor: how much is given back"),
    ("share:processor:", "to the card processor, for what you ordered"),
    ("link:unsubscribe", "the link in a mail that stops such mail"),
    ("link:", "a link that was mailed to you"),
    ("command:", "a command of the operator"),
    ("checkout", "a checkout at the card processor"),
    ("page:/account/privacy/export", "your data to take along"),
    ("page:/account/privacy", "your page Privacy"),
    ("page:/account/setup", "your page Setup"),
    ("page:/account/email", "the form to move to another address"),
    ("page:/account/computers", "the page of your computers"),
    ("page:/account/usage", "your page Usage"),
    ("page:/account/notices", "your page Notices"),
    ("page:/account/licenses/people", "the page of a license's people"),
    ("page:/email", "a link about your address"),
    ("page:/choices", "the link that says a yes again"),
    ("page:/reset", "a new password that was set by mail"),
    ("page:/rights", "a link to leave that was mailed to you"),
    ("page:/reactivate", "the page to come back"),
    ("page:/contact", "the form to write to us"),
    ("page:", "a page that you opened"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """One row as its owner reads it; `reason` is the program's own word, as the ledger has it."""

    number: int
    at: int
    event: str
    purpose: str
    policy: str
    why: str
    reason: str


def told(row: Row) -> Told:
    entry = row.entry
    reason = entry.reason or ""
    known = known_policies().get(entry.policy or "")
    return Told(
        row.number, row.at,
        EVENTS.get(entry.event, str(entry.event).replace("_", " ").capitalize()),
        str(entry.purpose or ""),
        f"version {known.number}" if known else "",
        why_of(reason),
        reason,
    )  # fmt: skip


def why_of(reason: str) -> str:
    """A reason in words; a mail says which kind it was."""
    words = next((words for start, words in REASONS if reason.startswith(start)), "")
    return f"{words}: {reason.split(':')[1].replace('_', ' ')}" if words == MAIL else words
