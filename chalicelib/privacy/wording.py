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
REASONS = (
    ("gpc", "your browser's Global Privacy Control"),
    ("register", "the registration form"),
    ("setup", "the setup page"),
    ("computers", "the page of your computers"),
    ("stop:mail", "a mail to us that stopped it"),
    ("mail:", "a mail to you"),
    ("page:/staff", "a page of those who work here"),
    ("staff:", "somebody who works here"),
    ("case:", "what you wrote to us"),
    ("processor", "the card processor"),
    ("share:processor:", "to the card processor, for what you ordered"),
    ("link:", "a link that was mailed to you"),
    ("command:", "a command of the operator"),
    ("checkout", "a checkout at the card processor"),
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
        str(entry.purpose or "").replace("_", " "),
        f"version {known.number}" if known else "",
        next((words for start, words in REASONS if reason.startswith(start)), ""),
        reason,
    )  # fmt: skip
