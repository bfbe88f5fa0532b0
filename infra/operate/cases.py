"""Cases by the operator's command, until staff have pages for them: list, read, close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.core.clock import to_text

if TYPE_CHECKING:
    from chalicelib.cases.rules import Case

Json = dict[str, Any]


def listed() -> Json:
    """Every open case, the longest due first; nothing of who wrote or what."""
    cases = sorted(wiring.cases().listed(), key=lambda case: case.due_at)
    return {"open": [described(case) for case in cases]}


def read(case_id: str) -> Json:
    """What was written, and that it was read goes to the ledger first; CaseClosed afterwards.

    A mail's words are in the mail bucket, under the key that `mail` says.
    """
    case, written = wiring.cases().read(case_id)
    return {**described(case), "written": written}


def close(case_id: str) -> Json:
    return described(wiring.cases().close(case_id))


def described(case: Case) -> Json:
    found = {
        "id": case.id, "kind": str(case.kind), "state": str(case.state),
        "since": to_text(case.created_at), "due": to_text(case.due_at),
    }  # fmt: skip
    if case.mail:
        found["mail"] = case.mail
    return found
