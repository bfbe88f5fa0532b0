"""What the operator did by a command: a chain of its own in the ledger, a row beside each write.

A row names the command and the id of what it was done to, and holds no name and no address.
"""

from __future__ import annotations

from chalicelib.privacy.rules import Entry, Event

OPERATOR = "operator"


def commanded(command: str, *ids: str) -> Entry:
    """The row of one command: `command:partner-link:ptr_…:2026-11`."""
    return Entry(Event.OPERATED, reason=":".join(("command", command, *ids)))
