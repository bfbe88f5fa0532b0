"""What the tax law keeps of a payer, opened by the operator alone: no function may."""

from __future__ import annotations

from typing import Any

from chalicelib import wiring
from chalicelib.core.clock import to_text
from chalicelib.core.errors import NotFound
from chalicelib.privacy.sinks import staff
from chalicelib.rights import wiring as rights
from chalicelib.rights.store import fiscal_subject

Json = dict[str, Any]
REASON = "command:fiscal"


def read(account_id: str) -> Json:
    """The record of one account that left; that it was opened is in its own ledger before."""
    store = rights.erasure().fiscal
    found, until = store.found(account_id), store.ends_at(account_id)
    if found is None or until is None:
        raise NotFound("Nothing is kept of this account.")
    secret = wiring.vault().open_kept(*found, REASON)
    fields = staff(secret, fiscal_subject(account_id))
    return {"account": account_id, "kept_until": to_text(until), "fields": fields}
